"""Which files differ from our index, and which of those are saved."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tools.checkpoints.shadow import Shadow

LARGEST_FILE = 10_000_000  # bytes
MOST_BYTES = 500_000_000  # new ones in one checkpoint
MOST_FILES = 50_000  # in all


@dataclass
class Found:
    """Paths (relative to the root, as bytes of the file system) by what happens to them.

    ``modes`` has the permissions of files that are neither 0644 nor 0755 by the umask.
    """

    save: list[bytes] = field(default_factory=list)
    forget: list[bytes] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)


def find_changes(shadow: Shadow) -> Found:
    """What has to be saved and forgotten, so that the index says what is in the folder.

    Raises:
        CheckpointFailed: git cannot list the files.
    """
    out = shadow.git(
        "ls-files", "-z", "-t", "--others", "--modified", "--deleted", "--exclude-standard",
        "--", ".",
    )  # fmt: skip
    new: set[bytes] = set()
    known: set[bytes] = set()
    for item in out.split(b"\0"):
        tag, _, path = item.partition(b" ")
        if path:
            (new if tag == b"?" else known).add(path)
    new |= _ignored_but_tracked(shadow)
    return _sorted_out(shadow, new, known)


def _ignored_but_tracked(shadow: Shadow) -> set[bytes]:
    """What the folder's own repository tracks although its rules ignore it."""
    index = shadow.own_index
    if index is None:
        return set()
    code, out, _ = shadow.try_git(
        "ls-files", "-z", "--ignored", "--cached", "--exclude-standard", "--", ".", index=index
    )
    # An index that this git cannot read (split, or of sha256) lists nothing.
    return {path for path in out.split(b"\0") if path} if code == 0 else set()


def _sorted_out(shadow: Shadow, new: set[bytes], known: set[bytes]) -> Found:
    found = Found()
    root = os.fsencode(shadow.root)
    sizes: dict[bytes, tuple[int, int]] = {}
    usual = (default_mode(executable=False), default_mode(executable=True))
    for path in sorted(new | known):
        if path.endswith(b"/"):  # a repository of its own
            found.left_out.append(os.fsdecode(path))
            continue
        full = root + b"/" + path
        try:
            status = os.lstat(full)
        except OSError:
            found.forget.append(path)
            continue
        if not _can_be_saved(full, status):
            if not stat.S_ISDIR(status.st_mode):
                found.left_out.append(os.fsdecode(path))
            found.forget.append(path)
            continue
        sizes[path] = (status.st_mtime_ns, status.st_size)
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) not in usual:
            found.modes[os.fsdecode(path)] = stat.S_IMODE(status.st_mode)
    room = max(0, MOST_FILES - shadow.files)
    _bound(found, sizes, known, room)
    # A path that was never in the index needs no forgetting, and git refuses some of those.
    found.forget = [path for path in found.forget if path in known]
    return found


def _can_be_saved(full: bytes, status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode):
        return True
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
        return False
    return os.access(full, os.R_OK)


def _bound(found: Found, sizes: dict[bytes, tuple[int, int]], known: set[bytes], room: int) -> None:
    """Choose what is saved: what changed last comes first, until files or bytes are too many."""
    size = 0
    for path in sorted(sizes, key=lambda path: sizes[path], reverse=True):
        size += sizes[path][1]
        room -= path not in known
        if size > MOST_BYTES or room < 0:
            found.left_out.append(os.fsdecode(path))
            found.forget.append(path)
            room += path not in known
            size -= sizes[path][1]
        else:
            found.save.append(path)


def default_mode(*, executable: bool) -> int:
    """Permissions of a file that is made anew."""
    return (0o777 if executable else 0o666) & ~umask()


def umask() -> int:
    """The process's umask, read where that does not change it for other threads."""
    try:
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except (OSError, ValueError, IndexError):
        pass
    return 0o022


__all__ = ["Found", "default_mode", "find_changes", "umask"]
