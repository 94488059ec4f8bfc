"""The folder that the model works in: paths inside it, atomic writes, memory of what was read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from tools.protected import (
    is_obeyed_at_home,
    is_protected_name,
    own_folders,
    protected_paths,
)
from tools.text import is_argument


class PathRefused(Exception):
    """The model may not use this path; the text is for the model."""


class Workspace:
    """Access to the files under one root.

    Paths are resolved at each call. Nothing else runs in the workspace while a tool runs (a
    command's processes end with the command), so a path does not change under a call.
    """

    def __init__(self, root: Path) -> None:
        """`root` must be an existing folder; it is kept resolved."""
        self.root = root.resolve(strict=True)
        self._seen: dict[Path, str] = {}
        self._shown: set[Path] = set()
        self._originals: dict[Path, bytes | None] = {}

    def twin(self) -> Workspace:
        """The same at this moment, for a look that leaves no memory."""
        other = Workspace(self.root)
        other._seen, other._shown = dict(self._seen), set(self._shown)
        return other

    def moved_to(self, root: Path) -> Workspace:
        """The same workspace at another root, which has a copy of its files."""
        other = Workspace(root)
        for path, digest in self._seen.items():
            if path.is_relative_to(self.root):
                other._seen[other.root / path.relative_to(self.root)] = digest
        return other

    def resolve(self, model_path: str) -> Path:
        """The real path that the model means, links followed; the file need not exist.

        Raises:
            PathRefused: it lies outside of the root, or is no path.
        """
        return self._locate(model_path)[1]

    def resolve_for_writing(self, model_path: str) -> Path:
        """Like resolve; refuses git's folder, the agent's own and other protected places too.

        Raises:
            PathRefused: outside of the root, or protected.
        """
        named, path = self._locate(model_path)
        parts = (*_parts_below(self.root, named), *_parts_below(self.root, path))
        places = (*protected_paths(self.root), *own_folders())
        if (
            any(is_protected_name(part) for part in parts)
            or any(path.is_relative_to(place) for place in places)
            or is_obeyed_at_home(self.root, path)
        ):
            raise PathRefused(f"{model_path} is read-only for you: choose a file of the project")
        return path

    def name(self, path: Path) -> str:
        """How the model and the user see a path: relative to the root, with slashes."""
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return str(path)

    def remember(self, path: Path, data: bytes) -> None:
        """Note the content that the model has seen or written."""
        self._seen[path] = _digest(data)
        self._shown.add(path)

    def is_shown(self, path: Path) -> bool:
        """Whether the model still has before its eyes what it read or wrote there."""
        return path in self._shown

    def hide(self) -> None:
        """What was shown is out of the model's sight; it was read all the same."""
        self._shown.clear()

    def was_read(self, path: Path) -> bool:
        """Whether the model has seen this file in this session."""
        return path in self._seen

    def changed_since_read(self, path: Path) -> bool:
        """Whether the file on disk differs from what was remembered, or is gone."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return path in self._seen
        return self._seen.get(path) != _digest(data)

    def overwrite_refusal(self, path: Path) -> str:
        """Why the model may not overwrite an existing file now; ``""`` when it may."""
        name = self.name(path)
        if not self.was_read(path):
            return f"{name} exists and was not read yet: read it first, then change it"
        if self.changed_since_read(path):
            return f"{name} has changed since you read it: read it again, then change it"
        return ""

    def write(self, path: Path, data: bytes) -> None:
        """Write a resolved path atomically: after a crash it holds the old bytes or the new.

        Makes parent folders; keeps the mode and, where allowed, the owner of the old file.

        Raises:
            OSError: the disk is full, the file is read-only, a parent is a file, ...
        """
        with _opened(self.root, path.parent, make=True) as folder:
            before = _status(folder, path)
            if path not in self._originals:
                self._originals[path] = _content(folder, path) if before is not None else None
            if before is not None and not os.access(path.name, os.W_OK, dir_fd=folder):
                raise PermissionError(errno.EACCES, "the file is read-only", str(path))
            _replace(folder, path.name, data, before)
        self.remember(path, data)

    def begin(self) -> None:
        """From here on :meth:`restore` brings back the files as they are now."""
        self._originals.clear()

    def restore(self) -> list[str]:
        """Bring back what each file held at :meth:`begin`; the names of those restored.

        Only files that were written through this object. One that somebody else changed meanwhile
        is left alone.

        Raises:
            OSError: a file cannot be written.
        """
        restored = []
        for path, data in list(self._originals.items()):
            if self.changed_since_read(path):
                continue
            if data is None:
                with (
                    contextlib.suppress(FileNotFoundError),
                    _opened(self.root, path.parent) as folder,
                ):
                    os.unlink(path.name, dir_fd=folder)
                self._seen.pop(path, None)
            else:
                self.write(path, data)
            restored.append(self.name(path))
        self.begin()
        return restored

    def _locate(self, model_path: str) -> tuple[Path, Path]:
        """The path as named and as resolved."""
        text = model_path.strip()
        if not text or not is_argument(text):
            raise PathRefused("this is no path: give one that is relative to the workspace")
        named = self.root / text
        try:
            path = named.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise PathRefused(f"{text} cannot be resolved: {error}") from error
        if text.startswith("~") or not path.is_relative_to(self.root):
            raise PathRefused(
                f"{text} is outside of the workspace: paths are relative to it, "
                "such as src/main.py; '.' is the workspace itself"
            )
        return named, path


def _parts_below(root: Path, path: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts if path.is_relative_to(root) else ()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _copy_owner_and_mode(descriptor: int, before: os.stat_result) -> None:
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        # Only root may give files away; for others the file becomes theirs, as with any editor.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    # Not setuid: the content is another one now.
    os.fchmod(descriptor, before.st_mode & 0o777)


@contextlib.contextmanager
def _opened(root: Path, folder: Path, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the resolved `folder`, made where it is missing if `make`.

    No link below `root` is followed: a server that works there meanwhile could have put one.
    """
    inside = folder.is_relative_to(root)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(root if inside else folder, flags)
    try:
        for name in folder.relative_to(root).parts if inside else ():
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=descriptor)
            below = os.open(name, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _status(folder: int, path: Path) -> os.stat_result | None:
    """What is there under the path's name; None when nothing is. Raises OSError for no file."""
    try:
        status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return status


def _content(folder: int, path: Path) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path.name, flags, dir_fd=folder), "rb") as file:
        return file.read()


def _replace(folder: int, name: str, data: bytes, before: os.stat_result | None) -> None:
    """Put a new file in the place of `name`, durably."""
    temporary = f".ingle-{secrets.token_hex(6)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=folder), "wb") as file:
            if before is not None:
                _copy_owner_and_mode(file.fileno(), before)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)
