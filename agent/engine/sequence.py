"""The live sequence: the token-exact log, what of it is evaluated, and the generation loop.

Runs on the engine's native thread only. Nothing is ever rendered or tokenised twice: the log keeps
the ids that were evaluated or sampled, and a generation adds only what comes behind them.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable

import numpy as np

from agent.engine.base import Chunk, Finished, Piece, Progress, Request
from agent.engine.constrain import Constrainer, Constraint
from agent.engine.native import Context, Model
from agent.engine.sampler import Sampler
from agent.errors import IngleError
from agent.messages import Constrain, Directive, Release, Stop, Usage

# The step in which progress is shown; steps of 256 cost 5% of the speed (`bench.run speed`).
PREFILL_STEP = 512


class LiveSequence:
    """One sequence of one context; the only owner of both."""

    def __init__(self, model: Model, context: Context, interrupted: Callable[[], bool]):
        self.log: list[int] = []
        self.evaluated = 0
        self._model = model
        self._context = context
        self._interrupted = interrupted
        self._constrainer = Constrainer(model)

    def rewind(self, length: int) -> None:
        """Cut the log to `length` tokens; a model that cannot forget a tail starts over."""
        if length >= len(self.log):
            return
        del self.log[length:]
        if self.evaluated > length:
            self.evaluated = length
            if not self._context.truncate(length):
                self._context.clear()
                self.evaluated = 0

    def generate(self, request: Request, emit: Callable[[Chunk], None]) -> None:
        """Evaluate what is pending, then sample until an end, a stop, the limit or an interrupt."""
        usage = Usage(reused=self.evaluated)
        self.log.extend(request.delta)
        room = self._context.n_ctx - len(self.log)
        if room < 1:
            raise IngleError(
                f"the context is full: {len(self.log)} tokens do not fit into "
                f"{self._context.n_ctx}; use a larger --ctx or a smaller task"
            )
        started = time.perf_counter()
        complete = self._prefill(emit)
        usage.prompt = self.evaluated - usage.reused
        usage.prefill_s = time.perf_counter() - started
        if not complete:
            emit(Finished("interrupted", usage))
            return
        started = time.perf_counter()
        sampler = Sampler(request.sampling)
        try:
            reason = self._decode(request, sampler, min(request.max_tokens, room), usage, emit)
        finally:
            sampler.free()
        usage.decode_s = time.perf_counter() - started
        emit(Finished(reason, usage))

    def _prefill(self, emit: Callable[[Chunk], None]) -> bool:
        """Evaluate all pending tokens; False when interrupted (the log stays, nothing is lost)."""
        first, total = self.evaluated, len(self.log)
        self._context.on_abort(self._interrupted)
        try:
            while self.evaluated < total:
                emit(Progress("prefill", self.evaluated - first, total - first))
                end = min(self.evaluated + PREFILL_STEP, total)
                step = self.log[self.evaluated : end]
                done = self._context.decode(step, self.evaluated, logits=end == total)
                # After an abort the library knows best how far it came.
                self.evaluated = end if done else self._context.length()
                if not done or (self._interrupted() and self.evaluated < total):
                    return False
        finally:
            self._context.on_abort(None)
        emit(Progress("prefill", total - first, total - first))
        return True

    def _decode(
        self,
        request: Request,
        sampler: Sampler,
        limit: int,
        usage: Usage,
        emit: Callable[[Chunk], None],
    ) -> str:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        guide = request.guide
        constraint = self._next_constraint(None, -1, guide.begin() if guide else None)
        for _ in range(limit):
            if self._interrupted():
                return "interrupted"
            token = self._sample(sampler, constraint)
            other = self._runner_up(token) if request.runners_up and not constraint else ()
            self.log.append(token)
            usage.generated += 1
            if self._model.is_end(token):
                return "end"
            text = decoder.decode(self._model.piece(token))
            directive = guide.feed(text) if guide and text else None
            emit(Piece(token, text, *other))
            if isinstance(directive, Stop):
                return "stop"
            constraint = self._next_constraint(constraint, token, directive)
            self._context.decode((token,), self.evaluated, logits=True)
            self.evaluated += 1
        return "length"

    def _sample(self, sampler: Sampler, constraint: Constraint | None) -> int:
        token = sampler.sample(self._context)
        if constraint is not None and not constraint.allows(token):
            constraint.mask(self._context.logits())
            token = sampler.sample(self._context)
        return token

    def _runner_up(self, token: int) -> tuple[int, float]:
        """The best token beside `token`, and how much lower its logit is."""
        logits = self._context.logits()
        chosen = logits[token]
        logits[token] = -np.inf
        other = int(np.argmax(logits))
        logits[token] = chosen
        return other, float(chosen - logits[other])

    def _next_constraint(
        self, current: Constraint | None, token: int, directive: Directive
    ) -> Constraint | None:
        if isinstance(directive, Constrain):
            return self._constrainer.start(directive.lark, directive.seen)
        if isinstance(directive, Release) or current is None:
            return None
        current.accept(token)
        return None if current.done() else current
