"""What a server says beside the protocol (stderr, banners), in a file that stays small."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

LARGEST = 1_000_000  # bytes of one file; the one before it is kept as NAME.1


class ServerLog:
    """Appends to `path` (None keeps nothing); the last line that was said stays at hand."""

    def __init__(self, path: Path | None, largest: int = LARGEST):
        self.path = path
        self.last = ""
        self._largest = largest

    def note(self, text: str) -> None:
        """A line of our own, with the time."""
        self.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n".encode())

    def write(self, data: bytes) -> None:
        """What the server said; a disk that is full costs the log and not the server."""
        lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            self.last = lines[-1].strip()[:300]
        if self.path is None:
            return
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.path.exists() and self.path.stat().st_size + len(data) > self._largest:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            with os.fdopen(os.open(self.path, flags, 0o600), "ab") as file:
                file.write(data[-self._largest :])
