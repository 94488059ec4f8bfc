"""One task: ask the model, run its calls, check, and round again until something says stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.attempts import Attempts
from agent.context.budget import Budget, fits
from agent.context.prompt import bad_call_text, failure_text, prompt_text
from agent.dialects.opening import TALK, WORDS
from agent.dispatch import Dispatcher
from agent.events import CallRejected, Event, Notice
from agent.exchange import Exchange
from agent.messages import Message, User
from agent.runner import Runner
from agent.speech import Ask, Reply
from agent.turn import (
    Attempt,
    Progress,
    Task,
    exceeded,
    has_copied,
    has_written,
    must_tell,
    no_calls_left,
    only_blocks,
    signature,
    varied,
)
from agent.window import Window

if TYPE_CHECKING:
    from agent.schema import AnswerSchema

SAME_CALL = 3  # the same call with the same result so many times ends the turn
IDLE = 3  # so many answers in a row without a call, while more is needed, end the turn
STALE = 2  # so many repairs of a small model without any progress end the turn
RESAMPLES = 4  # so often an answer that repeats a failed one is asked for again, warmer


class Loop:
    """Runs one task; every event goes to `emit` before it acts."""

    def __init__(
        self,
        exchange: Exchange,
        dispatcher: Dispatcher,
        window: Window,
        emit: Callable[[Event], None],
    ):
        self.exchange = exchange
        self.window = window
        self.emit = emit
        self.runner = Runner(dispatcher, self._budget, emit)
        self.attempts = Attempts(exchange, self.runner)
        self.owed: Sequence[Message] = ()  # results of an earlier turn that was cut off

    def _budget(self, delta: Sequence[int] = ()) -> Budget:
        """What is left of the window behind `delta`."""
        return Budget(self.window.n_ctx, self.window.room(delta))

    async def run(self, task: Task, done: Progress) -> str:
        """Why it stopped (see :class:`agent.events.TurnEnded`); `done` keeps what was done."""
        done.failing = task.failing
        delta = await self.window.delta([*self.owed, User(task.prompt, task.source)])
        while True:
            stop = exceeded(task.limits, done)
            if stop or not fits(self._budget(delta)):
                return stop or "context"
            reply = await self._reply(task, done, delta)
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
            if not stop and has_copied(task, done, reply):
                done.failed.add(signature(reply))
                done.resampled = 1
                delta = await self.exchange.take_back(reply)
                continue
            if stop in ("answer", "check_passed") and task.schema:
                return await self._structured(task, task.schema, done, messages) or stop
            if stop:
                return stop
            if must_tell(task, done):
                asked = prompt_text("told").replace("{question}", task.to_know)
                messages.append(User(asked, "note"))
            elif has_written(task, done):
                messages.append(User(prompt_text("written"), "note"))
            delta = await self.window.delta(messages)

    async def _reply(self, task: Task, done: Progress, delta: list[int]) -> Reply:
        """The model's next message, or the best of several."""
        ask = self._ask(task, done, self._budget(delta))
        if task.attempts > 1 and done.failing and self.exchange.branches > 1:
            best = await self.attempts.best_of(task, done, delta, ask)
            if best is not None:
                return best
        return await self.exchange.reply(delta, ask)

    async def _structured(
        self, task: Task, schema: AnswerSchema, done: Progress, messages: list[Message]
    ) -> str:
        """Ask for the answer as JSON, every token of it held to the schema; '' or why not."""
        text = prompt_text("structured").replace("{schema}", schema.text)
        delta = await self.window.delta([*messages, User(text, "note")])
        budget = self._budget(delta)
        limits = replace(task.limits, turns=0)  # one more, since it is owed
        stop = exceeded(limits, done)
        if stop or not fits(budget):
            self.emit(Notice("nothing is left for the answer that --json-schema asks for"))
            return stop or "context"
        ask = self._ask(task, done, budget)
        ask = Ask(ask.max_tokens, ask.sampling, answer=schema.lark)
        reply = await self.exchange.reply(delta, ask)
        done.turns += 1
        done.usage.add(reply.usage)
        if reply.reason == "interrupted":
            return "interrupted"
        if reply.reason in ("length", "looping"):
            text = f"the answer was cut off inside its JSON after {reply.usage.generated} tokens"
            self.emit(Notice(f"{text}: allow it more, or bound strings and arrays in the schema"))
            return exceeded(limits, done) or "context"
        if problem := schema.problem(reply.text):
            self.emit(Notice(f"the answer does not fit the schema: {problem}"))
            return "error"
        done.answer = schema.answer(reply.text)
        return ""

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
            opening=self._opening(task, done),
        )

    @staticmethod
    def _opening(task: Task, done: Progress) -> str:
        if done.turns == 0:
            return TALK if task.talk else ""
        return WORDS if must_tell(task, done) or has_written(task, done) else ""

    async def _act(self, task: Task, done: Progress, reply: Reply) -> tuple[str, list[Message]]:
        """Run what the reply asks for: a stop reason, or the messages of the next round."""
        messages: list[Message] = []
        before = len(done.changes)
        done.before = list(done.changes)
        done.idle_writes = 0
        self.runner.workspace.begin()
        if stop := await self._run_calls(task, done, reply, messages):
            return ("denied" if stop == "repeated" and done.denied else stop), messages
        for bad in reply.bad:
            self.emit(CallRejected(bad.text, bad.reason))
            names = [tool.name for tool in self.exchange.tools]
            messages.append(User(bad_call_text(bad, names), "note"))
        if done.changes and not task.check and done.idle_writes == len(reply.calls) > 0:
            return await self._answered(task, done, reply)  # it has nothing more to write
        done.idle = 0 if reply.calls else done.idle + 1
        if done.idle > IDLE:
            return "check_failed" if done.failing else "repeated", messages
        if not messages:
            return await self._answered(task, done, reply)
        if task.check and done.failing and (len(done.changes) > before or only_blocks(reply)):
            return await self._checked(task, done, reply, messages)
        return "", messages

    async def _run_calls(
        self, task: Task, done: Progress, reply: Reply, messages: list[Message]
    ) -> str:
        """Run the reply's calls; while they run the model, idle now, notes what it did so far."""
        # A sub-task is no idle time for the model.
        idle = bool(reply.calls) and all(call.name != "delegate" for call in reply.calls)
        notes = (
            asyncio.create_task(self.window.make_notes())
            if idle and self.window.needs_notes()
            else None
        )
        used = replace(self.window.ledger.usage)
        try:
            for call in reply.calls:
                if no_calls_left(task.limits, done):
                    return "tool_calls"
                messages.append(await self.runner.call(call, done, len(reply.calls)))
                if max(done.results.values(), default=0) >= SAME_CALL:
                    return "repeated"
        except asyncio.CancelledError:
            if notes is not None:
                notes.cancel()  # the user does not wait for them
            raise
        finally:
            done.usage.add(self.window.ledger.usage.since(used))  # of sub-tasks
            if notes is not None:
                await asyncio.wait([notes])
                if not notes.cancelled():
                    notes.result()  # a failure of the engine is not passed over
        return ""

    async def _answered(
        self, task: Task, done: Progress, reply: Reply
    ) -> tuple[str, list[Message]]:
        """The model made no call: it is done, or it needs a word."""
        if reply.reason == "looping":
            return "repeated", []
        if reply.reason == "length":
            return exceeded(task.limits, done) or "context", []
        for_words = task.talk or task.to_know
        if reply.unplaced and not done.nudged and not done.changes and not for_words:
            done.nudged = True
            return "", [User(prompt_text("unplaced"), "note")]
        done.answer = "" if task.schema else reply.text
        if task.check and not (done.check_passed and not done.failing):
            return await self._checked(task, done, reply, [])
        if done.denied:
            return "denied", []
        return ("check_passed" if task.check else "answer"), []

    async def _checked(
        self, task: Task, done: Progress, reply: Reply, messages: list[Message]
    ) -> tuple[str, list[Message]]:
        """Run the user's check; what failed goes back to the model, after other answers failed."""
        result = await self.runner.check(task.check)
        if not result.passed and only_blocks(reply) and task.tries > 1:
            attempt = Attempt(reply, tuple(messages), result)
            ask = self._ask(task, done, self._budget())
            attempt = await self.attempts.others(task, done, attempt, ask)
            reply, messages, result = attempt.reply, list(attempt.messages), attempt.result
        done.check_passed, done.failing = result.passed, not result.passed
        done.stale = 0 if result.failures < done.failures else done.stale + 1
        done.failures = result.failures
        if task.tries > 1 and done.stale > STALE:
            return "check_failed", messages
        if result.passed:
            done.answer = "" if task.schema else reply.text or done.answer
            return "check_passed", messages
        if reply.calls:
            done.failed.add(signature(reply))
        text = f"{failure_text(task.check, result.failure)}\n\n{prompt_text('retry')}"
        return "", [*messages, User(text, "check")]
