"""An earlier session that goes on: its exact tokens, folded from the log on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError, UsageError
from agent.events import Event, LogSet, ModelReplied, SessionStarted, SessionTitled
from agent.session.find import LOG_NAME, find_session, list_sessions
from agent.session.lines import parse


@dataclass(frozen=True)
class Earlier:
    """Where a session stood: `tokens` is its log, `ended` that its last message had ended.

    `replies` is how many messages of the model there were.
    """

    session: str
    model: str
    tokens: tuple[int, ...]
    ended: bool
    replies: int
    title: str = ""
    events: tuple[Event, ...] = ()


def load_earlier(state: Path, name: str) -> Earlier:
    """The session with this id, a unique prefix of one, or 'last'.

    Raises:
        UsageError: there is none, or nothing was said in it.
        ConfigError: its log cannot be read.
    """
    folder = find_session(state, name)
    path = folder / LOG_NAME
    try:
        earlier = folded(folder.name, parse(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if not earlier.tokens:
        raise UsageError(f"nothing was said in session {folder.name}: start a new one")
    return earlier


def last_in(state: Path, workspace: Path) -> str:
    """The id of the newest session in this folder. Raises UsageError when there is none."""
    here = str(workspace.resolve())
    for session in list_sessions(state):
        if session.workspace == here:
            return session.id
    raise UsageError(f"there is no session in {here} to continue: leave --continue out")


def folded(session: str, events: Iterable[Event]) -> Earlier:
    """What the events of a log come to."""
    model, title, replies, ended = "", "", 0, True
    log: list[int] = []
    events = tuple(events)
    for event in events:
        if isinstance(event, SessionStarted):
            model = event.model
        elif isinstance(event, SessionTitled):
            title = event.title
        elif isinstance(event, LogSet):
            log[event.start :], ended = event.tokens, event.ended
        elif isinstance(event, ModelReplied):
            replies += 1
            if event.start >= 0:
                log[event.start :], ended = event.tokens, event.ended
    return Earlier(session, model, tuple(log), ended, replies, title, events)
