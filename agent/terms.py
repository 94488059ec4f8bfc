"""What a conversation is made from, and the numbers of what it came to: plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent.commands.base import Command
from agent.events import (
    CallReturned,
    Event,
    LogSet,
    ModelReplied,
    Notice,
    SessionStarted,
    TurnEnded,
    WorkProgress,
)
from agent.messages import Usage

if TYPE_CHECKING:
    from agent.config import Folders
    from agent.engine.base import Engine, Sampling
    from agent.hooks import Hook
    from agent.job import Job
    from agent.policy import Grants, Policy
    from agent.session.stats import Prices

Report = Callable[[WorkProgress | Notice], None]
MOST_DIFFS = 200  # of a session, for /diff


@dataclass(frozen=True)
class Loaded:
    """A model that can be talked to: `plan` is a line about memory, `tries` as in a Job."""

    engine: Engine
    name: str
    sampling: Sampling
    tries: int = 1
    plan: str = ""


@dataclass(frozen=True)
class Terms:
    """What holds in the folder. `load` gets the name of a model, '' for the default; it may take
    long, and what it reports is shown. `undecided` are files of the folder's own configuration
    that nobody has decided about; `notices` are lines for the user."""

    load: Callable[[str, Report], Loaded]
    policy: Policy
    grants: Grants
    check: str = ""
    hooks: tuple[Hook, ...] = ()
    prices: Prices | None = None
    undecided: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setup:
    """What a conversation is made from.

    `terms` runs on a thread; it gets the user's decision about the folder's own configuration, or
    None. `state` is None where no session is kept. `resume` is the id of a session, or 'here' for
    the last one in the folder. `commands` are those that this user has, `folders` where their
    MCP servers are configured and indexes are kept; None for neither. `shape` makes each message's
    job what the command line says, `family` is as in a Job.
    """

    folder: Path
    state: Path | None
    terms: Callable[[bool | None], Terms]
    commands: Callable[[], Sequence[Command]]
    model: str = ""
    resume: str = ""
    check: str = ""
    themes: Callable[[], Sequence[str]] = tuple
    folders: Folders | None = None
    shape: Callable[[Job], Job] = lambda job: job
    family: str = ""


@dataclass
class Totals:
    """Of the session so far; `used` is the length of the log in tokens."""

    usage: Usage = field(default_factory=Usage)
    turns: int = 0
    seconds: float = 0.0
    answer: str = ""
    used: int = 0
    n_ctx: int = 0
    diffs: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Count one event in."""
        match event:
            case SessionStarted():
                self.n_ctx = event.n_ctx
            case LogSet() | ModelReplied() if event.start >= 0:
                self.used = event.start + len(event.tokens)
            case CallReturned() if event.diff:
                self.diffs = [*self.diffs, event.diff][-MOST_DIFFS:]
            case TurnEnded():
                self.usage.add(event.usage)
                self.turns += 1
                self.seconds += event.seconds
                self.answer = event.answer or self.answer
            case _:
                pass
