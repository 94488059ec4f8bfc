"""One project: its files, what is known about them, and the outline; this is the way in."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tools.cachefile import CacheFailed
from tools.code.focus import Focus
from tools.code.outline import Outlined, outline
from tools.code.parsing import Text, parse_texts
from tools.code.places import store_file
from tools.code.rank import Names, Ranks, rank
from tools.code.scan import Scan, scan
from tools.code.store import Known, Store, digest_of
from tools.code.symbols import Symbols
from tools.code.walk import File, Walk, read, walk

# A path and one definition take about 50 characters: as many files can be needed, and are parsed.
CHARS_FOR_A_FILE = 50
SCAN_S = 20.0  # for files that are new or changed; the rest is looked at by the next call
SAVED_AT_ONCE = 500
T = TypeVar("T")


@dataclass(frozen=True)
class Refreshed:
    """What a look at the tree found. ``changed`` and ``gone`` are paths. ``stopped`` says why
    not everything was looked at, or is ""; then nothing counts as gone."""

    files: dict[str, Known]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    stopped: str = ""


def outline_of(root: Path, store: Path, budget_chars: int, focus: Sequence[str] = ()) -> str:
    """:meth:`Project.outline` in one call, for `asyncio.to_thread`. Raises as Project does."""
    with Project(root, store) as project:
        return project.outline(budget_chars, focus)


class Project:
    """A folder and its store. For one thread; a context manager.

    Methods raise SearchFailed (no rg), CacheFailed and OSError (the root is gone) only.
    """

    def __init__(self, root: Path, store: Path):
        """`store` is the file to keep things in, outside of the project."""
        self.root = root
        self._store = Store(store)

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._store.close()

    def refresh(self, found: Walk | None = None) -> Refreshed:
        """Bring the store up to the files as they are; reads only what changed."""
        found = found or walk(self.root)
        return self._whole(lambda: self._refresh(found))

    def symbols(
        self, paths: Iterable[str], known: dict[str, Known]
    ) -> Iterator[tuple[str, Symbols]]:
        """The symbols of files, each once, in no order; `known` is that of :meth:`refresh`.

        What is not in the store yet is parsed and kept. A file that is gone or cannot be parsed
        has none.
        """
        wanted = [known[path] for path in dict.fromkeys(paths) if path in known]
        missing: list[Known] = []
        for file in wanted:
            stored = self._stored(file)
            if stored is None:
                missing.append(file)
            else:
                yield file.path, stored
        yield from self._parsed(missing)

    def outline(self, budget_chars: int, focus: Sequence[str] = ()) -> str:
        """The map of the project in at most `budget_chars` characters; '' when it has no code.

        The same bytes as long as no file's content changes and no file comes or goes.
        """
        return self._whole(lambda: self._outline(budget_chars, focus))

    def ranks(self) -> Ranks:
        """How important the files and their names are, by the last refresh."""
        scans = self._whole(lambda: list(self._store.scans()))
        return rank([Names(path, each.defined, each.used) for path, each in scans])

    def files_using(self, name: str) -> list[str]:
        """Paths of the files in which a name (3 letters or more) occurs, by the last refresh."""
        return self._whole(lambda: self._store.files_using(name))

    def _outline(self, budget_chars: int, focus: Sequence[str]) -> str:
        known = self._refresh(walk(self.root))
        key = _key(known, budget_chars, focus)
        kept = self._store.outline(key)
        if kept is not None:
            return kept
        ranks = self.ranks()
        wanted = Focus(focus, known.files.keys())
        paths = _chosen(known.files, ranks, wanted, max(5, budget_chars // CHARS_FOR_A_FILE))
        symbols = dict(self.symbols(paths, known.files))
        files = [
            Outlined(
                path,
                symbols[path].definitions,
                tuple(ranks.weight(path, each.name) for each in symbols[path].definitions),
            )
            for path in sorted(symbols)
        ]
        note = f"\n[{known.stopped}]" if known.stopped else ""
        text = outline(files, budget_chars - len(note), focus, len(known.files)) + note
        text = text.lstrip("\n")
        self._store.save_outline(key, text)
        return text

    def _refresh(self, found: Walk) -> Refreshed:
        end = time.monotonic() + SCAN_S
        before = self._store.files()
        files: dict[str, Known] = {}
        changed: list[str] = []
        touched: list[File] = []
        scanned: list[tuple[File, bytes, Scan]] = []
        late = 0
        for file in found.files:
            old = before.get(file.path)
            if old and (old.mtime_ns, old.size) == (file.mtime_ns, file.size):
                files[file.path] = old
                continue
            if late or time.monotonic() > end:
                late += 1
                continue
            data = read(self.root, file)
            if data is None:
                continue
            digest = digest_of(data)
            files[file.path] = Known(file.path, file.mtime_ns, file.size, digest, file.language)
            if old and old.digest == digest:
                touched.append(file)
                continue
            changed.append(file.path)
            scanned.append((file, digest, scan(file.language, data)))
            if len(scanned) == SAVED_AT_ONCE:
                self._store.save(scanned)
                scanned = []
        stopped = found.stopped or (f"{late:,} files not looked at yet" if late else "")
        gone = () if stopped else tuple(sorted(before.keys() - files.keys()))
        if scanned or gone:
            self._store.save(scanned, gone)
        if touched:
            self._store.touched(touched)
        if before and (changed or gone):
            self._store.prune()
        return Refreshed(files, tuple(changed), gone, stopped)

    def _parsed(self, missing: Sequence[Known]) -> Iterator[tuple[str, Symbols]]:
        digests: dict[str, bytes] = {}
        by_path = {file.path: file for file in missing}

        def texts() -> Iterator[Text]:
            for file in missing:
                data = read(self.root, File(file.path, file.size, file.mtime_ns, file.language))
                if data is not None:
                    # Of what is parsed now, which may be newer than what was scanned.
                    digests[file.path] = digest_of(data)
                    yield Text(file.path, file.language, data)

        rows: list[tuple[bytes, str, Symbols, str]] = []
        if not missing:
            return
        with contextlib.closing(parse_texts(texts())) as results:
            for result in results:
                language = by_path[result.name].language
                rows.append((digests[result.name], language, result.symbols, result.error))
                if len(rows) == SAVED_AT_ONCE:
                    self._save(rows)
                    rows = []
                yield result.name, result.symbols
        self._save(rows)

    def _stored(self, file: Known) -> Symbols | None:
        return self._whole(lambda: self._store.symbols(file.digest, file.language))

    def _save(self, rows: Sequence[tuple[bytes, str, Symbols, str]]) -> None:
        self._whole(lambda: self._store.save_symbols(rows))

    def _whole(self, action: Callable[[], T]) -> T:
        """Do something with the store; a corrupt one is begun anew, once."""
        try:
            return action()
        except sqlite3.OperationalError as error:
            raise CacheFailed(f"{self._store.path}: {error}") from error
        except sqlite3.DatabaseError:
            self._store.rebuild()
            return action()


def _key(known: Refreshed, budget_chars: int, focus: Sequence[str]) -> bytes:
    """What an outline depends on."""
    whole = hashlib.blake2b(digest_size=16)
    whole.update(repr((budget_chars, sorted(focus), known.stopped)).encode("utf-8", "replace"))
    for path in sorted(known.files):
        whole.update(path.encode("utf-8", "replace") + b"\0" + known.files[path].digest)
    return whole.digest()


def _chosen(files: dict[str, Known], ranks: Ranks, wanted: Focus, most: int) -> list[str]:
    """The files that an outline can need, the likeliest first: at most `most`."""
    scores = {path: ranks.files.get(path, 0.0) for path in files}
    if wanted:
        for path in scores:
            scores[path] *= wanted.of_path(path)
        for path, name in ranks.names:
            scores[path] = max(scores[path], wanted.of_name(name) * ranks.files[path])
    return sorted(scores, key=lambda path: (-scores[path], path))[:most]


__all__ = ["Project", "Refreshed", "outline_of", "store_file"]
