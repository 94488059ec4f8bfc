"""Pages that were read, on disk for a short time: one file each, bounded in number and size."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_AGE_S = 900.0
LONGEST_AGE_S = 86_400.0
MOST_BYTES = 50_000_000
_FORM = 1


@dataclass(frozen=True)
class Page:
    """A page as text. `url` is where the redirects led to, `fetched` is in seconds since 1970."""

    url: str
    text: str
    title: str
    date: str
    note: str
    fetched: float


def lifetime(cache_control: str) -> float:
    """Seconds for which a page may be kept; 0 where it may not."""
    if re.search(r"\bno-(store|cache)\b", cache_control):
        return 0.0
    found = re.search(r"\bmax-age\s*=\s*\"?(\d{1,12})", cache_control)
    return min(float(found[1]), LONGEST_AGE_S) if found else DEFAULT_AGE_S


class Cache:
    """Pages by their URL. Never fails: what cannot be read or written is not there.

    `folder` None keeps nothing. Safe with several processes.
    """

    def __init__(self, folder: Path | None, most_bytes: int = MOST_BYTES):
        self._folder = folder
        self._most_bytes = most_bytes

    def get(self, url: str) -> Page | None:
        """The page, when it is still fresh."""
        path = self._path(url)
        if path is None:
            return None
        try:
            data = json.loads(path.read_text("utf-8"))
            if data["form"] != _FORM or data["asked"] != url or data["until"] < time.time():
                return None
            return Page(**data["page"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, url: str, page: Page, seconds: float) -> None:
        """Keep a page for some time."""
        path = self._path(url)
        if path is None or seconds <= 0:
            return
        entry = {"form": _FORM, "asked": url, "until": time.time() + seconds, "page": asdict(page)}
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(path, json.dumps(entry))
            self._prune(path.parent)

    def _path(self, url: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()}.json"

    def _prune(self, folder: Path) -> None:
        """Remove the oldest until what is left is small enough."""
        found = []
        for path in folder.glob("*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._most_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size


def _write(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
