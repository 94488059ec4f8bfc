"""Sessions on disk: one folder each, whose `events.jsonl` is the session.

::

    <state>/sessions/20261121-215301-k3f9/events.jsonl    one event a line, only ever appended to
                                          output/         long outputs of tools, kept whole

The log outlives the process: each line is with the operating system when :meth:`append` returns,
so that only a power failure can lose it; `sync` is for what must survive that too.
"""

from __future__ import annotations

import calendar
import errno
import fcntl
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from agent.config import NO_HOME
from agent.errors import TryLater
from agent.events import TRANSIENT, Event
from agent.session.find import LOG_NAME, find_session, sessions_folder
from agent.session.lines import to_line

_STAMP = "%Y%m%d-%H%M%S"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def new_id(now: float, newest: str = "") -> str:
    """An id that sorts by time: UTC to the second, and four characters against collisions.

    It sorts behind the id `newest`, so that a clock that was set back changes no order; it is some
    seconds ahead of the time then.
    """
    stamp = _stamp(now)
    if newest[: len(stamp)] >= stamp:
        with suppress(ValueError, OverflowError):
            last = calendar.timegm(time.strptime(newest[: len(stamp)], _STAMP))
            stamp = _stamp(last + 1)
    return f"{stamp}-{''.join(secrets.choice(_ALPHABET) for _ in range(4))}"


def _stamp(seconds: float) -> str:
    return time.strftime(_STAMP, time.gmtime(seconds))


class SessionLog:
    """The log of one session, on disk or, where that is impossible, in memory.

    `id` names the session. `folder` is None in memory; `unsaved` has the events that are in no
    file. One process writes a log at a time.
    """

    def __init__(self, session: str, folder: Path | None, file: int | None, warning: str) -> None:
        self.id = session
        self.folder = folder
        self.unsaved: list[Event] = []
        self._file = file
        self._warning = warning
        self._synced_folder = False

    @classmethod
    def create(cls, state: Path | None, *, warning: str = "") -> SessionLog:
        """A new session below the folder `state`; None keeps it in memory.

        Never fails: a folder that cannot be written makes a log in memory with a warning. The
        caller's `warning` says why it has no folder.
        """
        session = new_id(time.time())
        if state is None:
            return cls(session, None, None, warning)
        try:
            session, folder = _new_folder(state)
            return cls(session, folder, _open(folder / LOG_NAME), "")
        except OSError as error:
            return cls(session, None, None, _not_kept(error, state))

    @classmethod
    def resume(cls, state: Path, name: str) -> SessionLog:
        """The log of an earlier session, to append to; `name` is an id, a prefix or 'last'.

        Raises:
            UsageError: there is no such session.
            TryLater: another process has it open.
        """
        folder = find_session(state, name)
        try:
            return cls(folder.name, folder, _open(folder / LOG_NAME), "")
        except BlockingIOError as error:
            raise TryLater(f"session {folder.name} is open in another process") from error
        except OSError as error:
            return cls(folder.name, None, None, _not_kept(error, folder))

    @property
    def output(self) -> Path | None:
        """Where long outputs of this session belong; the folder need not exist yet."""
        return self.folder / "output" if self.folder else None

    def append(self, event: Event, *, sync: bool = False) -> None:
        """Write the event before anything acts on it.

        `sync` waits for the disk: for an event that a side effect follows. What is worth nothing
        afterwards (TRANSIENT) is not stored.
        """
        if isinstance(event, TRANSIENT):
            return
        if self._file is None:
            self.unsaved.append(event)
            return
        try:
            _write(self._file, to_line(event).encode("ascii"))
        except OSError as error:
            self._give_up(error)
            self.unsaved.append(event)
            return
        if sync:
            self._sync()

    def take_warning(self) -> str:
        """Why the session is not kept, once; "" afterwards and when all is well."""
        warning, self._warning = self._warning, ""
        return warning

    def close(self) -> None:
        """Let other processes have the session. The log is in memory from here on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _sync(self) -> None:
        assert self._file is not None
        try:
            os.fsync(self._file)
            if self.folder and not self._synced_folder:
                _sync_folder(self.folder)
                self._synced_folder = True
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._warning = _not_kept(error, self.folder)
        self.close()


def _not_kept(error: OSError, folder: Path | None) -> str:
    if folder is not None and folder.is_relative_to(NO_HOME):
        return "this session is not saved: there is no home folder; HOME or XDG_STATE_HOME names it"
    return f"this session is not saved: {folder}: {error.strerror or error}"


def _new_folder(state: Path) -> tuple[str, Path]:
    """Make the folder of a new session; its id and its path."""
    parent = sessions_folder(state)
    _private_folder(parent)
    names = (folder.name for folder in parent.iterdir())
    newest = max((name for name in names if name[:1].isdigit()), default="")
    while True:
        session = new_id(time.time(), newest)
        with suppress(FileExistsError):
            (parent / session).mkdir(mode=0o700)
            return session, parent / session


def _private_folder(folder: Path) -> None:
    """Make the folder and its parents, for this user only (`mkdir -p` would make those public)."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _private_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _open(path: Path) -> int:
    """Open the log to append to. Raises BlockingIOError when another process has it, OSError."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(file)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            # A crash cut the last line off; what follows must not become a part of it.
            _write(file, b"\n")
    except OSError:
        os.close(file)
        raise
    return file


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        # Some network file systems have no locks; the session is worth more than the lock.
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_folder(folder: Path) -> None:
    """Make the names durable: the file in its folder, and the folder in its parent."""
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
