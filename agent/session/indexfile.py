"""The SQLite file of an index: opened, checked, made anew, and locked against other writers."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.errors import TryLater

VERSION = 1
BUSY_S = 30.0
# A few events in memory are not worth a file; these errors of SQLite mean that there can be none.
CANNOT_WRITE = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
     sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)  # fmt: skip
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
SCHEMA = """
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE entries (number INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    name TEXT NOT NULL, path TEXT NOT NULL, offset INTEGER NOT NULL, output TEXT NOT NULL);
CREATE TABLE pieces (id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, line INTEGER NOT NULL,
    own INTEGER NOT NULL, sum INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX of_entry ON pieces (entry);
CREATE INDEX of_sum ON pieces (sum);
CREATE VIRTUAL TABLE words USING fts5(text, parts, content='', tokenize='porter unicode61');
CREATE VIRTUAL TABLE grams USING fts5(text, content='', tokenize='trigram');
"""


def ready(path: Path) -> sqlite3.Connection:
    """The database with its tables. Raises sqlite3.DatabaseError when it is broken."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.close(file)
    database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            with transaction(database):
                for statement in SCHEMA.split(";\n"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}")
        elif (found := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(str(found).splitlines()[0])
    except sqlite3.Error:
        database.close()
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def make_empty(path: Path) -> None:
    """Others may have the file open: it stays the same one. The folder is locked."""
    with suppress(FileNotFoundError):
        os.truncate(path, 0)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


@contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Keep other writers out, which SQLite cannot do while the file itself is made anew.

    Raises:
        TryLater: another process has it for very long.
    """
    if folder is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _wait_for(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, folder: Path) -> None:
    until = time.monotonic() + BUSY_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise TryLater(f"the index in {folder} is busy in another process") from error
            time.sleep(0.02)
        except OSError:
            return None  # no locks on this file system: SQLite's own are left


def code_of(error: sqlite3.Error) -> int:
    """The primary code of an error; 0 for one of our own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
