"""What the sources of model files share: progress, failure of one source, hashing, space."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from agent.errors import NoSpace

CHUNK = 1 << 20


class Progress(Protocol):
    """Called often while a file comes; `note` is what happens now, in a few words.

    With a `total_bytes` of 0 there is nothing to measure: `note` is a message that should stay.
    """

    def __call__(self, done_bytes: int, total_bytes: int, note: str, /) -> None: ...


class SourceFailed(Exception):
    """One source could not give the file; the message says why in a few words."""


class SourceRefused(SourceFailed):
    """A source that would say the same again: asking it once more is of no use."""


def silent(_done: int, _total: int, _note: str, /) -> None:
    """A Progress that shows nothing."""


def hash_into(digest: hashlib._Hash, path: Path, progress: Progress, note: str) -> int:
    """Feed the whole file to `digest`; returns its length in bytes."""
    total = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(done, total, note)
    return done


def sha256_of(path: Path, progress: Progress, note: str) -> str:
    """The sha256 of a file as 64 hex digits. Raises OSError."""
    digest = hashlib.sha256()
    hash_into(digest, path, progress, note)
    return digest.hexdigest()


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise NoSpace unless the file system of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(
            f"no space for {what} in {folder}: {needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB "
            "free; free some space or set INGLE_MODELS to a folder on a larger disk"
        )


@contextmanager
def full_disk_is_no_space(folder: Path, what: str) -> Iterator[None]:
    """Turn a full disk or quota in the block into NoSpace."""
    import errno

    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"the disk became full while {what} came to {folder}") from error
        raise
