"""Brings the index of a project up to its files as they are."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mcp_servers.code_search.chunks import Chunk, code_chunks, markdown_chunks
from mcp_servers.code_search.documents import (
    LARGEST_PDF,
    LARGEST_TEXT,
    document_chunks,
    is_document,
)
from mcp_servers.code_search.store import Entry, Indexed, IndexStore
from mcp_servers.code_search.words import Splitter
from tools.cachefile import CacheFailed
from tools.code.project import Project, Refreshed
from tools.code.store import Known, digest_of
from tools.code.walk import LARGEST_FILE, File, Walk, read, walk
from tools.ripgrep import SearchFailed

FILES_AT_ONCE = 100  # in one transaction; another process waits as long as that
STALE_RANKS = 0.02  # of the files may have changed until the graph is weighed again
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """After a look: how many `files` there are, how many of them are not indexed yet (`left`),
    and why not all files were seen ("" when they were)."""

    files: int
    left: int
    stopped: str = ""


class Index:
    """The index of one project, for one thread; a context manager.

    ``known`` are the files of code that the last refresh found.

    Methods raise CacheFailed only, and OSError when the root is gone.
    """

    def __init__(self, root: Path, cache: Path):
        """`cache` is the user's cache folder of ingle."""
        from tools.code.places import store_file

        place = store_file(cache, root)
        self.root = root
        self.known: dict[str, Known] = {}
        self.store = IndexStore(place.with_name(f"{place.stem}.search.sqlite"))
        try:
            self.project = Project(root, place)
        except CacheFailed:
            self.store.close()
            raise

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self.project.close()
        self.store.close()

    def refresh(
        self, seconds: float = float("inf"), tell: Callable[[int, int], None] | None = None
    ) -> Progress:
        """Index what changed, for at most about `seconds`; the next call goes on.

        `tell` hears how many files are done, and of how many.
        """
        end = time.monotonic() + seconds
        try:
            return self.whole(lambda: self._refresh(end, tell))
        except SearchFailed as error:
            raise CacheFailed(str(error)) from error

    def whole(self, action: Callable[[], T]) -> T:
        """Do something with the index; a corrupt one is begun anew, once."""
        try:
            return action()
        except sqlite3.OperationalError as error:
            raise CacheFailed(f"{self.store.path}: {error}") from error
        except sqlite3.DatabaseError:
            self.store.rebuild()
            return action()

    def _refresh(self, end: float, tell: Callable[[int, int], None] | None) -> Progress:
        found = walk(self.root, known_only=False, largest=LARGEST_PDF)
        code = tuple(f for f in found.files if f.language and f.size <= LARGEST_FILE)
        known = self.project.refresh(Walk(code, found.stopped))
        self.known = known.files
        before = self.store.entries()
        documents = [f for f in found.files if not f.language and _wanted(f)]
        stale = [
            each for each in known.files.values()
            if each.path not in before or before[each.path].digest != each.digest
        ]  # fmt: skip
        other = [f for f in documents if not _same(f, before.get(f.path))]
        seen = {*known.files, *(f.path for f in documents)}
        gone = [] if known.stopped else [path for path in before if path not in seen]
        if gone:
            self.store.save((), gone)
        total, done = len(stale) + len(other), 0
        batch: list[Indexed] = []
        for file in self._new(stale, known, other, before):
            done += 1
            if file is not None:
                batch.append(file)
            if len(batch) == FILES_AT_ONCE:
                self.store.save(batch)
                batch = []
                if tell:
                    tell(done, total)
            if time.monotonic() > end:
                break
        if batch:
            self.store.save(batch)
        if done == total:
            self._weigh(known, total + len(gone))
        return Progress(len(seen), total - done, found.stopped or known.stopped)

    def _new(
        self, stale: list[Known], known: Refreshed, other: list[File], before: dict[str, Entry]
    ) -> Iterator[Indexed | None]:
        """One for each file; None where nothing has to be written."""
        splitter = Splitter()
        missing = {each.path for each in stale}
        for path, symbols in self.project.symbols([f.path for f in stale], known.files):
            missing.discard(path)
            about = known.files[path]
            data = read(self.root, File(path, about.size, about.mtime_ns, about.language))
            if data is None or digest_of(data) != about.digest:
                yield None  # it changes at this moment: the next look takes it
                continue
            text = data.decode("utf-8", "replace")
            make = markdown_chunks if about.language == "markdown" else code_chunks
            entry = Entry(path, about.digest, about.mtime_ns, about.size)
            yield _indexed(entry, make(path, text, symbols), splitter)
        yield from (None for _ in missing)
        for file in other:
            data = _read(self.root, file)
            old, digest = before.get(file.path), digest_of(data)
            entry = Entry(file.path, digest, file.mtime_ns, file.size)
            if old and old.digest == digest:
                self.store.touched([entry])
                yield None
                continue
            yield _indexed(entry, document_chunks(file.path, data), splitter)

    def _weigh(self, known: Refreshed, changed: int) -> None:
        """Keep the ranks of the reference graph, unless nearly all of it is as it was."""
        noted = self.store.note("ranks")
        files, since = (int(n) for n in noted.split()) if noted else (0, 0)
        since += changed
        if noted and since <= STALE_RANKS * files:
            if changed:
                self.store.keep_note("ranks", f"{files} {since}")
            return
        ranks = self.project.ranks()
        rows = [(path, name, weight) for (path, name), weight in ranks.names.items() if weight]
        self.store.save_ranks(rows, f"{len(known.files)} 0")
        self.store.prune_vectors()


def _wanted(file: File) -> bool:
    is_pdf = file.path.lower().endswith(".pdf")
    return is_document(file.path) and (is_pdf or file.size <= LARGEST_TEXT)


def _same(file: File, known: Entry | None) -> bool:
    return known is not None and (known.mtime_ns, known.size) == (file.mtime_ns, file.size)


def _read(root: Path, file: File) -> bytes:
    """The bytes of a document; none where it is no file or no text any more."""
    if not file.path.lower().endswith(".pdf"):
        return read(root, file, LARGEST_TEXT) or b""
    try:
        data = (root / file.path).read_bytes() if not (root / file.path).is_symlink() else b""
    except OSError:
        return b""
    return data if len(data) <= LARGEST_PDF and data.startswith(b"%PDF-") else b""


def _indexed(entry: Entry, chunks: list[Chunk], splitter: Splitter) -> Indexed:
    rows = []
    for each in chunks:
        fields = (
            splitter.text(each.qualified),
            splitter.text(each.path),
            splitter.text(each.signature),
            splitter.text(each.docstring),
            splitter.text(each.body),
        )
        key = hashlib.blake2b(f"{each.path}\0{each.qualified}\0{each.body}".encode(
            "utf-8", "replace"), digest_size=16).digest()  # fmt: skip
        rows.append((each, fields, key))
    return Indexed(entry, rows)
