"""What goes to and comes from a model, as plain data; no tokens and no templates here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Values:
    """What files say about the values of a tool's arguments; asked at each call, never declared.

    ``paths()`` are the only values of ``path``, any where it is empty; ``copied`` names the
    argument that is a piece of the file at ``path``, whose text is ``text(path)`` ('' if unknown).
    """

    paths: Callable[[], Sequence[str]]
    copied: str = ""
    text: Callable[[str], str] = lambda _path: ""


@dataclass(frozen=True)
class ToolSpec:
    """A tool as it is declared to the model.

    ``parameters`` is a JSON Schema; ``raw`` names the string arguments that may travel as fenced
    blocks behind the JSON, in that order.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    raw: tuple[str, ...] = ()
    values: Values | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ToolCall:
    """A call that the model made. ``form`` says how it was written ('tag', 'raw', 'bare', ...)."""

    id: str
    name: str
    arguments: dict[str, Any]
    form: str = "tag"


@dataclass(frozen=True)
class BadCall:
    """Text that was meant as a call and cannot be run; ``reason`` is written for the model."""

    text: str
    reason: str


@dataclass(frozen=True)
class System:
    """The fixed prompt. `instructions` is the piece of `text` that is the project's own."""

    text: str
    tools: tuple[ToolSpec, ...] = ()
    instructions: str = ""


@dataclass(frozen=True)
class User:
    """What stands in the user's role. `source` says who speaks: 'user', or the agent for him with
    a 'check' that failed, a 'note', or a 'summary' of what was folded."""

    text: str
    source: str = "user"


@dataclass(frozen=True)
class Assistant:
    """What the model said; `thinking` is what it wrote for itself before, without its tags."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    thinking: str = ""


@dataclass(frozen=True)
class ToolOutput:
    """The result of one call, as the model reads it."""

    call_id: str
    name: str
    text: str


Message = System | User | Assistant | ToolOutput


@dataclass(frozen=True)
class Segment:
    """A stretch of rendered prompt.

    Only ``control`` segments may become control tokens: what a user, a file or a tool says is
    tokenised as plain text, so that it cannot end a turn or open a new one.
    """

    text: str
    control: bool = False


@dataclass(frozen=True)
class Constrain:
    """From here on only text of this grammar (llguidance's Lark) may follow.

    ``seen`` is what the model already wrote of it.
    """

    lark: str
    seen: str = ""


@dataclass(frozen=True)
class Release:
    """Free text again."""


@dataclass(frozen=True)
class Stop:
    """End the generation after this token."""


Directive = Constrain | Release | Stop | None


@dataclass
class Usage:
    """Tokens and seconds of one generation or, added up, of a session."""

    prompt: int = 0  # new tokens evaluated before the first sampled one
    reused: int = 0  # tokens that were in the KV cache already
    generated: int = 0
    evaluated: int = 0  # tokens of the log that were computed, in prompts and answers
    drafted: int = 0  # tokens that were evaluated on the guess that they come next
    accepted: int = 0  # those of them that came
    prefill_s: float = 0.0
    decode_s: float = 0.0
    load_s: float = 0.0

    def add(self, other: Usage) -> None:
        self.prompt += other.prompt
        self.reused += other.reused
        self.generated += other.generated
        self.evaluated += other.evaluated
        self.drafted += other.drafted
        self.accepted += other.accepted
        self.prefill_s += other.prefill_s
        self.decode_s += other.decode_s
        self.load_s += other.load_s

    def since(self, earlier: Usage) -> Usage:
        """What came on top of `earlier`."""
        return Usage(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(Usage)))
