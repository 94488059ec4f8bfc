"""One message that is being written in one sequence: which rows it wants evaluated, and what it
makes of their logits. It decides and never evaluates; :mod:`agent.engine.sequence` does."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.engine.base import Chunk, Finished, Piece, Progress, Request
from agent.engine.constrain import Constrainer, Constraint
from agent.engine.drafts import LONGEST_MATCH, SIZES, Draft, Pace, Source, draft
from agent.engine.native import Model
from agent.engine.native_context import Context, Row
from agent.engine.sampler import Sampler
from agent.messages import Constrain, Directive, Release, Stop, Usage


@dataclass(frozen=True)
class Tools:
    """What all lanes of an engine share."""

    model: Model
    context: Context
    constrainer: Constrainer
    pace: Pace


class Lane:
    """A sequence, its tokens, and the request that makes it grow.

    `log` has every token; the first `evaluated` of them are in the cache, and `room` more may
    come. `sources` are where drafts come from; none are made without them.
    """

    def __init__(
        self,
        tools: Tools,
        number: int,
        log: list[int],
        evaluated: int,
        request: Request,
        emit: Callable[[Chunk], None],
        *,
        room: int,
        sources: Sequence[Source] = (),
    ):
        self.number = number
        self.log = log
        self.evaluated = evaluated
        self.reason = ""
        self.usage = Usage(reused=evaluated)
        self._tools = tools
        self._request = request
        self.keep = request.keep
        self._emit = emit
        self._sources = sources
        self._limit = min(request.max_tokens, room)
        self._sampler = Sampler(request.sampling)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._constraint: Constraint | None = None
        self._first = evaluated
        self._prompt = len(log)
        self._found = Draft()  # what may follow
        self._drafted: Sequence[int] = ()  # what of it is in the batch
        self._pending = 0
        self._started = time.perf_counter()
        self._decoding = False

    @property
    def drafted(self) -> int:
        """Rows of the last step that were a draft."""
        return len(self._drafted)

    @property
    def is_prefilling(self) -> bool:
        return not self._decoding

    def rows(self, room: int, *, lanes: int) -> list[Row]:
        """What has to be evaluated next, at most `room` rows; `lanes` share the batch."""
        pending = self.log[self.evaluated : self.evaluated + room]
        self._pending = len(pending)
        rows = [Row(t, self.evaluated + i, self.number, False) for i, t in enumerate(pending)]
        self._found, self._drafted = Draft(), ()
        if self.evaluated + len(pending) < len(self.log) or self._limit < 1:
            return rows
        rows[-1] = rows[-1]._replace(output=True)
        if self._sources and self._decoding:
            left = self._limit - self.usage.generated - 1
            found = draft(self._sources, self.log[-LONGEST_MATCH:], min(SIZES[-1], left))
            pace = self._tools.pace
            alone = lanes == 1
            most = pace.length(found.match) if alone else pace.shared_length(found.match, lanes)
            self._found, self._drafted = found, found.tokens[:most]
        behind = len(self.log)
        return rows + [Row(t, behind + i, self.number, True) for i, t in enumerate(self._drafted)]

    def take(self, first_row: int, done: bool) -> None:
        """The rows were evaluated from `first_row` of the batch on; sample and go on."""
        if not done:  # after an abort the library knows best how far it came
            self.evaluated = min(self._tools.context.length(self.number), len(self.log))
            return
        self.evaluated += self._pending
        if self.is_prefilling:
            self._emit(
                Progress("prefill", self.evaluated - self._first, self._prompt - self._first)
            )
        if self.evaluated < len(self.log):
            return
        if not self._decoding:
            self._begin()
        if self._limit < 1:
            self.reason = "length"
            return
        self._read(first_row + self._pending - 1)

    def _begin(self) -> None:
        self._decoding = True
        self.usage.prompt = self.evaluated - self._first
        self.usage.prefill_s = time.perf_counter() - self._started
        self._started = time.perf_counter()
        guide = self._request.guide
        self._constraint = self._next_constraint(None, -1, guide.begin() if guide else None)

    def _read(self, row: int) -> None:
        """Sample at the row and, as long as the draft said the same, at those behind it."""
        drafted, accepted = self._drafted, 0
        token = self._next(row)
        first = token
        while not self.reason and accepted < len(drafted) and token == drafted[accepted]:
            self.evaluated += 1
            accepted += 1
            token = self._next(row + accepted)
        if drafted:
            self._tools.context.truncate(self.evaluated, self.number)
            refused = accepted < len(drafted) and not self.reason
            self._tools.pace.saw(self._found.match, accepted, refused)
            self.usage.drafted += len(drafted)
            self.usage.accepted += accepted
        elif self._found.tokens:
            # A draft that was not worth its time is compared all the same.
            came = first == self._found.tokens[0]
            self._tools.pace.saw(self._found.match, int(came), not came)

    def _next(self, row: int) -> int:
        """Sample one token, show it, and ask the guide what it means."""
        request, guide = self._request, self._request.guide
        token = self._sample(row)
        other = self._runner_up(token, row) if request.runners_up and not self._constraint else ()
        self.log.append(token)
        self.usage.generated += 1
        if token in request.ends or self._tools.model.is_end(token):
            self.reason = "end"
            return token
        text = self._decoder.decode(self._tools.model.piece(token))
        directive = guide.feed(text) if guide and text else None
        self._emit(Piece(token, text, *other))
        if isinstance(directive, Stop):
            self.reason = "stop"
            return token
        self._constraint = self._next_constraint(self._constraint, token, directive)
        if self.usage.generated >= self._limit:
            self.reason = "length"
        return token

    def finish(self, reason: str = "") -> None:
        """Say why it ended and free what it held; the sequence stays."""
        self.reason = self.reason or reason
        seconds = time.perf_counter() - self._started
        if self._decoding:
            self.usage.decode_s = seconds
        else:
            self.usage.prompt = self.evaluated - self._first
            self.usage.prefill_s = seconds
        self.usage.evaluated = self.evaluated - self._first
        self.free()
        self._emit(Finished(self.reason, self.usage))

    def free(self) -> None:
        self._sampler.free()

    def _sample(self, row: int) -> int:
        context, constraint = self._tools.context, self._constraint
        token = self._sampler.sample(context, row)
        if constraint is not None and not constraint.allows(token):
            constraint.mask(context.logits(row))
            token = self._sampler.sample(context, row)
        return token

    def _runner_up(self, token: int, row: int) -> tuple[int, float]:
        """The best token beside `token`, and how much lower its logit is."""
        logits = self._tools.context.logits(row)
        chosen = logits[token]
        logits[token] = -np.inf
        other = int(np.argmax(logits))
        logits[token] = chosen
        return other, float(chosen - logits[other])

    def _next_constraint(
        self, current: Constraint | None, token: int, directive: Directive
    ) -> Constraint | None:
        if isinstance(directive, Constrain):
            return self._tools.constrainer.start(directive.lark, directive.seen)
        if isinstance(directive, Release) or current is None:
            return None
        current.accept(token)
        return None if current.done() else current
