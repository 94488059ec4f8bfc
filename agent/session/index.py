"""A full-text index of one session, beside its log and always made anew from it.

::

    <state>/sessions/20261121-215301-k3f9/index.sqlite

The log is the truth: the index holds how far it was read, and when it is missing, broken or of
another log, it is built again. Several processes may have it open; one of them writes at a time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agent.errors import ConfigError, TryLater
from agent.events import Event
from agent.session import indexfile
from agent.session.entries import Entry, Reader
from agent.session.find import LOG_NAME
from agent.session.lines import complete_lines, parse
from agent.session.ranking import Hit, search
from agent.session.words import humps, pieces, read_query

INDEX_NAME = "index.sqlite"
# Of an output that was kept whole, so much of its head and of its tail is searched.
OUTPUT_HEAD = 1_500_000
OUTPUT_TAIL = 500_000
TAIL_BYTES = 256
# LogSet has tokens only, and the largest lines.
_NOTHING_IN_IT = (b'{"type": "log_set"', b'{"type": "work_progress"')
T = TypeVar("T")


@dataclass(frozen=True)
class _Place:
    """How far the log was read: `seen` counts events in memory."""

    offset: int = 0
    tail: str = ""
    seen: int = 0
    reader: dict[str, object] | None = None


class Index:
    """The index of a session; :meth:`refresh` before a question that needs what is new."""

    def __init__(self, folder: Path | None, unsaved: Sequence[Event]) -> None:
        self._folder = folder
        self._unsaved = unsaved
        self._lock = threading.RLock()
        self._note = ""
        self._database, self._on_disk = self._connect()

    @classmethod
    def open(cls, folder: Path | None, unsaved: Sequence[Event] = ()) -> Index:
        """The index of the session in `folder`, brought up to date.

        `unsaved` are the events that are in no file (:attr:`SessionLog.unsaved`); the list may
        grow. Without a folder, or where none can be written, the index is in memory.

        Raises:
            ConfigError: the log cannot be read, or this SQLite cannot search texts.
            TryLater: another process keeps the index busy.
        """
        index = cls(folder, unsaved)
        index.refresh()
        return index

    def take_note(self) -> str:
        """What a person might want to know, such as that it was built again; "" afterwards."""
        note, self._note = self._note, ""
        return note

    def close(self) -> None:
        self._database.close()

    def refresh(self) -> None:
        """Take in what the log has more than at the last time. Raises: see :meth:`open`."""
        with self._lock:
            if self._on_disk and self._unsaved:
                self._to_memory("this session is not saved any more")
            self._safely(self._take_in)

    def search(self, query: str, limit: int = 8) -> list[Hit]:
        """The entries that say most about `query`, the best first.

        `query` may be words of any language, names of code, or both. Raises: see :meth:`open`.
        """
        with self._lock:
            return self._safely(lambda: search(self._database, read_query(query), limit))

    def get(self, handle: str) -> Entry | None:
        """The entry with all of its text; None when there is none. Raises: see :meth:`open`."""
        with self._lock:
            return self._safely(lambda: self._get(handle))

    def last(self) -> str:
        """The handle of the newest entry; '' when there is none."""
        with self._lock:
            return self._safely(self._last)

    # -- the database, and what can go wrong with it

    def _connect(self) -> tuple[sqlite3.Connection, bool]:
        if self._folder is None or self._unsaved:
            return self._in_memory(), False
        path = self._folder / INDEX_NAME
        try:
            with indexfile.locked(self._folder):
                return self._open_file(path), True
        except (OSError, sqlite3.Error) as error:
            self._note = f"the index of the session is in memory only: {indexfile.reason(error)}"
            return self._in_memory(), False

    def _open_file(self, path: Path) -> sqlite3.Connection:
        """The database file, made anew if it is not usable. The folder is locked."""
        try:
            return indexfile.ready(path)
        except sqlite3.DatabaseError as error:
            if indexfile.code_of(error) in indexfile.CANNOT_WRITE | indexfile.BUSY:
                raise
            self._note = f"the index of the session was built again: {indexfile.reason(error)}"
        indexfile.make_empty(path)
        return indexfile.ready(path)

    def _in_memory(self) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            database.executescript(indexfile.SCHEMA)
        except sqlite3.Error as error:
            raise ConfigError(f"SQLite of this Python cannot search texts: {error}") from error
        return database

    def _to_memory(self, why: str) -> None:
        self._note = f"the index of the session is in memory only: {why}"
        self._database.close()
        self._database, self._on_disk = self._in_memory(), False

    def _safely(self, act: Callable[[], T]) -> T:
        """Do it; when the file turns out to be broken, build it again and do it once more."""
        try:
            return act()
        except sqlite3.DatabaseError as error:
            if indexfile.code_of(error) in indexfile.BUSY:
                raise TryLater("the index of the session is busy in another process") from error
            if not self._on_disk:
                raise ConfigError(
                    f"the index of the session fails: {indexfile.reason(error)}"
                ) from error
            if indexfile.code_of(error) in indexfile.CANNOT_WRITE:
                self._to_memory(indexfile.reason(error))
            else:
                self._build_again(indexfile.reason(error))
        except OSError as error:
            raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
        try:
            self._take_in()
            return act()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"the index of the session fails: {indexfile.reason(error)}"
            ) from error

    def _build_again(self, why: str) -> None:
        assert self._folder is not None
        self._database.close()
        with indexfile.locked(self._folder):
            indexfile.make_empty(self._folder / INDEX_NAME)
            self._database = indexfile.ready(self._folder / INDEX_NAME)
        self._note = f"the index of the session was built again: {why}"

    # -- reading the log

    def _take_in(self) -> None:
        with (
            indexfile.locked(self._folder if self._on_disk else None),
            indexfile.transaction(self._database),
        ):
            place = self._place()
            reader = Reader(place.reader)
            if self._folder is not None:
                place = self._read_file(self._folder / LOG_NAME, place, reader)
            seen = len(self._unsaved)
            for event in self._unsaved[place.seen : seen]:
                self._add(reader, event, -1)
            place = replace(place, seen=seen, reader=reader.state())
            self._database.execute(
                "INSERT OR REPLACE INTO meta VALUES (1, ?)", (json.dumps(vars(place)),)
            )

    def _place(self) -> _Place:
        """How far the log was read; from the start again when it is not the same any more."""
        row = self._database.execute("SELECT state FROM meta").fetchone()
        if row is None:
            return _Place()
        try:
            place = _Place(**json.loads(row[0]))
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError("what it says of the log cannot be read") from error
        if self._folder is not None and _tail(self._folder / LOG_NAME, place.offset) != place.tail:
            self._note = "the index of the session was built again: the log is another one"
            self._empty()
            return _Place()
        return place

    def _read_file(self, log: Path, place: _Place, reader: Reader) -> _Place:
        offset = place.offset
        with log.open("rb") as file:
            file.seek(offset)
            for start, line in complete_lines(file):
                for event in () if line.startswith(_NOTHING_IN_IT) else parse(line):
                    self._add(reader, event, start)
            offset = file.tell()
        return replace(place, offset=offset, tail=_tail(log, offset))

    def _empty(self) -> None:
        for table in ("meta", "entries", "pieces"):
            self._database.execute(f"DELETE FROM {table}")
        for table in ("words", "grams"):
            self._database.execute(f"INSERT INTO {table}({table}) VALUES ('delete-all')")

    def _add(self, reader: Reader, event: Event, offset: int) -> None:
        for entry in reader.take(event, offset):
            cursor = self._database.execute(
                "INSERT OR IGNORE INTO entries(handle, kind, name, path, offset, output) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (entry.handle, entry.kind, _storable(entry.name), _storable(entry.path),
                 entry.offset, entry.output),
            )  # fmt: skip
            if cursor.rowcount == 1:
                self._index(entry, cursor.lastrowid or 0)

    def _index(self, entry: Entry, number: int) -> None:
        """The pieces of an entry; of a cut output those of the file that has all of it."""
        about = _storable(f"{entry.name} {entry.path}".strip())
        text = _storable(entry.text)
        whole = self._output(entry.output)
        for first, part in whole or [(1, text)]:
            for line, piece in pieces(part):
                # The same output again and again would hide all others: the first one is found.
                known = self._is_known(piece)
                row = self._store(number, first + line - 1, not whole, piece)
                if not known:
                    self._make_findable(row, about, piece)
        if whole:
            self._store(number, 1, True, text)

    def _store(self, number: int, line: int, own: bool, piece: str) -> int | None:
        """`own`: the piece is of the event's text, and not of the file with the whole output."""
        return self._database.execute(
            "INSERT INTO pieces(entry, line, own, sum, text) VALUES (?, ?, ?, ?, ?)",
            (number, line, own, _sum(piece), piece),
        ).lastrowid

    def _is_known(self, piece: str) -> bool:
        rows = self._database.execute("SELECT 1 FROM pieces WHERE sum = ?", (_sum(piece),))
        return rows.fetchone() is not None

    def _make_findable(self, row: int | None, about: str, piece: str) -> None:
        self._database.execute(
            "INSERT INTO words(rowid, text, parts) VALUES (?, ?, ?)",
            (row, piece, f"{about} {humps(f'{about} {piece}')}"),
        )
        self._database.execute(
            "INSERT INTO grams(rowid, text) VALUES (?, ?)", (row, f"{about}\n{piece}")
        )

    def _output(self, name: str) -> list[tuple[int, str]]:
        """What is searched of a kept output, each part with the number of its first line."""
        path = self._output_path(name)
        try:
            data = path.read_bytes() if path else b""
        except OSError:
            return []
        tail = max(OUTPUT_HEAD, len(data) - OUTPUT_TAIL)
        parts = [(1, data[:OUTPUT_HEAD]), (data.count(b"\n", 0, tail) + 1, data[tail:])]
        return [(line, _storable(part.decode("utf-8", "replace"))) for line, part in parts if part]

    def _output_path(self, name: str) -> Path | None:
        if not name or self._folder is None or name != Path(name).name:
            return None
        path = self._folder / "output" / name
        return path if path.is_file() and not path.is_symlink() else None

    # -- questions

    def _get(self, handle: str) -> Entry | None:
        row = self._database.execute(
            "SELECT handle, kind, name, path, offset, number, output FROM entries WHERE handle = ?",
            (handle,),
        ).fetchone()
        if row is None:
            return None
        found = Entry(row[0], row[1], "", row[2], row[3], row[4], row[5], row[6])
        rows = self._database.execute(
            "SELECT text FROM pieces WHERE entry = ? AND own ORDER BY id", (found.order,)
        )
        text = "".join(row[0] for row in rows)
        path = self._output_path(found.output)
        if path is not None:
            with suppress(OSError):
                whole = path.read_bytes().decode("utf-8", "replace").rstrip("\n")
                # What the tool says below the output, such as its exit code, is not in the file.
                last = text.rpartition("\n")[2]
                text = whole if whole.endswith(last) else f"{whole}\n{last}"
        return replace(found, text=text)

    def _last(self) -> str:
        row = self._database.execute("SELECT handle FROM entries ORDER BY number DESC").fetchone()
        return str(row[0]) if row else ""


def _tail(log: Path, offset: int) -> str:
    """A sum of the last bytes before `offset`, which tells whether a log is still the same."""
    with log.open("rb") as file:
        file.seek(max(0, offset - TAIL_BYTES))
        return hashlib.sha256(file.read(min(offset, TAIL_BYTES))).hexdigest()


def _sum(piece: str) -> int:
    """Equal for pieces that say the same; 63 bits."""
    plain = " ".join(piece.split()).lower().encode("utf-8")
    return int.from_bytes(hashlib.sha256(plain).digest()[:8], "big") >> 1


def _storable(text: str) -> str:
    """Without what SQLite cannot keep: halves of surrogate pairs, and the end of a C string."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _failing(error: Exception) -> ConfigError:
    return ConfigError(f"the index of the session fails: {indexfile.reason(error)}")
