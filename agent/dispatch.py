"""One call: look it up, validate its arguments, ask the policy, run it. A result is a value."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from agent.messages import ToolCall, ToolSpec, Values
from agent.policy import NO_SANDBOX, Decision, Policy
from tools.base import Tool, ToolContext, ToolResult
from tools.existing import existing_paths, text_at
from tools.sandbox.off import Off


@dataclass(frozen=True)
class Dispatcher:
    """Runs calls. `ask` shows a command to a person and brings back yes or no.

    `tools` stand in the fixed prompt; `late` are those that were declared behind it since, in a
    message: the prompt stays as it was evaluated.
    """

    tools: Sequence[Tool[Any]]
    context: ToolContext
    policy: Policy
    ask: Callable[[str], bool]
    late: list[Tool[Any]] = field(default_factory=list)

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools of the fixed prompt."""
        return tuple(self._spec(tool) for tool in self.tools)

    def late_specs(self) -> tuple[ToolSpec, ...]:
        return tuple(self._spec(tool) for tool in self.late)

    def declare(self, tool: Tool[Any]) -> ToolSpec:
        """From now on `tool` can be called; its declaration, which the model has to be shown."""
        if self.tool(tool.name) is None:
            self.late.append(tool)
        return self._spec(tool)

    def _spec(self, tool: Tool[Any]) -> ToolSpec:
        parameters = tool.parameters()
        return ToolSpec(tool.name, tool.description, parameters, tool.raw, self._values(tool))

    def _values(self, tool: Tool[Any]) -> Values | None:
        if not tool.existing:
            return None
        return Values(
            partial(existing_paths, self.context, tool.existing),
            tool.copied,
            partial(text_at, self.context),
        )

    def tool(self, name: str) -> Tool[Any] | None:
        return next((t for t in (*self.tools, *self.late) if t.name == name), None)

    async def run(self, call: ToolCall, *, limit: int) -> tuple[ToolResult, bool]:
        """The result of `call`, cut to `limit` characters, and whether the policy refused it."""
        tool = self.tool(call.name)
        if tool is None:
            names = ", ".join(t.name for t in (*self.tools, *self.late))
            return ToolResult(
                f"there is no tool {call.name!r}; there are: {names}", ok=False
            ), False
        try:
            arguments = tool.arguments.model_validate(call.arguments)
        except ValidationError as error:
            return ToolResult(wrong_arguments(tool, error), ok=False), False
        context = replace(self.context, output=self.context.output.with_limit(limit))
        decision = self.policy.decide(tool.name)
        if decision is Decision.ASK and self.ask(_headline(call)):
            # A person has seen this one command and wants it run as it is.
            decision, context = Decision.ALLOW, replace(context, sandbox=Off())
        if decision is not Decision.ALLOW:
            return ToolResult(NO_SANDBOX, ok=False), True
        return await tool.run(arguments, context), False

    def context_of_check(self, command: str) -> ToolContext:
        """Where the user's check runs: in the sandbox, or unconfined when a person says so."""
        if self.policy.decide("shell") is Decision.ASK and self.ask(command):
            return replace(self.context, sandbox=Off())
        return self.context


def wrong_arguments(tool: Tool[Any], error: ValidationError) -> str:
    """What is wrong and what is expected, in a form that a model can act on."""
    problems = [
        f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()
    ]
    schema = json.dumps(tool.parameters()["properties"], ensure_ascii=False)
    return f"{tool.name} was not run: {'; '.join(problems)}. Its arguments are {schema}"


def _headline(call: ToolCall) -> str:
    return str(call.arguments.get("command", call.name))
