"""One task: ask the model, run its calls, check, and round again until something says stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from agent.check import CheckResult, run_check
from agent.context.budget import Budget, fits
from agent.context.prompt import bad_call_text, failure_text, prompt_text
from agent.dispatch import Dispatcher
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
from agent.messages import Message, ToolCall, ToolOutput, User
from agent.search import Search, inside_code
from agent.turn import (
    Attempt,
    Progress,
    Task,
    exceeded,
    no_calls_left,
    only_blocks,
    signature,
    varied,
)

SAME_CALL = 3  # the same call with the same result so many times ends the turn
IDLE = 3  # so many answers in a row without a call, while more is needed, end the turn
STALE = 2  # so many repairs of a small model without any progress end the turn
RESAMPLES = 4  # so often an answer that repeats a failed one is asked for again, warmer
CHECK_S = 300.0  # longer than this a check counts as failed


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
            if signature(reply) in done.failed and done.resampled < RESAMPLES:
                done.resampled += 1
                delta = await self.exchange.take_back(reply)
                continue
            done.resampled = 0
            stop, messages = await self._act(task, done, reply)
            if stop:
                return stop
            delta = self.exchange.delta(messages)

    def _ask(self, task: Task, done: Progress, budget: Budget) -> Ask:
        limit = budget.output
        if task.limits.tokens:
            limit = min(limit, max(1, task.limits.tokens - done.usage.generated))
        # Only small models are made to act: for a large one it would cut off its thinking.
        first = task.act_first and done.turns == 0
        must_act = task.tries > 1 and (done.failing or first) and not done.denied
        return Ask(
            limit,
            varied(task.sampling, done),
            must_act,
            task.not_paths if done.failing else (),
            runners_up=done.failing and task.tries > 1,
        )

    async def _act(self, task: Task, done: Progress, reply: Reply) -> tuple[str, list[Message]]:
        """Run what the reply asks for: a stop reason, or the messages of the next round."""
        messages: list[Message] = []
        before = len(done.changes)
        done.before = list(done.changes)
        self.dispatcher.context.workspace.begin()
        for call in reply.calls:
            if no_calls_left(task.limits, done):
                return "tool_calls", messages
            messages.append(await self._call(call, done, len(reply.calls)))
            if max(done.results.values(), default=0) >= SAME_CALL:
                return "repeated", messages
        for bad in reply.bad:
            self.emit(CallRejected(bad.text, bad.reason))
            names = [tool.name for tool in self.exchange.tools]
            messages.append(User(bad_call_text(bad, names)))
        done.idle = 0 if reply.calls else done.idle + 1
        if done.idle > IDLE:
            return "check_failed" if done.failing else "repeated", messages
        if not messages:
            return await self._answered(task, done, reply)
        if task.check and done.failing and (len(done.changes) > before or only_blocks(reply)):
            return await self._checked(task, done, reply, messages)
        return "", messages

    async def _answered(
        self, task: Task, done: Progress, reply: Reply
    ) -> tuple[str, list[Message]]:
        """The model made no call: it is done, or it needs a word."""
        if reply.reason == "looping":
            return "repeated", []
        if reply.reason == "length":
            return exceeded(task.limits, done) or "context", []
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
        """Run the user's check; what failed goes back to the model, after other answers failed."""
        result = await self.check(task.check)
        if not result.passed and only_blocks(reply) and task.tries > 1:
            attempt = Attempt(reply, tuple(messages), result)
            attempt = await self._other_answers(task, done, attempt)
            reply, messages, result = attempt.reply, list(attempt.messages), attempt.result
        done.check_passed, done.failing = result.passed, not result.passed
        done.stale = 0 if result.failures < done.failures else done.stale + 1
        done.failures = result.failures
        if task.tries > 1 and done.stale > STALE:
            return "check_failed", messages
        if result.passed:
            done.answer = reply.text or done.answer
            return "check_passed", messages
        if reply.calls:
            done.failed.add(signature(reply))
        text = f"{failure_text(task.check, result.failure)}\n\n{prompt_text('retry')}"
        return "", [*messages, User(text)]

    async def _other_answers(self, task: Task, done: Progress, first: Attempt) -> Attempt:
        """Try the next likely answers to the same prompt, from those that failed least.

        The first that passes, or the best.
        """
        search, attempt, best, on_disk = Search(), first, first, first
        seen = {signature(first.reply)}
        while not best.result.passed and search.tried < task.tries - 1:
            pieces = attempt.reply.pieces
            search.add(pieces, inside_code(pieces), attempt.result.failures)
            branch = search.next()
            if branch is None or exceeded(task.limits, done) or no_calls_left(task.limits, done):
                break
            self.emit(Notice(f"the check failed: trying another answer ({search.tried + 1})"))
            ask = self._ask(task, done, Budget(self.n_ctx, self.exchange.room))
            reply = await self.exchange.branch(attempt.reply, branch.kept, branch.token, ask)
            done.turns += 1
            done.usage.add(reply.usage)
            if reply.reason == "interrupted":
                break
            if signature(reply) in seen or not only_blocks(reply):
                attempt = replace(attempt, reply=reply)
                continue
            seen.add(signature(reply))
            self._restore(done)
            messages = [await self._call(c, done, len(reply.calls)) for c in reply.calls]
            attempt = Attempt(reply, tuple(messages), await self.check(task.check))
            on_disk = attempt
            best = min(best, attempt, key=lambda a: a.result.failures)
        if best is not on_disk or best.reply is not attempt.reply:
            await self._adopt(best, done)
        return best

    def _restore(self, done: Progress) -> None:
        restored = self.dispatcher.context.workspace.restore()
        new = done.changes[len(done.before) :]
        done.changes = done.before + [p for p in new if p not in restored]

    async def _adopt(self, best: Attempt, done: Progress) -> None:
        """Bring back the files and the log of an earlier attempt."""
        self._restore(done)
        await self.exchange.adopt(best.reply)
        for call in best.reply.calls:
            await self._call(call, done, len(best.reply.calls))

    async def check(self, command: str) -> CheckResult:
        self.emit(CheckStarted(command))
        most_chars = Budget(self.n_ctx, self.exchange.room).result_chars(1)
        result = await run_check(command, self.dispatcher.context, CHECK_S, most_chars)
        self.emit(
            CheckEnded(command, result.passed, result.exit_code, result.failure, result.seconds)
        )
        return result

    async def _call(self, call: ToolCall, done: Progress, calls: int) -> ToolOutput:
        self.emit(CallMade(call.id, call.name, call.arguments, call.form))
        started = time.monotonic()
        limit = Budget(self.n_ctx, self.exchange.room).result_chars(calls)
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
