"""One task: ask the model, run its calls, check, and round again until something says stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agent.check import CheckResult, run_check
from agent.config import Limits
from agent.context.budget import Budget, fits
from agent.context.prompt import bad_call_text, failure_text, prompt_text
from agent.dispatch import Dispatcher
from agent.engine.base import Sampling
from agent.events import (
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    CheckStarted,
    Event,
    Notice,
)
from agent.exchange import Ask, Exchange, Reply
from agent.messages import Message, ToolCall, ToolOutput, Usage, User

SAME_CALL = 3  # the same call with the same result so many times ends the turn
CHECK_S = 300.0  # longer than this a check counts as failed
RESAMPLES = 4  # so many answers in a row that repeat a failed one end the turn
ROUNDS = 5  # so many times a small repair is begun anew


@dataclass(frozen=True)
class Task:
    """What to do. `check` is a command or ''; `failing` is what it printed before the work."""

    prompt: str
    limits: Limits
    sampling: Sampling = field(default_factory=Sampling)
    check: str = ""
    failing: bool = False
    act_first: bool = False


@dataclass
class Progress:
    """What has happened so far in the turn."""

    started: float = field(default_factory=time.monotonic)
    turns: int = 0
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    changes: list[str] = field(default_factory=list)  # paths in the order of the writes
    failing: bool = False
    check_passed: bool | None = None
    nudged: bool = False
    denied: bool = False
    answer: str = ""
    first: Reply | None = None  # the first answer, as long as only files were written since
    round: int = 0
    resampled: int = 0
    failed_answers: set[str] = field(default_factory=set)
    results: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> tuple[str, ...]:
        """Each path that was written, once."""
        return tuple(dict.fromkeys(self.changes))


class Loop:
    """Runs one task; every event goes to `emit` before it acts."""

    def __init__(
        self,
        exchange: Exchange,
        dispatcher: Dispatcher,
        n_ctx: int,
        emit: Callable[[Event], None],
    ):
        self.exchange = exchange
        self.dispatcher = dispatcher
        self.n_ctx = n_ctx
        self.emit = emit

    async def run(self, task: Task, done: Progress) -> str:
        """Why it stopped (see :class:`agent.events.TurnEnded`); `done` keeps what was done."""
        done.failing = task.failing
        delta = self.exchange.delta([User(task.prompt)])
        while True:
            budget = Budget(self.n_ctx, self.exchange.room)
            stop = exceeded(task.limits, done)
            if stop or not fits(budget, len(delta)):
                return stop or "context"
            room = replace(budget, room=budget.room - len(delta))
            reply = await self.exchange.reply(delta, self._ask(task, done, room))
            done.turns += 1
            done.usage.add(reply.usage)
            if reply.reason == "interrupted":
                return "interrupted"
            if repeats(reply, done) and done.resampled < RESAMPLES:
                delta = await self._once_more(done, reply)
                continue
            remember(reply, done)
            before = len(done.changes)
            stop, messages = await self._act(task, done, reply)
            if stop:
                return stop
            if done.failing and only_blocks(reply) and len(done.changes) == before:
                delta = await self._once_more(done, reply)  # it copied what is there
                continue
            delta = await self._next(done, messages)

    async def _next(self, done: Progress, messages: list[Message]) -> list[int]:
        """What the model gets next: the messages, or after a failed repair the task once more."""
        if done.failing and done.first and len(done.failed_answers) >= 2 * (done.round + 1):
            return await self._start_over(done, done.first)
        return self.exchange.delta(messages)

    async def _once_more(self, done: Progress, reply: Reply) -> list[int]:
        """The reply is one that failed before: ask again, in a way that gives another one."""
        done.resampled += 1
        if done.first and reply is not done.first:
            return await self._start_over(done, done.first)
        return await self.exchange.take_back(reply)

    async def _start_over(self, done: Progress, first: Reply) -> list[int]:
        """Restore the files and let the model answer the first prompt again, warmer.

        A small model that failed twice sinks deeper into its own wrong answers. This is done only
        as long as it did nothing but write files, and costs no prefill.
        """
        self.dispatcher.context.workspace.restore()
        done.round += 1
        done.changes.clear()
        self.emit(Notice(f"that did not work: starting over (try {done.round + 1})"))
        return await self.exchange.take_back(first)

    def _ask(self, task: Task, done: Progress, budget: Budget) -> Ask:
        limit = budget.output
        if task.limits.tokens:
            limit = min(limit, max(1, task.limits.tokens - done.usage.generated))
        must_act = done.failing or (task.act_first and done.turns == 0) or done.nudged
        return Ask(limit, varied(task.sampling, done), must_act=must_act and not done.denied)

    async def _act(self, task: Task, done: Progress, reply: Reply) -> tuple[str, list[Message]]:
        """Run what the reply asks for: a stop reason, or the messages of the next round."""
        messages: list[Message] = []
        before = len(done.changes)
        for i, call in enumerate(reply.calls):
            if task.limits.tool_calls and done.tool_calls >= task.limits.tool_calls:
                return "tool_calls", messages
            messages.append(await self._call(call, done, len(reply.calls) - i))
            if max(done.results.values(), default=0) >= SAME_CALL:
                return "repeated", messages
        for bad in reply.bad:
            self.emit(CallRejected(bad.text, bad.reason))
            names = [tool.name for tool in self.exchange.tools]
            messages.append(User(bad_call_text(bad, names)))
        if not messages:
            return await self._answered(task, done, reply)
        if task.check and done.failing and len(done.changes) > before:
            return await self._checked(task, done, reply, messages)
        return "", messages

    async def _answered(
        self, task: Task, done: Progress, reply: Reply
    ) -> tuple[str, list[Message]]:
        """The model made no call: it is done, or it needs a word."""
        if reply.reason == "length":
            return "tokens" if task.limits.tokens else "context", []
        if reply.unplaced and not done.nudged and not done.changes:
            done.nudged = True
            return "", [User(prompt_text("unplaced"))]
        done.answer = reply.text
        if task.check and not (done.check_passed and not done.failing):
            return await self._checked(task, done, reply, [])
        if done.denied:
            return "denied", []
        return ("check_passed" if task.check else "answer"), []

    async def _checked(
        self, task: Task, done: Progress, reply: Reply, messages: list[Message]
    ) -> tuple[str, list[Message]]:
        """Run the user's check; what failed goes back to the model."""
        result = await self.check(task.check)
        done.check_passed, done.failing = result.passed, not result.passed
        if result.passed:
            done.answer = reply.text or done.answer
            return "check_passed", messages
        if reply.calls:
            done.failed_answers.add(signature(reply))
        if done.round >= ROUNDS and len(done.failed_answers) > ROUNDS + 1:
            return "check_failed", messages
        text = f"{failure_text(task.check, result.failure)}\n\n{prompt_text('retry')}"
        return "", [*messages, User(text)]

    async def check(self, command: str) -> CheckResult:
        self.emit(CheckStarted(command))
        result = await run_check(command, self.dispatcher.context, CHECK_S)
        self.emit(
            CheckEnded(command, result.passed, result.exit_code, result.failure, result.seconds)
        )
        return result

    async def _call(self, call: ToolCall, done: Progress, calls_left: int) -> ToolOutput:
        self.emit(CallMade(call.id, call.name, call.arguments, call.form))
        started = time.monotonic()
        limit = Budget(self.n_ctx, self.exchange.room).result_chars(calls_left)
        result, denied = await self.dispatcher.run(call, limit=limit)
        seconds = time.monotonic() - started
        self.emit(
            CallReturned(
                call.id, call.name, result.ok, result.text, result.diff, result.changed,
                result.exit_code, seconds,
            )
        )  # fmt: skip
        done.tool_calls += 1
        done.denied = done.denied or denied
        done.changes += result.changed
        if result.changed:
            done.results.clear()  # after a change the same call is a new question
        else:
            key = f"{call.name} {call.arguments!r} {result.text}"
            done.results[key] = done.results.get(key, 0) + 1
        return ToolOutput(call.id, call.name, result.text)


def exceeded(limits: Limits, done: Progress) -> str:
    """The budget that is used up, or ''."""
    if limits.turns and done.turns >= limits.turns:
        return "turns"
    if limits.time_s and time.monotonic() - done.started >= limits.time_s:
        return "time"
    if limits.tokens and done.usage.generated >= limits.tokens:
        return "tokens"
    return ""


def signature(reply: Reply) -> str:
    """Equal for replies that would do the same."""
    return "\n".join(f"{call.name} {call.arguments!r}" for call in reply.calls)


def only_blocks(reply: Reply) -> bool:
    """Whether the reply did nothing but write files."""
    return bool(reply.calls) and all(call.form == "block" for call in reply.calls)


def repeats(reply: Reply, done: Progress) -> bool:
    return bool(reply.calls) and signature(reply) in done.failed_answers


def remember(reply: Reply, done: Progress) -> None:
    """Keep the first answer as long as there is nothing to lose in starting over."""
    done.resampled = 0
    if done.turns == 1 and only_blocks(reply):
        done.first = reply
    elif not only_blocks(reply):
        done.first = None


def varied(sampling: Sampling, done: Progress) -> Sampling:
    """Sampling for the next answer: as asked for at first, then warmer with each new try."""
    tries = done.round + done.resampled
    if tries == 0:
        return sampling
    temperature = max(sampling.temperature, min(1.0, 0.5 + 0.1 * tries))
    return replace(
        sampling, temperature=temperature, top_k=40, top_p=0.95, seed=len(done.failed_answers)
    )
