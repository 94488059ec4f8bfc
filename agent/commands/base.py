"""What a slash command is: data, and a function of the conversation."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.ui.repl.host import Drawn, Message, News, Said, Wish

if TYPE_CHECKING:
    from agent.app import Session
    from agent.config import Folders
    from agent.events import Event
    from agent.session.stats import Prices
    from agent.terms import Totals
    from tools.base import Tool


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

    @property
    def session(self) -> Session | None:
        """The session that goes on, None while there is none."""

    @property
    def folders(self) -> Folders | None:
        """Where settings and servers are; None where none are used."""

    @property
    def prices(self) -> Prices | None:
        """What tokens cost elsewhere, where the user has said it."""

    @property
    def tools(self) -> Sequence[Tool[Any]]:
        """What the model can call; none while nothing is loaded."""

    def say(self, news: News) -> None:
        """Show it."""

    def events(self) -> list[Event]:
        """All events of the session; reads its log, so not on the loop."""

    @property
    def sessions_in(self) -> Path | None:
        """The state folder, None where no session is kept."""

    @property
    def session_id(self) -> str: ...

    async def load(self, model: str) -> str:
        """Take another model; a line about it."""

    async def clear(self) -> str:
        """Begin a new session with the same model; a line about it."""

    async def resume(self, session: str) -> str:
        """Go on with an earlier session; a line about it."""

    async def fork(self, session: str, turn: int) -> str:
        """Go on with a copy of a session ('': this one) up to the end of a turn (0: all)."""

    async def again(self) -> None:
        """Make the session anew from its log, after something was done to it."""

    async def compact(self, focus: str) -> str:
        """Fold the window now; a line about it."""


Outcome = Said | Wish | Message | Drawn | None


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
