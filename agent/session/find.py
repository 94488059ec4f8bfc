"""Which sessions are on disk, and what is in them."""

from __future__ import annotations

import difflib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.errors import ConfigError, UsageError
from agent.events import Event, SessionStarted, SessionTitled, TaskGiven, TurnEnded
from agent.session.lines import fold, parse

LOG_NAME = "events.jsonl"
UNFINISHED = "unfinished"
LAST = "last"
# The start of a session is in its first lines, its end in the last one.
_HEAD_LINES = 16
_LONGEST_LINE = 1 << 20
_TAIL_BYTES = (1 << 14, 1 << 20)


@dataclass(frozen=True)
class SessionSummary:
    """One line of the list.

    `time` is in seconds since 1970; `task` is the first line of the first task; `stop` is that of
    the last TurnEnded, or 'unfinished'; `tokens` are the evaluated and generated ones of the last
    turn; `title` is the model's name for it, if it gave one at the end of that turn.
    """

    id: str
    time: float
    workspace: str
    model: str
    task: str
    stop: str
    tokens: int
    title: str = ""


def sessions_folder(state: Path) -> Path:
    """The folder of all sessions."""
    return state / "sessions"


def session_ids(state: Path) -> list[str]:
    """Ids of all sessions that have a log with something in it, newest first.

    One that was killed before its model was loaded has an empty log, and is none.

    Raises:
        ConfigError: the folder is there and cannot be read.
    """
    folder = sessions_folder(state)
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"cannot read {folder}: {error.strerror}") from error
    return sorted((n for n in names if _has_log(folder / n / LOG_NAME)), reverse=True)


def _has_log(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def list_sessions(state: Path) -> list[SessionSummary]:
    """All sessions, newest first; of each log only the head and the tail are read."""
    found: list[SessionSummary] = []
    for session in session_ids(state):
        try:
            with (sessions_folder(state) / session / LOG_NAME).open("rb") as file:
                found.append(_summary(session, file))
        except OSError:
            # Removed since the folder was read, or not ours to read: not in the list.
            continue
    return found


def find_session(state: Path, name: str) -> Path:
    """The folder of the session with this id, this unique prefix, or 'last'.

    Raises:
        UsageError: no session or several have the name; the message names the nearest.
    """
    ids = session_ids(state)
    if not ids:
        raise UsageError(f"there are no sessions in {sessions_folder(state)}")
    matches = [i for i in ids if i == name] or [i for i in ids if name and i.startswith(name)]
    if name == LAST:
        matches = ids[:1]
    if len(matches) == 1:
        return sessions_folder(state) / matches[0]
    if matches:
        some = ", ".join(matches[:3]) + (", ..." if len(matches) > 3 else "")
        raise UsageError(f"{len(matches)} sessions begin with {name!r}: {some}")
    near = difflib.get_close_matches(name, ids, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"no session is called {name!r}: {hint}`agent sessions list` shows all")


def read_session(state: Path, name: str) -> list[Event]:
    """The events of a session; deltas only where no complete reply follows them.

    Raises:
        UsageError: see :func:`find_session`.
        ConfigError: the log cannot be read.
    """
    path = find_session(state, name) / LOG_NAME
    try:
        return fold(parse(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _summary(session: str, file: BinaryIO) -> SessionSummary:
    started, task = _head(file)
    end, title = _tail(file)
    lines = task.text.strip().splitlines() if task else []
    return SessionSummary(
        id=session,
        time=started.time if started else os.fstat(file.fileno()).st_mtime,
        workspace=started.workspace if started else "",
        model=started.model if started else "",
        task=lines[0] if lines else "",
        stop=end.stop if end else UNFINISHED,
        tokens=end.usage.prompt + end.usage.generated if end else 0,
        title=title,
    )


def _head(file: BinaryIO) -> tuple[SessionStarted | None, TaskGiven | None]:
    started: SessionStarted | None = None
    for _ in range(_HEAD_LINES):
        line = file.readline(_LONGEST_LINE)
        if not line:
            break
        for event in parse(line):
            if isinstance(event, SessionStarted):
                started = started or event
            if isinstance(event, TaskGiven):
                return started, event
    return started, None


def _tail(file: BinaryIO) -> tuple[TurnEnded | None, str]:
    """The last TurnEnded, unless a further task was given after it, and the title behind it."""
    size = file.seek(0, os.SEEK_END)
    for length in _TAIL_BYTES:
        file.seek(max(0, size - length))
        title = ""
        # Where the window starts inside a line, that piece of a line is no JSON.
        for event in reversed(list(parse(file.read()))):
            if isinstance(event, SessionTitled):
                title = event.title
            if isinstance(event, TurnEnded):
                return event, title
            if isinstance(event, TaskGiven):
                return None, ""
        if length >= size:
            break
    return None, ""
