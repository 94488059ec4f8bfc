"""One message of the model: render what is new, generate, read the answer while it comes.

Owns the conversation's place in the token log. Nothing that stands in the log is rendered again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from agent.dialects.base import CallPart, Dialect, TextPart, TurnParser, UnplacedCode
from agent.engine.base import Engine, Finished, Piece, Progress, Request, Sampling
from agent.events import CallDelta, Event, ModelReplied, TextDelta, WorkProgress
from agent.messages import BadCall, Directive, Message, System, ToolCall, ToolSpec, Usage


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
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Ask:
    """How to ask for the next message."""

    max_tokens: int
    sampling: Sampling
    must_act: bool = False
    not_paths: tuple[str, ...] = ()
    runners_up: bool = False


@dataclass(frozen=True)
class Begun:
    """A parser that stands inside a message already."""

    parser: TurnParser

    def begin(self) -> Directive:
        return None

    def feed(self, text: str) -> Directive:
        return self.parser.feed(text)


LOOK_EVERY = 32
LOOP_CHARS = 240  # a loop is what has said the same at least 4 times over so many characters


def is_looping(pieces: Sequence[Piece]) -> bool:
    """Whether the end of a message is one text over and over; small models do not stop there."""
    tail = "".join(piece.text for piece in pieces[-4 * LOOP_CHARS :])[-4 * LOOP_CHARS :]
    for period in range(1, LOOP_CHARS + 1):
        times = max(4, -(-LOOP_CHARS // period))
        if len(tail) >= period * times and tail.endswith(tail[-period:] * times):
            return True
    return False


class Exchange:
    """A conversation with one model; `emit` gets what a user can see of it."""

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        system: System,
        emit: Callable[[Event], None],
    ):
        self._engine = engine
        self._dialect = dialect
        self._system = system
        self._emit = emit
        self._front = len(engine.tokenize(dialect.front(system)))
        self._ended = True
        self._replies = 0
        self._carried: list[int] = []  # tokens of an adopted message, not in the log yet

    @property
    def tools(self) -> Sequence[ToolSpec]:
        return self._system.tools

    @property
    def room(self) -> int:
        """Tokens that are free in the window."""
        used = len(self._engine.log) or self._front
        return self._engine.info.n_ctx - used

    def delta(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that `messages` would add to the log, generation prompt included."""
        first = not self._engine.log and not self._carried
        front = self._dialect.front(self._system) if first else []
        behind = self._dialect.delta(messages, first=first, ended=self._ended)
        return [*self._carried, *self._engine.tokenize([*front, *behind])]

    async def reply(self, delta: Sequence[int], ask: Ask) -> Reply:
        """Evaluate `delta` and read the model's next message to its end."""
        self._carried = []
        return await self._read(delta, ask, [], len(self._engine.log) + len(delta))

    async def branch(self, reply: Reply, kept: Sequence[Piece], token: int, ask: Ask) -> Reply:
        """Another message in place of `reply`: begin with `kept` and `token`, then go on."""
        # `kept` may be of an older message than the one in the log.
        said = self._engine.log[reply.start :]
        same = next((i for i, p in enumerate(kept) if said[i : i + 1] != [p.token]), len(kept))
        await self._engine.rewind(reply.start + same)
        begun = [*kept, Piece(token, self._engine.text(token))]
        return await self._read([p.token for p in begun[same:]], ask, begun, reply.start)

    async def take_back(self, reply: Reply) -> list[int]:
        """Forget `reply`; the delta that lets the model answer there again.

        Only the last token of the prompt is evaluated again, since its logits are gone.
        """
        last = self._engine.log[reply.start - 1]
        await self._engine.rewind(reply.start - 1)
        return [last]

    async def _read(
        self, delta: Sequence[int], ask: Ask, begun: Sequence[Piece], start: int
    ) -> Reply:
        parser = self._dialect.parser(self.tools, must_act=ask.must_act, not_paths=ask.not_paths)
        # What is begun is read again, but steers nothing: it was steered when it was written.
        parts: list[object] = []
        for piece in begun:
            parser.feed(piece.text)
            parts += self._show(parser.take())
        guide = Begun(parser) if begun else parser
        request = Request(delta, ask.max_tokens, ask.sampling, guide, ask.runners_up)
        pieces = list(begun)
        self._ended = False  # until the model says so
        finished = Finished("interrupted", Usage())
        async with aclosing(self._engine.generate(request)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Progress):
                    self._emit(WorkProgress(chunk.stage, chunk.done, chunk.total))
                elif isinstance(chunk, Piece):
                    pieces.append(chunk)
                    if len(pieces) % LOOK_EVERY == 0 and is_looping(pieces):
                        finished = Finished("looping", Usage(generated=len(pieces)))
                        break
                else:
                    finished = chunk
                parts += self._show(parser.take())
        await self._engine.rewind(len(self._engine.log))  # waits for the engine to stand still
        parser.finish(finished.reason in ("end", "stop"))
        parts += self._show(parser.take())
        self._ended = finished.reason == "end"
        self._replies += 1
        text = "".join(p.text for p in parts if isinstance(p, TextPart))
        tokens = tuple(self._engine.log[start:])
        self._emit(ModelReplied(text, tokens, finished.reason, finished.usage))
        return Reply(
            text=text.strip(),
            calls=tuple(self._numbered(p) for p in parts if isinstance(p, ToolCall)),
            bad=tuple(p for p in parts if isinstance(p, BadCall)),
            unplaced=sum(isinstance(p, UnplacedCode) for p in parts),
            reason=finished.reason,
            usage=finished.usage,
            start=start,
            tokens=tokens,
            pieces=tuple(pieces),
        )

    async def adopt(self, reply: Reply) -> None:
        """Make `reply` the last message again, after branches of it were tried.

        Its tokens are evaluated again with the next delta; nothing is rendered again.
        """
        await self._engine.rewind(reply.start)
        self._carried = list(reply.tokens)
        self._ended = reply.reason == "end"

    def _show(self, parts: Sequence[object]) -> Sequence[object]:
        for part in parts:
            if isinstance(part, TextPart):
                self._emit(TextDelta(part.text))
            elif isinstance(part, CallPart):
                self._emit(CallDelta(part.name, part.path, part.text))
        return parts

    def _numbered(self, call: ToolCall) -> ToolCall:
        """Call ids are unique in the session."""
        return ToolCall(f"{self._replies}.{call.id}", call.name, call.arguments, call.form)
