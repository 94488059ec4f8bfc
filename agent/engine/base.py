"""What the rest of the agent knows of an engine: tokens in, pieces out, one growing log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.messages import Directive, Segment, Usage


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; ``temperature`` 0 takes the most likely one."""

    temperature: float = 0.0
    top_k: int = 20
    top_p: float = 0.8
    min_p: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class EngineInfo:
    """What was loaded: sizes in tokens, the template as the file has it ('' when it has none).

    `bos` and `eos` are how the vocabulary writes its own begin and end, '' where it has none.
    `can_forget`: a tail of the log can be forgotten at no cost.
    """

    model: str
    n_ctx: int
    chat_template: str = ""
    backend: str = ""
    load_s: float = 0.0
    bos: str = ""
    eos: str = ""
    can_forget: bool = True


class Guide(Protocol):
    """Looks at each sampled piece before the next one is sampled. Runs on the engine's thread."""

    def begin(self) -> Directive: ...

    def feed(self, text: str) -> Directive: ...


@dataclass(frozen=True)
class Request:
    """One generation: evaluate ``delta`` behind the log, then sample at most ``max_tokens``.

    With 0 of them nothing is sampled. `drafts` allows speculation: what stands in the log, or in
    one of the `hints`, may be said again; that changes how fast the answer comes and not what it
    says. `mark` is a length of the log that other sessions will share: a snapshot is cut there.
    `ends` are tokens that end the answer, beside those that the model's file marks. Without `keep`
    nothing of the delta is written to disk yet.
    """

    delta: Sequence[int]
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    guide: Guide | None = None
    runners_up: bool = False
    drafts: bool = True
    hints: Sequence[Sequence[int]] = ()
    mark: int = 0
    ends: frozenset[int] = frozenset()
    keep: bool = True


@dataclass(frozen=True)
class Progress:
    """Work that has a length: ``stage`` is 'load' (per mille) or 'prefill' (tokens)."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Piece:
    """A sampled token and the text that it completed (may be '' inside a UTF-8 character).

    Where it was asked for, `runner_up` is the best other token and `gap` by how much its logit is
    lower; -1 and infinity elsewhere.
    """

    token: int
    text: str
    runner_up: int = -1
    gap: float = float("inf")


@dataclass(frozen=True)
class Finished:
    """Why the generation ended: 'end' (the model's own), 'stop', 'length' or 'interrupted'."""

    reason: str
    usage: Usage


Chunk = Progress | Piece | Finished


class Forks(Protocol):
    """What an engine can do that owns its cache: go on from one prefix in several ways at once.

    Only one call of the engine may run at a time, these included.
    """

    @property
    def most(self) -> int:
        """How many branches can grow together."""

    def grow(self, at: int, requests: Sequence[Request]) -> AsyncGenerator[tuple[int, Chunk], None]:
        """Answer each request behind the first `at` tokens of the log; chunks with their number.

        The log stays as it is, and none of its tokens is evaluated again. The branches live until
        :meth:`adopt` or :meth:`drop`. A chunk of a branch that was stopped by its consumer:
        see :meth:`stop`.
        """

    def stop(self, number: int) -> None:
        """End one branch soon, as interrupted; the others go on."""

    async def adopt(self, number: int) -> None:
        """The branch takes the place of the log from where it left it; the others are dropped."""

    async def drop(self) -> None:
        """Forget all branches."""


class Engine(Protocol):
    """A model with one live sequence. Only one call may run at a time."""

    @property
    def info(self) -> EngineInfo: ...

    @property
    def log(self) -> Sequence[int]:
        """Every token of the sequence, evaluated or about to be; never rendered again."""

    def tokenize(self, segments: Sequence[Segment]) -> list[int]: ...

    def text(self, token: int) -> str:
        """What one token says; bytes that are no whole character come as U+FFFD."""

    def generate(self, request: Request) -> AsyncGenerator[Chunk, None]: ...

    async def rewind(self, length: int) -> None:
        """Forget the log from ``length`` tokens on."""

    @property
    def forks(self) -> Forks | None:
        """Branches of the live sequence, where the engine can."""

    def interrupt(self) -> None:
        """End the running call soon; callable from any thread and from a signal handler."""

    async def close(self) -> None: ...
