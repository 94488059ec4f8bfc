"""Tokens that are evaluated before it is certain that they will be said.

They stand in the engine's log behind the conversation, where nobody sees them. The next prompt goes
on behind as many of them as it begins with, and the others are forgotten then: what is said is the
same as if nothing had been read ahead.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from agent.engine.base import Chunk, Engine, EngineInfo, Forks, Request
from agent.messages import Segment

STEP = 64  # tokens between two looks at whether there is still time


class Ahead:
    """An :class:`agent.engine.base.Engine` that is another one, and can read ahead."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._end: int | None = None  # of the conversation, where more stands behind it

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    @property
    def log(self) -> Sequence[int]:
        log = self._engine.log
        return log if self._end is None else log[: self._end]

    def tokenize(self, segments: Sequence[Segment]) -> list[int]:
        return self._engine.tokenize(segments)

    def text(self, token: int) -> str:
        return self._engine.text(token)

    async def read(
        self,
        tokens: Sequence[int],
        mark: int,
        go_on: Callable[[], bool],
        tell: Callable[[Chunk], None] = lambda _chunk: None,
    ) -> None:
        """Evaluate `tokens` behind the log as long as `go_on` says so; `mark` as in a Request.

        Nothing is done where an engine cannot forget a tail; nothing is kept on disk.
        """
        if not self.info.can_forget:
            return
        end = len(self.log)
        same = same_beginning(self._engine.log[end:], tokens)
        await self._engine.rewind(end + same)
        self._end = end
        # What an empty engine finds on disk it looks up by the whole of its first request.
        step = STEP if self._engine.log else max(1, len(tokens))
        for at in range(same, len(tokens), step):
            if not go_on():
                return
            request = Request(tokens[at : at + step], 0, mark=mark, keep=False)
            async with aclosing(self._engine.generate(request)) as chunks:
                async for chunk in chunks:
                    tell(chunk)

    async def drop(self) -> None:
        """Forget what was read ahead."""
        if self._end is not None:
            end, self._end = self._end, None
            await self._engine.rewind(end)

    async def generate(self, request: Request) -> AsyncGenerator[Chunk, None]:
        if self._end is not None:
            end, self._end = self._end, None
            same = same_beginning(self._engine.log[end:], request.delta)
            await self._engine.rewind(end + same)
            request = replace(request, delta=request.delta[same:])
        async with aclosing(self._engine.generate(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def rewind(self, length: int) -> None:
        if self._end is not None and length >= self._end:
            length = len(self._engine.log)  # still waits for the engine to stand still
        else:
            self._end = None
        await self._engine.rewind(length)

    @property
    def forks(self) -> Forks | None:
        return self._engine.forks

    def interrupt(self) -> None:
        self._engine.interrupt()

    async def close(self) -> None:
        await self._engine.close()


def same_beginning(there: Sequence[int], wanted: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(there, wanted, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(there), len(wanted)))
