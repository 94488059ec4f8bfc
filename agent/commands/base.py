"""What a slash command is: data, and a function of the conversation."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.ui.repl.host import Message, Said, Wish

if TYPE_CHECKING:
    from agent.chat import Totals


class Actions(Protocol):
    """What commands can do with a conversation. Every method runs on its loop.

    Raises:
        IngleError: it cannot be done; the message says why.
    """

    @property
    def commands(self) -> Sequence[Command]: ...

    @property
    def model(self) -> str: ...

    @property
    def root(self) -> Path: ...

    @property
    def themes(self) -> Sequence[str]: ...

    @property
    def totals(self) -> Totals:
        """Numbers of the session so far."""

    check_command: str
    """Messages are worked on until this passes; '' for no check."""

    def kinds(self) -> dict[str, int]:
        """Tokens of the window by what they are; empty where nobody knows."""

    @property
    def sessions_in(self) -> Path | None:
        """The state folder, None where no session is kept."""

    @property
    def session_id(self) -> str: ...

    async def load(self, model: str) -> str:
        """Take another model; a line about it."""

    async def clear(self) -> str:
        """Begin a new session with the same model; a line about it."""

    async def resume(self, session: str, *, fork: bool = False) -> str:
        """Go on with an earlier session, or with a copy of it; a line about it."""

    async def later(self, what: str, *arguments: str) -> str:
        """Something that the session itself does, where it can; what it says about it."""


Outcome = Said | Wish | Message | None


@dataclass(frozen=True)
class Command:
    """`run` gets the conversation and what stands behind the name.

    A `waits` command is not run while the model works, but after that. A Message that it brings
    back is sent to the model.
    """

    name: str
    argument: str
    help: str
    run: Callable[[Actions, str], Awaitable[Outcome]]
    waits: bool = True
    origin: str = ""  # the file of a command that the user wrote


def find(commands: Sequence[Command], name: str) -> Command | None:
    """The command of that name, or the only one that begins so."""
    exact = [command for command in commands if command.name == name]
    begun = [command for command in commands if command.name.startswith(name)]
    found = exact or (begun if len(begun) == 1 else [])
    return found[0] if found else None


def unknown(commands: Sequence[Command], name: str) -> str:
    """What to say about a name that no command has."""
    names = [command.name for command in commands]
    begun = [other for other in names if other.startswith(name)]
    near = begun or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean /{' or /'.join(near[:3])}?" if near else "/help lists all of them"
    return f"there is no command /{name}: {hint}"
