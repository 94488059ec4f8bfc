"""The live sequence and its branches: the token-exact log, what of it is evaluated, and the loop.

Runs on the engine's native thread only. Nothing is ever rendered or tokenised twice: the log keeps
the ids that were evaluated or sampled, and a generation adds only what comes behind them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agent.engine.base import Chunk, Progress, Request
from agent.engine.constrain import Constrainer
from agent.engine.drafts import Pace, Source
from agent.engine.lane import Lane, Tools
from agent.engine.native import Model
from agent.engine.native_context import FORKS, MAIN, Context, Row
from agent.engine.snapshots import Snapshots
from agent.errors import IngleError

# The step in which progress is shown; steps of 256 cost 5% of the speed (`bench.run speed`).
PREFILL_STEP = 512
# A batch of more rows than this takes so long that it has to be interruptible; the callback
# between the graph's nodes is not worth its time in smaller ones.
LONG_BATCH = 8


class LiveSequence:
    """The sequences of one context; the only owner of both."""

    def __init__(
        self, model: Model, context: Context, interrupted: Callable[[], bool], snapshots: Snapshots
    ):
        self.log: list[int] = []
        self.evaluated = 0
        self.stopped: set[int] = set()  # numbers of branches that were told to stop
        self._context = context
        self._interrupted = interrupted
        self._past = snapshots
        self._tools = Tools(model, context, Constrainer(model), Pace())
        self._source = Source(self.log)
        self._branches: list[Lane] = []
        self._at = 0

    def rewind(self, length: int) -> None:
        """Cut the log to `length` tokens."""
        if length >= len(self.log):
            return
        del self.log[length:]
        self._source.cut(length)
        if self.evaluated > length:
            self.evaluated = self._past.cut(length)

    def generate(self, request: Request, emit: Callable[[Chunk], None]) -> None:
        """Evaluate what is pending, then sample until an end, a stop, the limit or an interrupt."""
        self.drop()
        self.log.extend(request.delta)
        room = self._room(len(self.log))
        is_read = request.max_tokens < 1
        if self.evaluated == 0:
            # A state has no logits: who wants an answer needs the last token evaluated.
            self.evaluated = self._past.restore(self.log if is_read else self.log[:-1])
        elif self.evaluated == len(self.log) and not is_read:
            self.evaluated = self._past.cut(len(self.log) - 1)
        emit(Progress("prefill", 0, len(self.log) - self.evaluated))
        lane = self._lane(MAIN, self.log, self.evaluated, request, emit, room)
        if self.evaluated == len(self.log):
            lane.finish("length")
        else:
            self._run([lane], request.mark)

    def grow(
        self, at: int, requests: Sequence[Request], emit: Callable[[int, Chunk], None]
    ) -> None:
        """Answer each request behind the first `at` tokens of the log, all in one batch."""
        self.drop()
        assert len(requests) <= len(FORKS), "more branches than sequences"
        # All sequences share the cells of the cache.
        used = len(self.log) + sum(len(request.delta) for request in requests)
        room = self._room(used) // len(requests)
        self._at = at
        for i, request in enumerate(requests):
            evaluated = self._past.fork(FORKS[i], min(at, self.evaluated))
            log = [*self.log[:at], *request.delta]

            def tell(chunk: Chunk, i: int = i) -> None:
                emit(i, chunk)

            lane = self._lane(FORKS[i], log, evaluated, request, tell, room)
            self._branches.append(lane)
        self._run(self._branches)

    def _lane(
        self,
        number: int,
        log: list[int],
        evaluated: int,
        request: Request,
        emit: Callable[[Chunk], None],
        room: int,
    ) -> Lane:
        # A recurrent model cannot take back a draft that was refused.
        can_draft = request.drafts and self._context.can_truncate
        sources = [self._source, *map(Source, request.hints)] if can_draft else []
        return Lane(self._tools, number, log, evaluated, request, emit, room=room, sources=sources)

    def adopt(self, number: int) -> None:
        """The branch takes the place of the log from where it left it."""
        lane = self._branches[number]
        self._past.adopt(lane.number, self._at)
        self.log[self._at :] = lane.log[self._at :]
        self._source.cut(self._at)
        self.evaluated = lane.evaluated
        self.drop()

    def close(self) -> None:
        """Keep the end of the session for the next one."""
        self.drop()
        self._past.close(self.log, self.evaluated)

    def drop(self) -> None:
        """Forget all branches."""
        for lane in self._branches:
            self._context.drop(lane.number)
        self._branches = []
        self.stopped = set()

    def _room(self, used: int) -> int:
        room = self._context.n_ctx - used
        if room < 1:
            raise IngleError(
                f"the context is full: {used} tokens do not fit into "
                f"{self._context.n_ctx}; use a larger --ctx or a smaller task"
            )
        return room

    def _run(self, lanes: Sequence[Lane], mark: int = 0) -> None:
        """Step until every lane has a reason to end. A failure leaves no half-freed lane behind."""
        active = list(lanes)
        try:
            while active:
                stop = self._interrupted()
                for i, lane in enumerate(lanes):
                    if lane in active and (stop or lane.reason or i in self.stopped):
                        lane.finish("interrupted")
                        active.remove(lane)
                if active:
                    self._step(active, mark)
        finally:
            for lane in active:  # something failed: the cache may be ahead of the lane
                lane.free()
                self._context.truncate(lane.evaluated, lane.number)
                if lane.number == MAIN:
                    self.evaluated = lane.evaluated

    def _step(self, active: Sequence[Lane], mark: int) -> None:
        """Evaluate one batch for all lanes; those that decode go first, since they need one row."""
        room = PREFILL_STEP
        rows: list[Row] = []
        begins: list[tuple[Lane, int]] = []
        for lane in sorted(active, key=lambda lane: lane.is_prefilling):
            most = self._past.rows_until(lane.evaluated, len(lane.log), mark)
            wanted = lane.rows(min(room, most), lanes=len(active))
            begins.append((lane, len(rows)))
            rows += wanted
            room -= len(wanted)
            if not room:
                break
        is_long = len(rows) > LONG_BATCH
        started = time.perf_counter()
        if is_long:
            self._context.on_abort(self._interrupted)
        try:
            done = self._context.decode(rows)
        finally:
            if is_long:
                self._context.on_abort(None)
        for lane, first in begins:
            was_prefilling = lane.is_prefilling
            lane.take(first, done)
            if lane.number == MAIN:
                self._keep(lane, mark, was_prefilling=was_prefilling)
            if len(active) == 1 and done and not was_prefilling:
                self._tools.pace.took(lane.drafted, time.perf_counter() - started)

    def _keep(self, lane: Lane, mark: int, *, was_prefilling: bool) -> None:
        """What the live sequence has become is written down, and kept where it is complete."""
        self.evaluated = lane.evaluated
        if lane.keep:
            self._past.grew(self.log, self.evaluated, mark)
        if was_prefilling and self.evaluated == len(self.log) - 1:
            self._past.checkpoint(self.evaluated)
