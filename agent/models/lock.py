"""One download of one file at a time, across processes."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import TryLater
from agent.models.source import Progress


@contextmanager
def exclusive(path: Path, name: str, progress: Progress, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file `path`; the kernel frees it even if the process is killed.

    Waits for another holder, and says so once; without `wait` raises TryLater. The lock file
    stays: to remove it would let two processes hold locks on two files of the same name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not wait:
                raise TryLater(f"another process is downloading {name}; try again later") from error
            progress(0, 0, f"another process is downloading {name}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
