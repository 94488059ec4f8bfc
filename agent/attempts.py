"""Other answers to the same prompt when one fails the check: the next likeliest, one after the
other in place, or several at once, each in its own copy of the workspace."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.check import NOT_STARTED
from agent.events import Notice
from agent.exchange import Exchange
from agent.messages import Usage
from agent.runner import Runner
from agent.search import Search, inside_code
from agent.speech import Ask, Reply
from agent.turn import Attempt, Progress, Task, exceeded, no_calls_left, only_blocks, signature
from tools.replica import TooLarge, measure, replicate

VARIED = 0.7  # temperature of the further attempts of a greedy task


class Attempts:
    """Finds the best of several answers; what it leaves behind is that answer's work."""

    def __init__(self, exchange: Exchange, runner: Runner):
        self.exchange = exchange
        self.runner = runner

    async def others(self, task: Task, done: Progress, first: Attempt, ask: Ask) -> Attempt:
        """Try the next likely answers in place of `first`, from those that failed least.

        The first that passes, or the best. None is tried where a person is asked about each.
        """
        if any(self.runner.asks(call) for call in first.reply.calls):
            return first
        search, attempt, best = Search(), first, first
        on_disk: Attempt | None = first
        seen = {signature(first.reply)}
        try:
            while not best.result.passed and search.tried < task.tries - 1:
                pieces = attempt.reply.pieces
                search.add(pieces, inside_code(pieces), attempt.result.failures)
                branch = search.next()
                if (
                    branch is None
                    or exceeded(task.limits, done)
                    or no_calls_left(task.limits, done)
                ):
                    break
                self._say(f"the check failed: trying another answer ({search.tried + 1})")
                reply = await self.exchange.branch(attempt.reply, branch.kept, branch.token, ask)
                done.turns += 1
                done.usage.add(reply.usage)
                if reply.reason == "interrupted":
                    break
                if signature(reply) in seen or not only_blocks(reply):
                    attempt = replace(attempt, reply=reply)
                    continue
                seen.add(signature(reply))
                on_disk = None
                self._restore(done)
                messages = await self.runner.calls(reply.calls, done)
                attempt = Attempt(reply, tuple(messages), await self.runner.check(task.check))
                on_disk = attempt
                best = min(best, attempt, key=lambda a: a.result.failures)
        finally:
            # Also when the user ends it: the best answer stays, and not the last.
            if best is not on_disk:
                self._restore(done)
                await self.runner.calls(best.reply.calls, done)
        if best is not on_disk or best.reply is not attempt.reply:
            await self.exchange.adopt(best.reply)
        return best

    def _restore(self, done: Progress) -> None:
        restored = self.runner.workspace.restore()
        new = done.changes[len(done.before) :]
        done.changes = done.before + [p for p in new if p not in restored]

    def _say(self, text: str) -> None:
        self.runner.emit(Notice(text))

    async def best_of(
        self, task: Task, done: Progress, delta: Sequence[int], ask: Ask
    ) -> Reply | None:
        """Write several answers at once, try each in a copy of the workspace, and take the first
        that passes the check or else the one that came nearest. None when no copy can be made."""
        count = min(task.attempts, self.exchange.branches)
        with tempfile.TemporaryDirectory(prefix="ingle-attempts-") as folder:
            try:
                await asyncio.to_thread(measure, self.runner.workspace.root)
                desks = await asyncio.to_thread(self._desks, Path(folder), count)
            except (TooLarge, OSError) as error:
                self._say(f"one attempt only, since each needs a copy of the folder: {error}")
                return None
            self._say(f"{count} attempts at once")
            return await self._compete(
                task, done, delta, [_varied(ask, i) for i in range(count)], desks
            )

    def _desks(self, folder: Path, count: int) -> list[Runner]:
        made = []
        for number in range(count):
            place = folder / str(number + 1)
            place.mkdir()
            made.append(self.runner.elsewhere(replicate(self.runner.workspace, place)))
        return made

    async def _compete(
        self,
        task: Task,
        done: Progress,
        delta: Sequence[int],
        asks: Sequence[Ask],
        desks: Sequence[Runner],
    ) -> Reply:
        failures: dict[int, int] = {}
        trials: list[asyncio.Task[None]] = []
        won: list[int] = []

        async def trial(number: int, reply: Reply) -> None:
            failures[number] = NOT_STARTED + 2
            if not reply.calls or reply.reason == "interrupted":
                return
            await desks[number].calls(reply.calls, Progress())
            result = await desks[number].check(task.check)
            failures[number] = result.failures
            told = "passes" if result.passed else f"{_count(result.failures)}"
            self._say(f"attempt {number + 1}: {told}")
            if result.passed:
                won.append(number)
                self.exchange.stop_answers()

        def heard(number: int, reply: Reply) -> None:
            trials.append(asyncio.create_task(trial(number, reply)))

        try:
            replies, usage = await self.exchange.answers(delta, asks, heard)
            await asyncio.gather(*trials)
        finally:
            for task_ in trials:
                task_.cancel()
        done.usage.add(together(usage, replies))
        best = won[0] if won else min(failures, key=lambda n: (failures[n], n))
        taken = await self.exchange.take(best, replies[best])
        return replace(taken, usage=Usage())


def together(usage: Usage, replies: Sequence[Reply]) -> Usage:
    """What answers cost that were written at once; `usage` is the reading of their prompt."""
    for reply in replies:
        usage.add(replace(reply.usage, prompt=0, reused=0, decode_s=0.0))
    usage.decode_s = max(reply.usage.decode_s for reply in replies)
    return usage


def _count(failures: int) -> str:
    if failures >= NOT_STARTED:
        return "the check does not run"
    return f"{failures} failed" if failures else "the check fails"


def _varied(ask: Ask, number: int) -> Ask:
    """The first attempt is the likeliest answer; the others are drawn."""
    if number == 0:
        return ask
    sampling = ask.sampling
    warmer = replace(
        sampling, temperature=max(sampling.temperature, VARIED), seed=sampling.seed + number
    )
    return replace(ask, sampling=warmer)
