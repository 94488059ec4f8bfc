"""A SQLite file that is a cache: several processes use it, one that is broken is built again."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

BUSY_S = 20.0


class CacheFailed(Exception):
    """The file can neither be read nor built anew; the text says what to do."""


@dataclass(frozen=True)
class Layout:
    """What is in a file. One of another `version` is emptied: its `tables` are dropped and those
    of `schema` made, SQL statements that end with semicolons."""

    version: int
    tables: tuple[str, ...]
    schema: str


class CacheFile:
    """One open file, for one thread; a context manager. Its subclasses know what is in it."""

    def __init__(self, path: Path, layout: Layout):
        """Open or make it, with its folder.

        Raises:
            CacheFailed: the disk is full, the folder is not ours, ...
        """
        self.path = path
        self._layout = layout
        self._db = _open_or_replace(path, layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._db.close()

    def rebuild(self) -> None:
        """Set the file aside (``NAME.broken``) and begin with an empty one: for when a read finds
        it corrupt.

        Raises:
            CacheFailed: as in opening.
        """
        self._db.close()
        try:
            _set_aside(self.path)
        except OSError as error:
            raise _failed(self.path, error) from error
        self._db = _open_or_replace(self.path, self._layout)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All reads inside are of one state."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that waits for other writers at its start, not in its middle."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _failed(path: Path, error: Exception) -> CacheFailed:
    return CacheFailed(f"{path}: {error} (a cache: it can be deleted)")


def _open_or_replace(path: Path, layout: Layout) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return _open(path, layout)
        except sqlite3.OperationalError:
            raise  # locked, or no permission: it may be whole
        except sqlite3.DatabaseError:
            _set_aside(path)
            return _open(path, layout)
    except (OSError, sqlite3.Error) as error:
        raise _failed(path, error) from error


def _open(path: Path, layout: Layout) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        _use_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")  # a cache: a lost last write is made again
        if _version(db) != layout.version:
            db.execute("BEGIN IMMEDIATE")
            if _version(db) != layout.version:  # another process may have been first
                _make(db, layout)
            db.execute("COMMIT")
        db.execute(f"SELECT * FROM {layout.tables[0]} LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _make(db: sqlite3.Connection, layout: Layout) -> None:
    for table in layout.tables:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in layout.schema.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {layout.version}")


def _use_wal(db: sqlite3.Connection) -> None:
    """Once for all; SQLite itself does not make two processes that do it at once wait."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _set_aside(path: Path) -> None:
    """Out of the way, with its journals, which would be applied to a new file."""
    with contextlib.suppress(FileNotFoundError):  # another process was first
        path.replace(path.with_name(f"{path.name}.broken"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
