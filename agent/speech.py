"""One message of the model while it comes: piece by piece through the parser, to the user and into
a :class:`Reply`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from agent.dialects.base import CallPart, Misnamed, TextPart, ThinkingPart, TurnParser, UnplacedCode
from agent.engine.base import Chunk, Finished, Piece, Progress, Request, Sampling
from agent.events import CallDelta, Event, Part, TextDelta, ThinkingDelta, WorkProgress
from agent.messages import BadCall, Directive, ToolCall, Usage

LOOK_EVERY = 32
LOOP_CHARS = 240  # a loop is what has said the same at least 4 times over so many characters


@dataclass(frozen=True)
class Reply:
    """What the model said. `start` is the log's length where it began to speak."""

    text: str
    calls: tuple[ToolCall, ...]
    bad: tuple[BadCall, ...]
    unplaced: int
    reason: str
    usage: Usage
    start: int
    tokens: tuple[int, ...] = ()
    ended: bool = False  # with the end token that the template writes
    pieces: tuple[Piece, ...] = ()
    parts: tuple[Part, ...] = ()  # how many of the tokens are thinking, text and calls


@dataclass(frozen=True)
class Ask:
    """How to ask for the next message."""

    max_tokens: int
    sampling: Sampling
    must_act: bool = False
    not_paths: tuple[str, ...] = ()
    runners_up: bool = False
    answer: str = ""  # the grammar of the whole message: a JSON value, and no calls
    begin: str = ""  # what the message begins with, said for the model
    opening: str = ""  # the grammar of its first word, see agent.dialects.opening
    shown_as: str = ""  # its text is nothing to read: a call of this name is seen to be written


def is_looping(pieces: Sequence[Piece]) -> bool:
    """Whether the end of a message is one text over and over; small models do not stop there."""
    tail = "".join(piece.text for piece in pieces[-4 * LOOP_CHARS :])[-4 * LOOP_CHARS :]
    for period in range(1, LOOP_CHARS + 1):
        times = max(4, -(-LOOP_CHARS // period))
        if len(tail) >= period * times and tail.endswith(tail[-period:] * times):
            return True
    return False


def begins_again(parts: Sequence[object]) -> int | None:
    """Where a message says its calls once more: the place of two calls in a row that were there
    before. One call alone may well come again, such as the tests after an edit."""
    at = [place for place, part in enumerate(parts) if isinstance(part, ToolCall)]
    said = [_said(parts[place]) for place in at]
    pairs = list(pairwise(said))
    return at[-2] if len(pairs) > 2 and pairs[-1] in pairs[:-2] else None


def _said(call: object) -> tuple[str, object]:
    assert isinstance(call, ToolCall)
    return call.name, call.arguments


@dataclass(frozen=True)
class Begun:
    """A parser that stands inside a message already."""

    parser: TurnParser
    first: Directive

    def begin(self) -> Directive:
        return self.first

    def feed(self, text: str) -> Directive:
        return self.parser.feed(text)


@dataclass
class Speech:
    """One message; `show` gets what a user can see of it. `finished` is set at its end."""

    parser: TurnParser
    show: Callable[[Event], None]
    pieces: list[Piece] = field(default_factory=list)
    shown_as: str = ""
    finished: Finished = field(default_factory=lambda: Finished("interrupted", Usage()))
    is_begun: bool = False
    is_looping: bool = False
    misnamed: Misnamed | None = None
    begins_again: bool = False  # what comes now was said before, and is not taken in
    _parts: list[object] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)

    def begin_with(self, pieces: Sequence[Piece], *, show: bool = True) -> None:
        """What stands there already is read again; it was steered when it was written."""
        shown, self.show = self.show, self.show if show else _nothing
        for piece in pieces:
            self.pieces.append(piece)
            self.parser.feed(piece.text)
            self._take()
            self._count()
        self.show = shown
        self.is_begun = bool(pieces)

    def request(
        self,
        delta: Sequence[int],
        ask: Ask,
        ends: frozenset[int],
        *,
        mark: int = 0,
        hints: Sequence[Sequence[int]] = (),
        first: Directive = None,
    ) -> Request:
        """`first` is what steers the first token, where the message has begun already."""
        guide = Begun(self.parser, first) if self.is_begun or first else self.parser
        return Request(
            delta,
            ask.max_tokens,
            ask.sampling,
            guide,
            ask.runners_up,
            hints=hints,
            mark=mark,
            ends=ends,
        )

    def hear(self, chunk: Chunk) -> bool:
        """Take in what the engine says; False when it says the same over and over, and has to be
        interrupted. Its last words still have to be heard."""
        if isinstance(chunk, Progress):
            self.show(WorkProgress(chunk.stage, chunk.done, chunk.total))
        elif isinstance(chunk, Piece):
            self.pieces.append(chunk)
            if len(self.pieces) % LOOK_EVERY == 0:
                self.is_looping = self.is_looping or is_looping(self.pieces)
        else:
            self.finished = Finished("looping", chunk.usage) if self.is_looping else chunk
        self._take()
        if isinstance(chunk, Piece):
            self._count()
        return isinstance(chunk, Finished) or not self.is_looping

    def reply(
        self, number: int, start: int, tokens: Sequence[int], *, ended: bool = False
    ) -> Reply:
        """The message as a whole; `number` makes the ids of its calls unique in the session."""
        self.parser.finish(self.finished.reason in ("end", "stop"))
        self._take()
        calls = [part for part in self._parts if isinstance(part, ToolCall)]
        return Reply(
            text="".join(p.text for p in self._parts if isinstance(p, TextPart)).strip(),
            calls=tuple(
                ToolCall(f"{number}.{call.id}", call.name, call.arguments, call.form)
                for call in calls
            ),
            bad=tuple(part for part in self._parts if isinstance(part, BadCall)) + self._unknown(),
            unplaced=sum(isinstance(part, UnplacedCode) for part in self._parts),
            reason=self.finished.reason,
            usage=self.finished.usage,
            start=start,
            tokens=tuple(tokens),
            ended=ended,
            pieces=tuple(self.pieces),
            parts=tuple((kind, "", count) for kind, count in self._counts.items()),
        )

    def _unknown(self) -> tuple[BadCall, ...]:
        if self.misnamed is None:
            return ()
        return (BadCall(self.misnamed.name, f"there is no tool {self.misnamed.name!r}"),)

    def before(self, misnamed: Misnamed) -> list[Piece]:
        """What was said before a call that named no tool."""
        text = "".join(piece.text for piece in self.pieces)
        heads = list(re.finditer(rf'\{{\s*"name"\s*:\s*"{re.escape(misnamed.name)}"', text))
        ends = list(accumulate(len(piece.text) for piece in self.pieces))
        return [p for p, end in zip(self.pieces, ends, strict=True) if end <= heads[-1].start()]

    @property
    def raw_text(self) -> str:
        return "".join(p.text for p in self._parts if isinstance(p, TextPart))

    def _count(self) -> None:
        """One more token of the kind that is being written."""
        kind = _kind(self._parts[-1]) if self._parts else "text"
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def _take(self) -> None:
        for part in self.parser.take():
            if self.begins_again:
                return
            if isinstance(part, Misnamed):
                self.misnamed = part
                continue
            self._parts.append(part)
            if isinstance(part, ToolCall) and (place := begins_again(self._parts)) is not None:
                del self._parts[place:]
                self.is_looping = self.begins_again = True
            if isinstance(part, TextPart) and self.shown_as:
                self.show(CallDelta(self.shown_as, "", part.text))
            elif isinstance(part, TextPart):
                self.show(TextDelta(part.text))
            elif isinstance(part, ThinkingPart):
                self.show(ThinkingDelta(part.text))
            elif isinstance(part, CallPart):
                self.show(CallDelta(part.name, part.path, part.text))


def _nothing(_event: Event) -> None:
    """What was shown already."""


def _kind(part: object) -> str:
    """The name of what `part` is in the ledger of the window."""
    if isinstance(part, ThinkingPart):
        return "thinking"
    return "text" if isinstance(part, (TextPart, UnplacedCode)) else "call"
