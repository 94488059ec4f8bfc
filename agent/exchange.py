"""One message of the model: render what is new, generate, read the answer while it comes.

Owns the conversation's place in the token log. Nothing that stands in the log is rendered again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.dialects.base import CallPart, Dialect, TextPart, UnplacedCode
from agent.engine.base import Engine, Finished, Progress, Request, Sampling
from agent.events import CallDelta, Event, ModelReplied, TextDelta, WorkProgress
from agent.messages import BadCall, Message, System, ToolCall, ToolSpec, Usage


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


@dataclass(frozen=True)
class Ask:
    """How to ask for the next message."""

    max_tokens: int
    sampling: Sampling
    must_act: bool = False


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
        self._ended = True
        self._replies = 0

    @property
    def tools(self) -> Sequence[ToolSpec]:
        return self._system.tools

    @property
    def room(self) -> int:
        """Tokens that are free in the window."""
        return self._engine.info.n_ctx - len(self._engine.log)

    def delta(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that `messages` would add to the log, generation prompt included."""
        first = not self._engine.log
        front = self._dialect.front(self._system) if first else []
        behind = self._dialect.delta(messages, first=first, ended=self._ended)
        return self._engine.tokenize([*front, *behind])

    async def reply(self, delta: Sequence[int], ask: Ask) -> Reply:
        """Evaluate `delta` and read the model's next message to its end."""
        start = len(self._engine.log) + len(delta)
        parser = self._dialect.parser(self.tools, must_act=ask.must_act)
        request = Request(delta, ask.max_tokens, ask.sampling, guide=parser)
        parts: list[object] = []
        finished = Finished("interrupted", Usage())
        async for chunk in self._engine.generate(request):
            if isinstance(chunk, Progress):
                self._emit(WorkProgress(chunk.stage, chunk.done, chunk.total))
            elif isinstance(chunk, Finished):
                finished = chunk
                parser.finish()
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
        )

    async def take_back(self, reply: Reply) -> list[int]:
        """Forget `reply` and all behind it; the delta that lets the model answer there again.

        Only the last token of the prompt is evaluated again, since its logits are gone.
        """
        last = self._engine.log[reply.start - 1]
        await self._engine.rewind(reply.start - 1)
        return [last]

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
