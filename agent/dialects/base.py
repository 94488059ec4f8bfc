"""What the loop knows of a model family: how to say things to it, and how to read its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.messages import BadCall, Directive, Message, Segment, System, ToolCall, ToolSpec


@dataclass(frozen=True)
class TextPart:
    """Text for the user."""

    text: str


@dataclass(frozen=True)
class ThinkingPart:
    """What the model writes for itself before it answers."""

    text: str


@dataclass(frozen=True)
class CallPart:
    """More characters of a call that is being written; `path` is '' until it is known."""

    name: str
    path: str
    text: str


@dataclass(frozen=True)
class UnplacedCode:
    """A fenced block of code that no path belongs to, so nothing will be written."""

    language: str


@dataclass(frozen=True)
class Misnamed:
    """A call of a tool that there is not; `lark` is the grammar of calls of those there are."""

    name: str
    lark: str


Part = TextPart | ThinkingPart | CallPart | UnplacedCode | Misnamed | ToolCall | BadCall


class TurnParser(Protocol):
    """Reads one message of the model while it is decoded.

    ``begin`` and ``feed`` run on the engine's thread and steer it; ``take`` hands over, in order,
    what was understood since the last call and may be called from another thread.
    """

    def begin(self) -> Directive: ...

    def feed(self, text: str) -> Directive: ...

    def finish(self, complete: bool = True) -> None:
        """The message ended here; what is half-read becomes text or a bad call.

        `complete` says that the model ended it, and no limit and no interrupt.
        """

    def take(self) -> list[Part]: ...


class Dialect(Protocol):
    """A model family. `ended` below: the model's last message ended with its own end token."""

    @property
    def end_tokens(self) -> tuple[str, ...]:
        """The tokens that end a message of the model, all of them; the engine stops there."""

    @property
    def own_end(self) -> str | None:
        """The one that the template writes behind a message; '' where it writes none.

        None where that is not known: then any end counts as it.
        """

    @property
    def system_note(self) -> str:
        """What the system text has to say about this family's way of making calls ('' if none)."""

    def front(self, system: System) -> list[Segment]:
        """The byte-stable beginning of every session of a project."""

    def delta(self, messages: Sequence[Message], *, first: bool, ended: bool) -> list[Segment]:
        """What comes after the last token: closing glue, messages, the generation prompt.

        `first` says that only the front stands before it.
        """

    def parser(
        self, tools: Sequence[ToolSpec], *, must_act: bool = False, not_paths: Sequence[str] = ()
    ) -> TurnParser:
        """A parser for the next message.

        With `must_act` it has to come to a call soon, and not to a file whose path begins like
        one of `not_paths`.
        """
