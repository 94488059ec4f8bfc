"""Whether a folder's own configuration may be used: by its real path and what it says.

The record lies in the state folder, outside of every repository: a clone cannot bring it along. A
folder that moves, or whose configuration changes, is unknown again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.errors import ConfigError
from agent.policy.grants import replace_file

FILE = "trust.json"
# What of a folder can lead to something being run. All of it counts, in this order.
FILES = (".ingle/config.toml", ".mcp.json", ".ingle/mcp.json")
FOLDERS = (".ingle/commands", ".ingle/skills", ".ingle/hooks")
MOST_BYTES = 1_000_000
MOST_FILES = 500

State = Literal["unknown", "trusted", "refused"]


@dataclass(frozen=True)
class Trust:
    """`digest` is of the folder's configuration, '' when it has none or one that is unusable."""

    state: State
    digest: str
    files: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        return self.state == "trusted"


def look(root: Path, state: Path) -> Trust:
    """What is recorded about the folder `root` (resolved). A broken record counts as none."""
    digest, files = configuration(root)
    if _inside(state, root):
        # The record would be in reach of whatever writes in the folder.
        return Trust("unknown", digest, files)
    entry = _read(state / FILE).get(str(root))
    if not isinstance(entry, dict) or entry.get("digest") != digest:
        return Trust("unknown", digest, files)
    return Trust("trusted" if entry.get("trusted") is True else "refused", digest, files)


def record(root: Path, state: Path, *, trusted: bool) -> Trust:
    """Note the user's decision about the folder as it is now.

    Raises:
        ConfigError: it cannot be noted.
    """
    digest, files = configuration(root)
    if _inside(state, root):
        raise ConfigError(f"{root} cannot be trusted: the agent's own state is kept inside of it")
    if files and not digest:
        raise ConfigError(f"{root} cannot be trusted: {files[0]} is a link, or is too large")
    entries = _read(state / FILE)
    entries[str(root)] = {"trusted": trusted, "digest": digest, "time": int(time.time())}
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(state / FILE, json.dumps(entries, indent=1) + "\n")
    except OSError as error:
        raise ConfigError(f"{state / FILE} cannot be written: {error.strerror}") from error
    return Trust("trusted" if trusted else "refused", digest, files)


def forget(root: Path, state: Path) -> bool:
    """Drop what is recorded about the folder; False when nothing was. Raises ConfigError."""
    entries = _read(state / FILE)
    if entries.pop(str(root), None) is None:
        return False
    try:
        replace_file(state / FILE, json.dumps(entries, indent=1) + "\n")
    except OSError as error:
        raise ConfigError(f"{state / FILE} cannot be written: {error.strerror}") from error
    return True


def configuration(root: Path) -> tuple[str, tuple[str, ...]]:
    """A digest of the folder's configuration, and its files.

    The digest is '' when one of them is a link, no regular file, or too large: such a folder cannot
    be trusted, since what is behind it may change.
    """
    names = [name for name in FILES if os.path.lexists(root / name)]
    for folder in FOLDERS:
        if (root / folder).is_symlink() or (root / folder).is_file():
            return "", (folder,)
        found = sorted((root / folder).rglob("*"))[: MOST_FILES + 1]
        names += [f.relative_to(root).as_posix() for f in found if not _is_folder(f)]
    if len(names) > MOST_FILES:
        return "", tuple(names[:1])
    digest, size = hashlib.sha256(), 0
    for name in names:
        data = read_regular(root, name, MOST_BYTES - size)
        if data is None:
            return "", (name,)
        size += len(data)
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest(), tuple(names)


def read_regular(root: Path, name: str, most: int) -> bytes | None:
    """A file below `root`; None for a link on the way, no regular file, or more than `most` bytes.

    A link would let a repository name any file of the user's.
    """
    path = root / name
    try:
        if path.resolve(strict=True) != path:
            return None
        # NONBLOCK: a FIFO would hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return None
        data = file.read(most + 1)
    return data if len(data) <= most else None


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _inside(state: Path, root: Path) -> bool:
    return state.resolve().is_relative_to(root)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
