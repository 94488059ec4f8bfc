"""A copy of a session that goes its own way, and a session that is removed."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.errors import ConfigError, TryLater, UsageError
from agent.events import Event, FilesSaved, SessionStarted, SessionTitled, TaskGiven, TurnEnded
from agent.session.find import LOG_NAME, find_session, sessions_folder
from agent.session.lines import complete_lines, parse
from agent.session.store import SessionLog


def fork(state: Path, name: str, at: int = 0) -> str:
    """Copy a session up to the end of its turn `at` (0: all of it); the id of the copy.

    Its first event says where it comes from. The exact tokens are copied too, so that it can go on
    without anything being evaluated again that a block on disk has.

    Raises:
        UsageError: there is no such session, or it has not so many turns.
        ConfigError: its log cannot be read, or the copy cannot be written.
    """
    source = find_session(state, name)
    try:
        lines, turns = _lines_to(source / LOG_NAME, at)
        if at > turns or not lines:
            had = "1 turn" if turns == 1 else f"{turns} turns"
            raise UsageError(f"session {source.name} has {had}: it cannot be forked at {at}")
        log = SessionLog.create(state)
        if log.folder is None:
            raise ConfigError(log.take_warning())
        origin = dataclasses.replace(
            _first(lines), session=log.id, time=time.time(), forked_from=source.name,
            forked_at=at or turns,
        )  # fmt: skip
        log.append(origin)
        log.close()
        with (log.folder / LOG_NAME).open("ab") as file:
            file.writelines(lines[1:] if _is_start(lines[0]) else lines)
            file.flush()
            os.fsync(file.fileno())
        _copy_outputs(source / "output", log.folder / "output")
    except OSError as error:
        raise ConfigError(f"cannot copy session {source.name}: {error.strerror}") from error
    return log.id


def _lines_to(log: Path, at: int) -> tuple[list[bytes], int]:
    """The lines of a log up to the end of turn `at` (0: all), and how many turns they have."""
    kept: list[bytes] = []
    turns = 0
    over = False  # turn `at` has ended; what belongs to it may still follow
    with log.open("rb") as file:
        for _, line in complete_lines(file):
            event = _event(line)
            if isinstance(event, TaskGiven) or (isinstance(event, SessionStarted) and kept):
                if at and turns == at:
                    break
                turns += isinstance(event, TaskGiven)
            if over and not isinstance(event, SessionTitled | FilesSaved):
                break
            kept.append(line)
            over = bool(at) and turns == at and (over or isinstance(event, TurnEnded))
    return kept, turns


def _event(line: bytes) -> Event | None:
    return next(parse(line), None)


def _is_start(line: bytes) -> bool:
    return isinstance(_event(line), SessionStarted)


def _first(lines: list[bytes]) -> SessionStarted:
    found = _event(lines[0])
    if isinstance(found, SessionStarted):
        return found
    # A log whose first line is broken still has its tokens.
    return SessionStarted("", "", "", 0, 0.0, "")


def _copy_outputs(source: Path, target: Path) -> None:
    """The kept outputs are never changed: both sessions may have the same files."""
    if not source.is_dir():
        return
    target.mkdir(mode=0o700)
    for path in sorted(source.iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            os.link(path, target / path.name)
        except OSError:
            shutil.copy2(path, target / path.name)


def remove(state: Path, session: str) -> None:
    """Remove the session with this id and all that belongs to it.

    Raises:
        TryLater: another process has it open.
        ConfigError: it cannot be removed.
    """
    folder = sessions_folder(state) / session
    try:
        with _alone(folder):
            # Without its log it is no session any more, whatever happens next.
            (folder / LOG_NAME).unlink()
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder)
    except BlockingIOError as error:
        raise TryLater(f"session {session} is open in another process: it stays") from error
    except OSError as error:
        raise ConfigError(f"cannot remove {folder}: {error.strerror}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the log, as a process that has the session open would."""
    file = os.open(folder / LOG_NAME, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # no locks on this file system
        yield
    finally:
        with suppress(OSError):
            os.close(file)
