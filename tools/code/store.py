"""What is known about a project's files, kept in one SQLite file between runs.

A file is known by its time and size, and failing that by its content, so that a touched file costs
one read and a moved one no parsing.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cachefile import CacheFile, Layout
from tools.code.plain import from_plain, to_plain
from tools.code.scan import Scan
from tools.code.symbols import Symbols
from tools.code.walk import File

# A change of what is extracted is a change of the version: old stores are emptied.
VERSION = 2
MOST_OUTLINES = 20
_SCHEMA = """
CREATE TABLE files (
    path TEXT PRIMARY KEY, mtime_ns INTEGER, size INTEGER, digest BLOB, language TEXT,
    defined TEXT, used TEXT) WITHOUT ROWID;
CREATE TABLE symbols (
    digest BLOB, language TEXT, found BLOB, error TEXT, PRIMARY KEY (digest, language));
CREATE TABLE outlines (key BLOB PRIMARY KEY, text TEXT)
"""
_TABLES = ("files", "symbols", "outlines")


@dataclass(frozen=True)
class Known:
    """A file as the store has it; `digest` is of its content, 16 bytes."""

    path: str
    mtime_ns: int
    size: int
    digest: bytes
    language: str


def digest_of(data: bytes) -> bytes:
    """What content is known by, 16 bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


class Store(CacheFile):
    """One open store."""

    def __init__(self, path: Path):
        """Open or make it. Raises CacheFailed."""
        super().__init__(path, Layout(VERSION, _TABLES, _SCHEMA))

    def files(self) -> dict[str, Known]:
        """All files, by path."""
        rows = self._db.execute("SELECT path, mtime_ns, size, digest, language FROM files")
        return {row[0]: Known(*row) for row in rows}

    def save(self, scanned: Iterable[tuple[File, bytes, Scan]], gone: Iterable[str] = ()) -> None:
        """Keep files with digest and scan, forget others; all or nothing."""
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        f.path,
                        f.mtime_ns,
                        f.size,
                        digest,
                        f.language,
                        *map(_joined, (s.defined, s.used)),
                    )
                    for f, digest, s in scanned
                ),
            )
            self._db.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in gone))

    def touched(self, files: Iterable[File]) -> None:
        """New times of files whose content is the same."""
        with self._writing():
            self._db.executemany(
                "UPDATE files SET mtime_ns = ?, size = ? WHERE path = ?",
                ((file.mtime_ns, file.size, file.path) for file in files),
            )

    def scans(self) -> Iterator[tuple[str, Scan]]:
        """The scan of every file, in the order of their paths."""
        for path, defined, used in self._db.execute(
            "SELECT path, defined, used FROM files ORDER BY path"
        ):
            yield path, Scan(tuple(defined.split()), tuple(used.split()))

    def files_using(self, name: str) -> list[str]:
        """Paths of the files in which a name of three letters or more occurs, sorted."""
        rows = self._db.execute(
            "SELECT path FROM files WHERE instr(used, ?) ORDER BY path", (f" {name} ",)
        )
        return [row[0] for row in rows]

    def symbols(self, digest: bytes, language: str) -> Symbols | None:
        """Of a content that was parsed before; a content that cannot be parsed has none in it."""
        row = self._db.execute(
            "SELECT found FROM symbols WHERE digest = ? AND language = ?", (digest, language)
        ).fetchone()
        if row is None:
            return None
        try:
            return from_plain(json.loads(zlib.decompress(row[0])))
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
            return None  # parsed and written again

    def save_symbols(self, found: Sequence[tuple[bytes, str, Symbols, str]]) -> None:
        """Rows of digest, language, symbols and error ('' for none)."""
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO symbols VALUES (?, ?, ?, ?)",
                ((d, language, _packed(s), error) for d, language, s, error in found),
            )

    def prune(self) -> None:
        """Forget the symbols of contents that no file has."""
        with self._writing():
            self._db.execute("DELETE FROM symbols WHERE digest NOT IN (SELECT digest FROM files)")

    def outline(self, key: bytes) -> str | None:
        """A text that was made before."""
        row = self._db.execute("SELECT text FROM outlines WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def save_outline(self, key: bytes, text: str) -> None:
        """Keep a text; the oldest beyond :data:`MOST_OUTLINES` are dropped."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO outlines VALUES (?, ?)", (key, text))
            self._db.execute(
                "DELETE FROM outlines WHERE rowid NOT IN"
                " (SELECT rowid FROM outlines ORDER BY rowid DESC LIMIT ?)",
                (MOST_OUTLINES,),
            )


def _row(file: File, digest: bytes, names: Scan) -> tuple[object, ...]:
    known = (file.path, file.mtime_ns, file.size, digest, file.language)
    return (*known, _joined(names.defined), _joined(names.used))


def _joined(names: Sequence[str]) -> str:
    """With a space on both sides of each name, so that one can be looked for."""
    return f" {' '.join(names)} "


def _packed(symbols: Symbols) -> bytes:
    return zlib.compress(json.dumps(to_plain(symbols), separators=(",", ":")).encode(), 1)
