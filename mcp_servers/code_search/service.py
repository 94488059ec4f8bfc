"""Search in one project, for a server, a tool or a command: each call looks at the tree first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mcp_servers.code_search.chunks import FUNCTIONS, TYPES
from mcp_servers.code_search.index import Index, Progress
from mcp_servers.code_search.query import read_query
from mcp_servers.code_search.ranking import Hit, search
from mcp_servers.code_search.source import lines_of, source_of
from mcp_servers.code_search.store import Row
from mcp_servers.code_search.vectors import Embedder, EmbeddingFailed, embed_missing, nearest
from tools.cachefile import CacheFailed
from tools.code.naming import is_test
from tools.ripgrep import SearchFailed

CHECK_S = 20.0  # for what changed, before an answer; the rest is left to the next call
EMBED_S = 2.0
MOST_DEFINITIONS = 10
MOST_REFERENCES = 60
OUTLINE_CHARS = 6_000
T = TypeVar("T")


class SearchError(Exception):
    """What was asked for cannot be answered; the text says why and what to try."""


@dataclass(frozen=True)
class Found:
    """Results, the best first; `note` says what was not looked at ("" when all was)."""

    hits: tuple[Hit, ...]
    note: str = ""


@dataclass(frozen=True)
class Definitions:
    """Definitions of a name with the text of the first one."""

    rows: tuple[Row, ...]
    source: str
    note: str = ""


@dataclass(frozen=True)
class Use:
    """A line in which a name is used; `inside` is the definition around it, or ""."""

    path: str
    line: int
    text: str
    inside: str


class CodeSearch:
    """A project that is searched. Methods may be called from any thread and raise SearchError.

    `open_embedder` is called at the first search; it may raise ValueError.
    """

    def __init__(
        self, root: Path, cache: Path, open_embedder: Callable[[], Embedder | None] | None = None
    ):
        self.root = root.resolve()
        self._cache = cache
        self._open_embedder = open_embedder
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()

    def index(self, tell: Callable[[str, int, int], None] | None = None) -> Progress:
        """Index all that changed, however long it takes.

        `tell` hears what is counted ("files" or "vectors"), how many are done, and of how many.
        """

        def work(index: Index) -> Progress:
            progress = index.refresh(tell=(lambda d, n: tell("files", d, n)) if tell else None)
            if embedder := self._ready():
                said = (lambda d, n: tell("vectors", d, n)) if tell else None
                embed_missing(index.store, self.root, embedder, tell=said)
            return progress

        return self._with(work)

    def search(
        self, query: str, limit: int = 10, wanted: Callable[[Row], bool] | None = None
    ) -> Found:
        """What answers a question: words, a sentence, an error message, a whole bug report."""
        if not query.strip():
            raise SearchError("the query is empty: give a few words or names")

        def work(index: Index) -> Found:
            note = _note(index.refresh(CHECK_S))
            embedder = self._ready()

            meaning = []
            if embedder:
                embed_missing(index.store, self.root, embedder, EMBED_S)
                meaning = nearest(index.store, embedder, query)
            hits = search(index.store, read_query(query), limit, meaning, wanted)
            return Found(tuple(hits), note)

        return self._with(work)

    def definition(self, name: str) -> Definitions:
        """Where a name is defined. `name` may be qualified (``Cart.add``, ``cart.py#Cart.add``)."""

        def work(index: Index) -> Definitions:
            note = _note(index.refresh(CHECK_S))
            rows = _defined(index, name)
            if not rows:
                raise SearchError(f"nothing is defined as {name!r}: search for words of it")
            return Definitions(tuple(rows[:MOST_DEFINITIONS]), source_of(self.root, rows[0]), note)

        return self._with(work)

    def references(self, name: str) -> tuple[list[Use], int]:
        """The lines that use a name (its last part; which definition is meant nobody knows), those
        of tests last, and how many files there are beyond them."""
        last = _last(name)
        if len(last) < 3:
            raise SearchError("names of less than three letters are not indexed")

        def work(index: Index) -> tuple[list[Use], int]:
            _note(index.refresh(CHECK_S))
            paths = sorted(index.project.files_using(last), key=lambda p: (is_test(p), p))
            uses: list[Use] = []
            looked = 0
            while looked < len(paths) and len(uses) < MOST_REFERENCES:
                batch = paths[looked : looked + 20]
                looked += len(batch)
                symbols = dict(index.project.symbols(batch, index.known))
                for path in batch:
                    found = symbols.get(path)
                    numbers = {r.line for r in found.references if r.name == last} if found else ()
                    uses += _uses(self.root, index, path, sorted(numbers))
            if not uses:
                raise SearchError(f"nothing uses {last!r}")
            return uses[:MOST_REFERENCES], len(paths) - looked

        return self._with(work)

    def outline(self, path: str = "") -> str:
        """The map of the project, or of what is below a folder; the definitions of a file."""
        path = path.strip().strip("/").removeprefix("./")

        def work(index: Index) -> str:
            if not path or (self.root / path).is_dir():
                return index.project.outline(OUTLINE_CHARS, [path] if path else [])
            index.refresh(CHECK_S)
            rows = [r for r in index.store.in_file(path) if r.kind != "file"]
            if not rows:
                raise SearchError(f"{path} has no definitions, or is no file of the project")
            lines = [_listed(row) for row in rows]
            room = OUTLINE_CHARS
            kept = [line for line in lines if (room := room - len(line) - 1) > 0]
            left = len(lines) - len(kept)
            return "\n".join([path, *kept, *([f"{left} more"] if left else [])])

        return self._with(work)

    def chunk(self, path: str, name: str) -> str:
        """The text of a definition or a section. Raises SearchError when there is none."""

        def work(index: Index) -> str:
            index.refresh(CHECK_S)
            for row in index.store.in_file(path):
                if row.qualified == name:
                    return source_of(self.root, row)
            raise SearchError(f"{path} has no {name}")

        return self._with(work)

    def _ready(self) -> Embedder | None:
        if self._open_embedder is not None:
            opener, self._open_embedder = self._open_embedder, None
            try:
                self._embedder = opener()
            except ValueError as error:
                raise SearchError(str(error)) from error
        return self._embedder

    def _with(self, action: Callable[[Index], T]) -> T:
        try:
            with self._lock, Index(self.root, self._cache) as index:
                # All of it again where the index turns out to be corrupt.
                return index.whole(lambda: action(index))
        except (CacheFailed, SearchFailed, EmbeddingFailed) as error:
            raise SearchError(str(error)) from error
        except OSError as error:
            raise SearchError(f"{self.root} cannot be searched: {error}") from error


def _note(progress: Progress) -> str:
    if progress.left:
        return (
            f"{progress.left:,} of {progress.files:,} files are not indexed yet: "
            "ask again, or run `agent index`"
        )
    return f"not all files were seen: {progress.stopped}" if progress.stopped else ""


def _last(name: str) -> str:
    name = name.strip().strip("`").removesuffix("()").rpartition("#")[2]
    return name.replace("::", ".").rpartition(".")[2]


def _defined(index: Index, name: str) -> list[Row]:
    """What has a name, the likeliest first."""
    name = name.strip().strip("`").removesuffix("()").replace("::", ".")
    path, _, qualified = name.rpartition("#")
    last = qualified.rpartition(".")[2]
    rows = [r for r in index.store.named([last, qualified]) if r.kind not in ("file", "page")]
    rows = [r for r in rows if f".{r.qualified}".lower().endswith(f".{qualified}".lower())] or [
        # The part before may be a module or a variable.
        r for r in rows if not path and r.name.lower() == last.lower()
    ]  # fmt: skip
    rows = [r for r in rows if f"/{r.path}".endswith(f"/{path}")] if path else rows
    exact = [r for r in rows if r.name == last or r.qualified == qualified]
    weights = index.store.ranks([r.id for r in rows][:500])
    return sorted(
        exact or rows,
        key=lambda r: (
            r.kind not in FUNCTIONS | TYPES, is_test(r.path), -weights.get(r.id, 0.0),
            r.first_line - r.last_line, r.path,
        ),
    )  # fmt: skip


def _uses(root: Path, index: Index, path: str, numbers: list[int]) -> list[Use]:
    if not numbers:
        return []
    lines = lines_of(root, path)
    rows = [r for r in index.store.in_file(path) if r.kind in FUNCTIONS | TYPES]
    uses = []
    for number in numbers:
        around = [r for r in rows if r.first_line <= number <= r.last_line]
        inside = min(around, key=lambda r: r.last_line - r.first_line).qualified if around else ""
        text = lines[number - 1].strip() if number <= len(lines) else ""
        uses.append(Use(path, number, text, inside))
    return uses


def _listed(row: Row) -> str:
    depth = 0 if row.kind == "heading" else row.qualified.count(".")
    return f"{'  ' * depth}{row.first_line} {row.signature or row.qualified}"
