"""What an undo does to which file, decided before anything is touched, and then done."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tools.checkpoints.base import CheckpointFailed, Entry
from tools.checkpoints.listing import default_mode
from tools.checkpoints.shadow import Shadow

LINK, EXECUTABLE = "120000", "100755"
Pair = tuple[Entry | None, Entry | None]


def plan(
    root: Path, now: Mapping[str, Entry], steps: Sequence[Mapping[str, Pair]], *, force: bool
) -> tuple[dict[str, Entry | None], tuple[str, ...]]:
    """What paths become, None where they go; and the paths that somebody else has changed.

    `now` is what is in the folder, `steps` what each step to take back changed, the newest first.
    """
    state: dict[str, Entry | None] = {}
    foreign: set[str] = set()
    for step in steps:
        for path, (before, after) in step.items():
            current = state[path] if path in state else now.get(path)
            if current not in (before, after) and not force:
                foreign.add(path)
            state[path] = before
    # Something that no checkpoint has (ignored, too large) is never overwritten.
    unsaved = (path for path in state if path not in now and _is_file(root / path))
    foreign.update(path for path in unsaved if state[path] is not None)
    wanted = {path: entry for path, entry in state.items() if entry != now.get(path)}
    return wanted, tuple(sorted(foreign))


def apply(
    shadow: Shadow,
    now: Mapping[str, Entry],
    wanted: Mapping[str, Entry | None],
    modes: Mapping[str, int],
) -> tuple[str, ...]:
    """Make the files what they shall be: first what goes, then what comes; the paths.

    Raises:
        CheckpointFailed: a file cannot be read from the store or written.
    """
    contents = _contents(shadow, {entry.blob for entry in wanted.values() if entry})
    try:
        for path in sorted(wanted, reverse=True):
            entry, old = wanted[path], now.get(path)
            if old and entry is None:
                _remove(shadow.root, path)
        for path, entry in sorted(wanted.items()):
            if entry is not None:
                _write(shadow.root, path, entry, contents[entry.blob], modes.get(path))
    except OSError as error:
        raise CheckpointFailed(f"cannot bring back {error.filename}: {error.strerror}") from error
    return tuple(sorted(wanted))


def _contents(shadow: Shadow, blobs: set[str]) -> dict[str, bytes]:
    """The bytes of blobs; all are read before the first file is touched."""
    if not blobs:
        return {}
    names = sorted(blobs)
    out = shadow.git("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
    found: dict[str, bytes] = {}
    place = 0
    for name in names:
        end = out.index(b"\n", place)
        parts = out[place:end].split(b" ")
        if len(parts) != 3:
            raise CheckpointFailed(f"the store has lost {name[:12]}: {shadow.store}")
        size = int(parts[2])
        found[name] = out[end + 1 : end + 1 + size]
        place = end + 1 + size + 1
    return found


def _remove(root: Path, path: str) -> None:
    """Remove a file and the folders that are empty then."""
    parent = (root / path).parent
    if parent.resolve() != parent:
        return  # behind a link: the file that was meant is gone already
    (parent / Path(path).name).unlink(missing_ok=True)
    while parent != root:
        try:
            parent.rmdir()
        except OSError:
            return
        parent = parent.parent


def _write(root: Path, path: str, entry: Entry, data: bytes, mode: int | None) -> None:
    """Atomic: after a crash the file is the old one or the new one."""
    parent = _made_parent(root, path)
    target = parent / Path(path).name
    if target.is_dir() and not target.is_symlink():
        target.rmdir()
    temporary = parent / f".ingle-{secrets.token_hex(6)}.tmp"
    try:
        if entry.mode == LINK:
            temporary.symlink_to(os.fsdecode(data))
        else:
            with temporary.open("xb") as file:
                os.fchmod(file.fileno(), _permissions(target, entry, mode))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _permissions(target: Path, entry: Entry, mode: int | None) -> int:
    executable = entry.mode == EXECUTABLE
    if mode is not None:
        return mode
    with suppress(OSError):
        old = target.lstat().st_mode
        if stat.S_ISREG(old) and bool(old & 0o100) == executable:
            return stat.S_IMODE(old)
    return default_mode(executable=executable)


def _made_parent(root: Path, path: str) -> Path:
    """The folder of a path, made where it is missing; a link on the way is not followed."""
    folder = root
    for part in Path(path).parts[:-1]:
        folder /= part
        if folder.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link is in its way", path)
        folder.mkdir(exist_ok=True)
    return folder


def _is_file(path: Path) -> bool:
    return path.is_symlink() or (path.exists() and not path.is_dir())
