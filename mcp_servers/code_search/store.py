"""The index on disk: one SQLite file for each project, in the user's cache.

Chunks are kept with their file; the words of each in an FTS5 table. A file's chunks are replaced
together, so that whoever reads sees the old ones or the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_servers.code_search.chunks import Chunk
from tools.cachefile import CacheFile, Layout

VERSION = 2  # what is kept of a file; another one empties the index
# How much a word counts in a name, a path, a signature, a docstring, a body.
WEIGHTS = (3.0, 2.0, 1.5, 1.0, 1.0)
_SCHEMA = """
CREATE TABLE files (path TEXT PRIMARY KEY, digest BLOB, mtime_ns INTEGER, size INTEGER)
    WITHOUT ROWID;
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY, path TEXT, name TEXT, qualified TEXT, kind TEXT,
    first_line INTEGER, last_line INTEGER, signature TEXT, docstring TEXT,
    inner INTEGER, uses TEXT, key BLOB);
CREATE INDEX chunks_path ON chunks(path);
CREATE INDEX chunks_name ON chunks(name COLLATE NOCASE);
CREATE VIRTUAL TABLE words USING fts5(
    name, path, signature, docstring, body, tokenize = "porter unicode61 tokenchars '_'");
CREATE TABLE ranks (path TEXT, name TEXT, weight REAL, PRIMARY KEY (path, name)) WITHOUT ROWID;
CREATE TABLE vectors (model TEXT, key BLOB, vector BLOB, PRIMARY KEY (model, key)) WITHOUT ROWID;
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID
"""
_TABLES = ("files", "chunks", "words", "ranks", "vectors", "notes")


@dataclass(frozen=True)
class Entry:
    """A file that is indexed; `digest` is of its content."""

    path: str
    digest: bytes
    mtime_ns: int
    size: int


@dataclass(frozen=True)
class Row:
    """A chunk as it is kept; ``id`` may be another one after the file has changed."""

    id: int
    path: str
    name: str
    qualified: str
    kind: str
    first_line: int
    last_line: int
    signature: str
    docstring: str
    inner: int


@dataclass(frozen=True)
class Indexed:
    """A file's new chunks, each with the words of its five fields and the key of its content."""

    entry: Entry
    chunks: Sequence[tuple[Chunk, tuple[str, str, str, str, str], bytes]]


_ROW = "id, path, name, qualified, kind, first_line, last_line, signature, docstring, inner"


class IndexStore(CacheFile):
    """One open index."""

    def __init__(self, path: Path):
        """Open or make it. Raises CacheFailed."""
        super().__init__(path, Layout(VERSION, _TABLES, _SCHEMA))

    def entries(self) -> dict[str, Entry]:
        """All files, by path."""
        rows = self._db.execute("SELECT path, digest, mtime_ns, size FROM files")
        return {row[0]: Entry(*row) for row in rows}

    def save(self, files: Iterable[Indexed], gone: Iterable[str] = ()) -> None:
        """Replace the chunks of files, forget others; all or nothing."""
        with self._writing():
            for path in gone:
                self._remove(path)
            for file in files:
                self._remove(file.entry.path)
                self._add(file)

    def touched(self, entries: Iterable[Entry]) -> None:
        """New times of files whose content is the same."""
        with self._writing():
            self._db.executemany(
                "UPDATE files SET mtime_ns = ?, size = ? WHERE path = ?",
                ((each.mtime_ns, each.size, each.path) for each in entries),
            )

    def save_ranks(self, weights: Iterable[tuple[str, str, float]], note: str) -> None:
        """Replace the weights of definitions: path, name, weight. `note` says of which state."""
        with self._writing():
            self._db.execute("DELETE FROM ranks")
            self._db.executemany("INSERT OR REPLACE INTO ranks VALUES (?, ?, ?)", weights)
            self._db.execute("INSERT OR REPLACE INTO notes VALUES ('ranks', ?)", (note,))

    def keep_note(self, key: str, value: str) -> None:
        """Keep a value."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    def note(self, key: str) -> str:
        """A value that was kept, or ''."""
        row = self._db.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def ranks(self, ids: Sequence[int]) -> dict[int, float]:
        """The weights of chunks; those that nobody uses are left out."""
        marks = ",".join("?" * len(ids))
        return dict(
            self._db.execute(
                "SELECT chunks.id, ranks.weight FROM chunks JOIN ranks"
                f" ON ranks.path = chunks.path AND ranks.name = chunks.name WHERE id IN ({marks})",
                ids,
            ).fetchall()
        )

    def count(self) -> int:
        """How many chunks there are."""
        return int(self._db.execute("SELECT count(*) FROM chunks").fetchone()[0])

    def matches(self, term: str, most: int) -> list[tuple[int, float]]:
        """The chunks that a word is in, with its BM25 (above 0, higher is better), best first."""
        weights = ", ".join(map(str, WEIGHTS))
        found = self._db.execute(
            f"SELECT rowid, -bm25(words, {weights}) AS score FROM words WHERE words MATCH ?"
            " ORDER BY score DESC LIMIT ?",
            (quoted(term), most),
        )
        return [(row[0], row[1]) for row in found]

    def frequency(self, term: str) -> int:
        """In how many chunks a word is."""
        found = self._db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (quoted(term),))
        return int(found.fetchone()[0])

    def users(self, name: str, most: int) -> list[int]:
        """Chunks whose own text has a name in it."""
        found = self._db.execute(
            "SELECT rowid FROM words WHERE words MATCH ? LIMIT ?", (f"body : {quoted(name)}", most)
        )
        return [row[0] for row in found]

    def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        """Chunks by their ids."""
        marks = ",".join("?" * len(ids))
        found = self._db.execute(f"SELECT {_ROW} FROM chunks WHERE id IN ({marks})", ids)
        return {row[0]: Row(*row) for row in found}

    def uses(self, ids: Sequence[int]) -> dict[int, list[str]]:
        """The names that each chunk uses."""
        marks = ",".join("?" * len(ids))
        found = self._db.execute(f"SELECT id, uses FROM chunks WHERE id IN ({marks})", ids)
        return {row[0]: row[1].split() for row in found}

    def has_file(self, path: str) -> bool:
        """Whether a file is indexed."""
        found = self._db.execute("SELECT 1 FROM files WHERE path = ?", (path,))
        return found.fetchone() is not None

    def ending(self, paths: Sequence[str], most: int) -> list[str]:
        """Files with one of these paths, or a longer one that ends with it."""
        found: list[str] = []
        for path in paths:
            rows = self._db.execute(
                "SELECT path FROM files WHERE path = ? OR substr(path, -length(?) - 1) = '/' || ?"
                " ORDER BY path LIMIT ?",
                (path, path, path, most),
            )
            found += [row[0] for row in rows]
        return list(dict.fromkeys(found))[:most]

    def named(self, names: Sequence[str], most: int = 500) -> list[Row]:
        """Chunks that have one of these names (their last part), whatever the case."""
        marks = ",".join("?" * len(names))
        found = self._db.execute(
            f"SELECT {_ROW} FROM chunks WHERE name COLLATE NOCASE IN ({marks}) LIMIT ?",
            (*names, most),
        )
        return [Row(*row) for row in found]

    def in_file(self, path: str) -> list[Row]:
        """The chunks of a file in its order."""
        found = self._db.execute(
            f"SELECT {_ROW} FROM chunks WHERE path = ? ORDER BY first_line, id", (path,)
        )
        return [Row(*row) for row in found]

    def without_vector(self, model: str) -> list[tuple[bytes, int]]:
        """Contents that a model has not seen: the key of each and a chunk that has it, those that
        are used most first."""
        found = self._db.execute(
            "SELECT chunks.key, min(chunks.id) FROM chunks"
            " LEFT JOIN ranks ON ranks.path = chunks.path AND ranks.name = chunks.name"
            " WHERE chunks.key IS NOT NULL"
            " AND chunks.key NOT IN (SELECT key FROM vectors WHERE model = ?)"
            " GROUP BY chunks.key ORDER BY max(ifnull(ranks.weight, 0)) DESC",
            (model,),
        )
        return [(row[0], row[1]) for row in found]

    def save_vectors(self, model: str, vectors: Iterable[tuple[bytes, bytes]]) -> None:
        """Vectors of contents, as float16."""
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                ((model, key, vector) for key, vector in vectors),
            )

    def vectors(self, model: str) -> list[tuple[int, bytes]]:
        """Chunk ids with the vectors of their contents."""
        return self._db.execute(
            "SELECT chunks.id, vectors.vector FROM vectors"
            " JOIN chunks ON chunks.key = vectors.key WHERE vectors.model = ?",
            (model,),
        ).fetchall()

    def prune_vectors(self) -> None:
        """Forget the vectors of contents that no chunk has."""
        with self._writing():
            self._db.execute(
                "DELETE FROM vectors WHERE key NOT IN"
                " (SELECT key FROM chunks WHERE key IS NOT NULL)"
            )

    def _remove(self, path: str) -> None:
        self._db.execute(
            "DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE path = ?)", (path,)
        )
        self._db.execute("DELETE FROM chunks WHERE path = ?", (path,))
        self._db.execute("DELETE FROM files WHERE path = ?", (path,))

    def _add(self, file: Indexed) -> None:
        e = file.entry
        self._db.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?)", (e.path, e.digest, e.mtime_ns, e.size)
        )
        for c, fields, key in file.chunks:
            cursor = self._db.execute(
                "INSERT INTO chunks VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (c.path, c.name, c.qualified, c.kind, c.first_line, c.last_line,
                 c.signature, c.docstring, c.inner, " ".join(c.uses), key),
            )  # fmt: skip
            self._db.execute(
                "INSERT INTO words (rowid, name, path, signature, docstring, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (cursor.lastrowid, *fields),
            )


def quoted(term: str) -> str:
    """A term as a string of FTS5's query language."""
    return '"' + term.replace('"', '""') + '"'
