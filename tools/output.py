"""Long output: the model sees head and tail, a file keeps the whole, memory stays bounded."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import BinaryIO

from tools.text import is_argument

DEFAULT_LIMIT = 6_000
LEAST_LIMIT = 200
FILE_CAP = 64 * 1024 * 1024


class OutputStore:
    """Where long outputs go.

    ``folder`` keeps them whole (None: they are not kept); ``limit`` is the number of characters
    that the model sees of one output; ``cap`` is the number of bytes kept in one file.
    """

    def __init__(
        self, folder: Path | None, limit: int = DEFAULT_LIMIT, cap: int = FILE_CAP
    ) -> None:
        self.folder = folder.resolve() if folder is not None else None
        self.limit = max(limit, LEAST_LIMIT)
        self.cap = cap

    def with_limit(self, limit: int) -> OutputStore:
        """The same folder with another limit, for a caller whose context is nearly full."""
        return OutputStore(self.folder, limit, self.cap)

    def locate(self, model_path: str) -> Path | None:
        """The kept file that the model means, or None when the path is not in the folder."""
        text = model_path.strip()
        if self.folder is None or not text.startswith("/") or not is_argument(text):
            return None
        path = Path(text).resolve()
        return path if path.is_relative_to(self.folder) and path.is_file() else None

    def cut(self, text: str, label: str, tail_share: float = 0.5) -> str:
        """`text`, or its head and tail with a line between that says where the rest is."""
        spool = self.spool(label, tail_share)
        spool.feed(text.encode("utf-8", "replace"))
        return spool.finish()

    def spool(self, label: str, tail_share: float = 0.5) -> Spool:
        """A sink for a stream whose length nobody knows yet; `label` goes into the file's name."""
        return Spool(self, label, tail_share)

    def new_file(self, label: str) -> tuple[Path, BinaryIO] | None:
        """A new file in the folder; None when there is no folder.

        Raises:
            OSError: it cannot be made.
        """
        if self.folder is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = 1 + sum(1 for _ in self.folder.iterdir())
        while True:
            path = self.folder / f"{number:04d}-{label}.txt"
            try:
                return path, path.open("xb")
            except FileExistsError:
                number += 1


class Spool:
    """Takes bytes in pieces; holds the head and the tail, and writes all to a file when long."""

    def __init__(self, store: OutputStore, label: str, tail_share: float) -> None:
        self._store = store
        self._label = label
        self._tail_size = int(store.limit * tail_share)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head = ""
        self._tail = ""
        self._characters = 0
        self._newlines = 0
        self._pending: list[bytes] = []
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._file_bytes = 0
        self._trouble = ""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._take(self._decoder.decode(data))
        if self._characters <= self._store.limit:
            self._pending.append(data)
            return
        if self._pending or (self._path is None and not self._trouble):
            data = b"".join((*self._pending, data))
            self._pending.clear()
            self._open()
        self._keep(data)

    def finish(self) -> str:
        """The text for the model; closes the file. Call it once, at the end or after a failure."""
        self._take(self._decoder.decode(b"", final=True))
        if self._file is not None:
            self._file.close()
        if self._characters <= self._store.limit:
            return self._head
        head = _to_line_end(self._head[: self._store.limit - self._tail_size])
        tail = _from_line_start(self._tail)
        first = head.count("\n") + 1
        last = self._newlines - tail.count("\n")
        if self._characters > len(tail) and not self._starts_a_line(tail):
            last += 1
        left_out = self._characters - len(head) - len(tail)
        between = "" if head.endswith("\n") else "\n"
        notice = f"[lines {first}-{max(first, last)} left out, {left_out:,} characters; "
        return f"{head}{between}{notice}{self._whereabouts(first)}]\n{tail}"

    def _take(self, text: str) -> None:
        self._characters += len(text)
        self._newlines += text.count("\n")
        if len(self._head) < self._store.limit:
            self._head += text[: self._store.limit - len(self._head)]
        # One character more than is shown tells whether the tail starts a line.
        self._tail = (self._tail + text)[-self._tail_size - 1 :]

    def _starts_a_line(self, tail: str) -> bool:
        before = self._tail[: len(self._tail) - len(tail)]
        return before.endswith("\n")

    def _open(self) -> None:
        try:
            made = self._store.new_file(self._label)
        except OSError as error:
            self._trouble = f"not kept: {error.strerror}"
            return
        if made is None:
            self._trouble = "not kept"
            return
        self._path, self._file = made

    def _keep(self, data: bytes) -> None:
        if self._file is None or self._trouble:
            return
        room = self._store.cap - self._file_bytes
        try:
            self._file.write(data[:room])
        except OSError as error:
            self._trouble = f"{self._path} is incomplete: {error.strerror}"
            return
        self._file_bytes += min(room, len(data))
        if len(data) > room:
            self._trouble = f"{self._path} has the first {_size(self._store.cap)}"

    def _whereabouts(self, first: int) -> str:
        if self._path is None:
            return f"{self._trouble}: ask for less at a time"
        place = self._trouble or f"all of it is in {self._path}"
        return f"{place}: read that path with first_line={first}"


def _to_line_end(head: str) -> str:
    """Cut back to a line's end, unless that would cost more than half."""
    cut = head.rfind("\n") + 1
    return head[:cut] if cut > len(head) // 2 else head


def _from_line_start(tail: str) -> str:
    """Drop the one spare character at the front, and a broken first line if it is short."""
    cut = tail.find("\n") + 1
    return tail[cut:] if 0 < cut < len(tail) // 2 else tail[1:]


def _size(count: int) -> str:
    return f"{count // 1024**2} MiB" if count >= 1024**2 else f"{count} bytes"


__all__ = ["DEFAULT_LIMIT", "FILE_CAP", "LEAST_LIMIT", "OutputStore", "Spool"]
