"""The files of a project: .gitignore honoured, links not followed, bounded in number and time."""

from __future__ import annotations

import os
import selectors
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tools.code.languages import language_of
from tools.ripgrep import ALWAYS, SearchFailed, find_rg
from tools.text import is_argument

MOST_FILES = 50_000
WALK_S = 10.0
LARGEST_FILE = 512 * 1024  # bytes; larger source files are generated or data
_CHUNK = 1 << 16


@dataclass(frozen=True)
class File:
    """A regular file. ``path`` is relative to the project's root, with slashes.

    ``language`` is one of languages.py or "" for none; ``mtime_ns`` and ``size`` (bytes) are those
    at the time of the walk.
    """

    path: str
    size: int
    mtime_ns: int
    language: str


@dataclass(frozen=True)
class Walk:
    """The files in the order of their paths; ``stopped`` says why there may be more, or is ""."""

    files: tuple[File, ...]
    stopped: str = ""


def walk(
    root: Path,
    *,
    known_only: bool = True,
    most: int = MOST_FILES,
    seconds: float = WALK_S,
    largest: int = LARGEST_FILE,
) -> Walk:
    """The files below `root`, by default only those in a language that we know.

    Left out: what .gitignore, .ignore and .rgignore leave out, ``.git``, links, files of more
    than `largest` bytes, names that are not UTF-8. Whether a file is text is seen when it is
    read (:func:`is_binary`).

    Raises:
        SearchFailed: there is no rg.
    """
    end = time.monotonic() + seconds
    names, stopped = _names(root, most, end)
    files: list[File] = []
    for name in names:
        language = language_of(name)
        if known_only and not language:
            continue
        try:
            about = os.lstat(f"{root}/{name}")
        except OSError:
            continue  # it went meanwhile
        if stat.S_ISREG(about.st_mode) and about.st_size <= largest:
            files.append(File(name, about.st_size, about.st_mtime_ns, language))
        if len(files) % 1000 == 0 and time.monotonic() > end:
            stopped = stopped or f"stopped after {seconds:g} s"
            break
    return Walk(tuple(files), stopped)


def is_binary(data: bytes) -> bool:
    """Whether a file is no text, as git decides it."""
    return b"\0" in data[:8000]


def read(root: Path, file: File, largest: int = LARGEST_FILE) -> bytes | None:
    """The bytes of a file now; None when it is gone, no file any more, too large or binary."""
    try:
        # A link, or a pipe that would block: it was a file during the walk.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(root / file.path, flags)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            data = stream.read(largest + 1)
    except OSError:
        return None
    return None if len(data) > largest or is_binary(data) else data


def _names(root: Path, most: int, end: float) -> tuple[list[str], str]:
    """Sorted names of all files that rg lists until there are `most` or it is time to stop.

    rg lists them in an order of its own, which makes the first `most` the same ones each time.
    """
    program = find_rg()
    if program is None:
        raise SearchFailed("ripgrep is not installed (pip install ripgrep)")
    began = time.monotonic()
    process = subprocess.Popen(
        [str(program), *ALWAYS, "--files", "--null", "--glob=!.git", "--", "."],
        cwd=root,
        env={"LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    pieces: list[bytes] = []
    count = 0
    stopped = ""
    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not stopped:
            left = end - time.monotonic()
            if left <= 0 or not selector.select(left):
                stopped = f"stopped after {time.monotonic() - began:.0f} s"
                break
            piece = os.read(process.stdout.fileno(), _CHUNK)
            if not piece:
                break
            pieces.append(piece)
            count += piece.count(b"\0")
            if count > most:
                stopped = f"stopped after {most:,} files"
        process.kill()
    raw = b"".join(pieces).split(b"\0")[:-1]
    names = [os.fsdecode(name.removeprefix(b"./")) for name in raw]
    return sorted(name for name in names if is_argument(name))[:most], stopped
