"""One call: look it up, validate its arguments, ask the policy, run it. A result is a value."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from agent.approval import Answer, ApprovalRequest, Ask, nobody
from agent.events import ApprovalAsked, ApprovalGiven, Event, Notice
from agent.hooks import Hooks
from agent.messages import ToolCall, ToolSpec, Values
from agent.policy import Decision, Facts, Grants, Policy, Verdict
from agent.policy.effects import EFFECTS
from tools.base import Arguments, Tool, ToolContext, ToolResult
from tools.existing import existing_paths, text_at
from tools.sandbox.off import Off
from tools.workspace import PathRefused, Workspace

# Behind each refusal, for the model.
ADVICE = "Do not try it again: go on without it, or say what you need."
# They act on the session as a whole: not in a copy of the folder, and not in a sub-task.
SESSION_TOOLS = frozenset({"plan", "delegate"})


@dataclass
class Dispatcher:
    """Runs calls. `ask` shows a question to a person and brings back the answer.

    `policy` may change in mid-session. `tools` stand in the fixed prompt; `late` are those that
    were declared behind it since, in a message: the prompt stays as it was evaluated. `grants` are
    what the person has allowed so far, `hooks` commands of the user that hear of calls and may
    stop one.
    """

    tools: Sequence[Tool[Any]]
    context: ToolContext
    policy: Policy
    ask: Ask = nobody
    late: list[Tool[Any]] = field(default_factory=list)
    grants: Grants = field(default_factory=Grants)
    hooks: Hooks = field(default_factory=Hooks)
    copy: bool = False  # the workspace is a copy to try something in
    without: frozenset[str] = frozenset()  # tools that cannot be called, though they are declared

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
        return next((t for t in self._callable() if t.name == name), None)

    def _callable(self) -> Sequence[Tool[Any]]:
        return [t for t in (*self.tools, *self.late) if t.name not in self.without]

    def in_copy(self, workspace: Workspace) -> Dispatcher:
        """The same in a copy of the workspace. Nobody is asked: the call comes again for real."""
        context = replace(self.context, workspace=workspace)
        policy = replace(self.policy, can_ask=False)
        return replace(
            self, context=context, policy=policy, ask=nobody, copy=True, without=SESSION_TOOLS
        )

    async def run(self, call: ToolCall, *, limit: int) -> tuple[ToolResult, bool]:
        """The result of `call`, cut to `limit` characters, and whether the policy refused it."""
        tool = self.tool(call.name)
        if tool is None:
            names = ", ".join(t.name for t in self._callable())
            return ToolResult(
                f"there is no tool {call.name!r}; there are: {names}", ok=False
            ), False
        try:
            arguments = tool.arguments.model_validate(call.arguments)
        except ValidationError as error:
            return ToolResult(wrong_arguments(tool, error), ok=False), False
        context = replace(self.context, output=self.context.output.with_limit(limit))
        verdict = self.decide(call, tool)
        if verdict.decision is Decision.DENY:
            return ToolResult(refusal(call.name, verdict), ok=False), True
        about = {"tool": call.name, "arguments": call.arguments}
        said = await self.hooks.run("before_tool", {**about, "copy": self.copy})
        if not said.allow:
            why = said.reason or "it gave no reason"
            text = f"{call.name} was not run: a hook of the user stopped it: {why}"
            return ToolResult(text, ok=False), True
        if verdict.decision is Decision.ASK:
            result, refused = await self._approved(call, tool, arguments, context, verdict)
        else:
            result, refused = await tool.run(arguments, context), False
        if not (refused or self.copy):
            await self.hooks.run("after_tool", {**about, "ok": result.ok, "text": result.text})
        return result, refused

    def decide(self, call: ToolCall, tool: Tool[Any]) -> Verdict:
        """What the policy says about the call, with what was granted since."""
        policy = replace(self.policy, rules=(*self.policy.rules, *self.grants.rules))
        return policy.decide(call, tool, self._facts(call, tool.name))

    def _facts(self, call: ToolCall, name: str) -> Facts:
        sandbox = self.context.sandbox
        paths: tuple[str, ...] = ()
        if EFFECTS.get(name) in ("read", "write"):
            paths = touched(self.context.workspace, str(call.arguments.get("path") or "."))
        return Facts(
            confined=sandbox.confines,
            read_only=sandbox.confines and sandbox.profile.only_reads,
            copy=self.copy,
            paths=paths,
            inside=partial(_inside, self.context.workspace),
        )

    async def _approved(
        self, call: ToolCall, tool: Tool[Any], arguments: Arguments, context: ToolContext,
        verdict: Verdict,
    ) -> tuple[ToolResult, bool]:  # fmt: skip
        """Run the call if a person wants it."""
        diff = ""
        if tool.preview is not None:
            previewed = tool.preview(arguments, context)
            if isinstance(previewed, ToolResult):
                return previewed, False  # nobody is asked about what cannot be done
            diff = previewed
        answer = await self.ask(question(call, verdict, diff, str(context.workspace.root)))
        if not answer.allows:
            said = f"the user said no: {answer.reason}" if answer.reason else "the user said no"
            return ToolResult(f"{call.name} was not run: {said}", ok=False), True
        if answer.kind != "once" and verdict.pattern:
            self.grants.add(verdict.pattern, for_good=answer.kind == "always")
        if not context.sandbox.confines:
            # A person has seen this one call and wants it run as it is.
            context = replace(context, sandbox=Off())
        return await tool.run(arguments, context), False

    async def context_of_check(self, command: str) -> ToolContext:
        """Where the user's check runs: in the sandbox, or unconfined when a person says so."""
        if self.context.sandbox.confines or self.policy.sandbox == "off":
            return self.context
        if not self.policy.can_ask:
            return self.context
        why = "there is no sandbox here, so it would run with all your rights"
        asked = ApprovalRequest(
            "check", command, command, "", str(self.context.workspace.root), why
        )
        if (await self.ask(asked)).allows:
            return replace(self.context, sandbox=Off())
        return self.context


def telling(ask: Ask, emit: Callable[[Event], None]) -> Ask:
    """`ask`, with an event before it and one behind it."""

    ids = (f"ask{number}" for number in itertools.count(1))

    async def asking(asked: ApprovalRequest) -> Answer:
        emit(ApprovalAsked(**asdict(asked), id=next(ids)))
        since = time.monotonic()
        answer = await ask(asked)
        emit(ApprovalGiven(answer.kind, answer.reason, time.monotonic() - since))
        if answer.kind == "always" and not asked.pattern:
            emit(Notice("this cannot be allowed for good: it was allowed once"))
        return answer

    return asking


def question(call: ToolCall, verdict: Verdict, diff: str, folder: str) -> ApprovalRequest:
    """What a person is shown about a call."""
    command = call.arguments.get("command")
    path = call.arguments.get("path")
    if isinstance(command, str):
        headline, detail = command.strip().split("\n")[0], command
    elif isinstance(path, str):
        headline, detail = f"{call.name} {path}", path
    else:
        headline = call.name
        detail = json.dumps(call.arguments, ensure_ascii=False, indent=1, default=str)
    return ApprovalRequest(
        call.name, headline, detail, diff, folder, verdict.why, verdict.rule, verdict.pattern
    )


def refusal(tool: str, verdict: Verdict) -> str:
    """Why a call was not run, for the model: with the rule, and what not to try."""
    rule = f" (rule: {verdict.rule})" if verdict.rule else ""
    return f"{tool} was not run: {verdict.why}{rule}. {ADVICE}"


def touched(workspace: Workspace, path: str) -> tuple[str, ...]:
    """The path as it is named and as it resolves, from the root; none when it is outside."""
    try:
        real = workspace.resolve(path)
    except PathRefused:
        return ()
    named = (workspace.root / path.strip()).absolute()
    names = [workspace.name(real)]
    if ".." not in named.parts and named.is_relative_to(workspace.root):
        names.insert(0, workspace.name(named))
    return tuple(dict.fromkeys(names))


def _inside(workspace: Workspace, operand: str) -> bool:
    return bool(touched(workspace, operand))


def wrong_arguments(tool: Tool[Any], error: ValidationError) -> str:
    """What is wrong and what is expected, in a form that a model can act on."""
    problems = [
        f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()
    ]
    schema = json.dumps(tool.parameters()["properties"], ensure_ascii=False)
    return f"{tool.name} was not run: {'; '.join(problems)}. Its arguments are {schema}"
