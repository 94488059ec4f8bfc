"""An earlier session that goes on: its exact tokens, folded from the log on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError, UsageError
from agent.events import Event, LogSet, ModelReplied, SessionStarted, SessionTitled
from agent.session.find import LOG_NAME, find_session, list_sessions, sessions_folder
from agent.session.lines import complete_lines, parse

_TOKENS = (b'{"type": "log_set"', b'{"type": "model_replied"')


@dataclass(frozen=True)
class Earlier:
    """Where a session stood: `tokens` is its log, `ended` that its last message had ended.

    `replies` is how many messages of the model there were. `broken`: a stretch of the tokens is
    missing, since a line of the log cannot be read.
    """

    session: str
    model: str
    tokens: tuple[int, ...]
    ended: bool
    replies: int
    title: str = ""
    events: tuple[Event, ...] = ()
    broken: bool = False


def load_earlier(state: Path, name: str) -> Earlier:
    """The session with this id, a unique prefix of one, or 'last'.

    Raises:
        UsageError: there is none, or nothing was said in it.
        ConfigError: its log cannot be read, or has a hole.
    """
    folder = find_session(state, name)
    path = folder / LOG_NAME
    try:
        earlier = folded(folder.name, parse(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if earlier.broken:
        raise ConfigError(
            f"session {folder.name} cannot go on: a line of {path} is damaged; "
            f"`agent sessions show {folder.name}` has the rest, and a new session can be started"
        )
    if not earlier.tokens:
        raise UsageError(f"nothing was said in session {folder.name}: start a new one")
    return earlier


def last_in(state: Path, workspace: Path) -> str:
    """The id of the newest session in this folder in which something was said.

    Raises UsageError when there is none.
    """
    here = str(workspace.resolve())
    for session in list_sessions(state):
        if session.workspace == here and _was_said(sessions_folder(state) / session.id / LOG_NAME):
            return session.id
    raise UsageError(f"there is no session in {here} to continue: leave --continue out")


def _was_said(path: Path) -> bool:
    """Whether the log has tokens; it can have been cut off before that."""
    try:
        with path.open("rb") as file:
            return any(line.startswith(_TOKENS) for _, line in complete_lines(file))
    except OSError:
        return False


def folded(session: str, events: Iterable[Event]) -> Earlier:
    """What the events of a log come to."""
    model, title, replies, ended, broken = "", "", 0, True, False
    log: list[int] = []
    events = tuple(events)
    for event in events:
        if isinstance(event, SessionStarted):
            model = event.model
        elif isinstance(event, SessionTitled):
            title = event.title
        elif isinstance(event, LogSet):
            broken = broken or not 0 <= event.start <= len(log)
            log[event.start :], ended = event.tokens, event.ended
        elif isinstance(event, ModelReplied):
            replies += 1
            if event.start >= 0:
                broken = broken or event.start > len(log)
                log[event.start :], ended = event.tokens, event.ended
    return Earlier(session, model, tuple(log), ended, replies, title, events, broken)
