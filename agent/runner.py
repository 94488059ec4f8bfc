"""Runs what a message asks for, and the user's check; each tells its events before it acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from agent.check import CheckResult, run_check
from agent.context.budget import Budget
from agent.dispatch import ADVICE, Dispatcher
from agent.events import CallMade, CallReturned, CheckEnded, CheckStarted, Event
from agent.messages import Message, ToolCall, ToolOutput
from agent.policy import Decision
from agent.turn import Progress
from tools.base import ToolContext
from tools.workspace import Workspace

REFUSED = "\0"  # before the key of a result that is a refusal
CHECK_S = 300.0  # longer than this a check counts as failed


class Saver(Protocol):
    """Saves the folder's files before the first change of a turn."""

    async def before(self) -> None: ...


class Runner:
    """Calls and checks in one workspace; `budget` says how much of the window is free.

    `saver` hears of each call that can write before it runs; copies of a workspace have none.
    """

    saver: Saver | None = None

    def __init__(
        self,
        dispatcher: Dispatcher,
        budget: Callable[[], Budget],
        emit: Callable[[Event], None],
    ):
        self.dispatcher = dispatcher
        self.budget = budget
        self.emit = emit
        self._check_context: dict[str, ToolContext] = {}  # asked for once

    @property
    def workspace(self) -> Workspace:
        return self.dispatcher.context.workspace

    def elsewhere(self, workspace: Workspace) -> Runner:
        """The same in a copy of the workspace, without a word to the user."""
        dispatcher = self.dispatcher.in_copy(workspace)
        other = Runner(dispatcher, self.budget, lambda _event: None)
        other._check_context = {
            command: replace(allowed, workspace=workspace)
            for command, allowed in self._check_context.items()
        }
        return other

    async def check(self, command: str, timeout_s: float = CHECK_S) -> CheckResult:
        self.emit(CheckStarted(command))
        most_chars = self.budget().result_chars(1)
        if command not in self._check_context:
            self._check_context[command] = await self.dispatcher.context_of_check(command)
        result = await run_check(command, self._check_context[command], timeout_s, most_chars)
        self.emit(
            CheckEnded(
                command, result.passed, result.exit_code, result.failure, result.seconds,
                result.places,
            )
        )  # fmt: skip
        return result

    def asks(self, call: ToolCall) -> bool:
        """Whether a person would be asked about the call, or it would be refused."""
        tool = self.dispatcher.tool(call.name)
        return (
            tool is not None and self.dispatcher.decide(call, tool).decision is not Decision.ALLOW
        )

    async def calls(self, calls: Sequence[ToolCall], done: Progress) -> list[Message]:
        """Run all of a message's calls: what they brought back."""
        return [await self.call(call, done, len(calls)) for call in calls]

    async def call(self, call: ToolCall, done: Progress, calls: int) -> ToolOutput:
        """Run one of a message's `calls` calls, and note in `done` what it did."""
        tool = self.dispatcher.tool(call.name)
        if self.saver is not None and tool is not None and tool.writes:
            await self.saver.before()
        self.emit(CallMade(call.id, call.name, call.arguments, call.form))
        started = time.monotonic()
        limit = self.budget().result_chars(calls)
        result, denied = await self.dispatcher.run(call, limit=limit)
        seconds = time.monotonic() - started
        self.emit(
            CallReturned(
                call.id, call.name, result.ok, result.text, result.diff, result.changed,
                result.exit_code, seconds,
            )
        )  # fmt: skip
        done.tool_calls += 1
        if denied and not done.denied:
            done.denied = result.text.removesuffix(ADVICE).strip()
        done.changes += result.changed
        done.idle_writes += result.same
        # What find_tools finds is there to be called.
        done.found = result.ok and not result.changed and call.name != "find_tools"
        if result.changed:
            # After a change the same call is a new question, but not to the policy.
            done.results = {k: n for k, n in done.results.items() if k.startswith(REFUSED)}
        else:
            key = f"{REFUSED * denied}{call.name} {call.arguments!r} {result.text}"
            done.results[key] = done.results.get(key, 0) + 1
        return ToolOutput(call.id, call.name, result.text)
