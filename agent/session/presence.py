"""Which other sessions work in the same folder now: each holds a lock while it is alive."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path


class Presence:
    """Says that the session `session` works in `root`; others see it until :meth:`leave`.

    The operating system drops the lock with the process, however that ends. Where the folder of
    locks cannot be written, nobody sees anybody.
    """

    def __init__(self, state: Path, root: Path, session: str) -> None:
        name = hashlib.sha256(bytes(root.resolve())).hexdigest()[:20]
        self._folder = state / "present" / name
        self._path = self._folder / session
        self._lock: int | None = None
        self._seen: set[str] = set()
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            while self._lock is None:
                self._lock = _held(self._path)

    def others(self) -> list[str]:
        """Ids of the other sessions that are at work here, sorted."""
        found: list[str] = []
        with suppress(OSError):
            for path in sorted(self._folder.iterdir()):
                if path != self._path and _is_held(path):
                    found.append(path.name)
        return found

    def newcomers(self) -> list[str]:
        """Those of the others that are there since the last time that this was asked."""
        others = set(self.others())
        new, self._seen = sorted(others - self._seen), others
        return new

    def leave(self) -> None:
        """Not here any more."""
        if self._lock is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._lock)
            self._lock = None


def notice(others: list[str]) -> str:
    """What to tell the user about them; '' when there are none."""
    if not others:
        return ""
    names = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
    return f"another session is at work in this folder ({names}): both change the same files"


def _held(path: Path) -> int | None:
    """The lock, held; None when somebody removed the file at that moment. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:
            return file
    except OSError:
        os.close(file)
        raise
    os.close(file)
    return None


def _is_held(path: Path) -> bool:
    """Whether a process holds the lock; what a killed one left is removed."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        with suppress(OSError):
            path.unlink()
        return False
    finally:
        os.close(file)
