"""Code search: how often the right function is among the first five, and how fast it is.

Sets of questions: bug reports of others over a corpus of others (files given, not part of this
repository); those of `data/code_search.jsonl`, written for this benchmark over libraries that are
installed here; and what docstrings and comments of such libraries say. Plain BM25 over the same
functions is measured in the same run.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.code_search_made import LIBRARIES, make
from mcp_servers.code_search.chunks import FUNCTIONS
from mcp_servers.code_search.embedding import load_embedder
from mcp_servers.code_search.index import Index
from mcp_servers.code_search.query import read_query
from mcp_servers.code_search.ranking import search as ask
from mcp_servers.code_search.service import CodeSearch
from mcp_servers.code_search.settings import embedding_model
from mcp_servers.code_search.source import source_of
from mcp_servers.code_search.store import Row
from mcp_servers.code_search.vectors import Embedder
from tools.code.walk import LARGEST_FILE

QUESTIONS = Path(__file__).parent / "data" / "code_search.jsonl"
MANY = 1_000  # files, of the speed test
K1, B = 1.5, 0.75
Key = tuple[str, str]
Rank = Callable[[str], Sequence[Key]]


@dataclass(frozen=True)
class Case:
    """A question about the project at `root`, and the functions that answer it."""

    root: Path
    text: str
    gold: frozenset[Key]


def run(rows: Path, corpus: Path | None) -> None:
    """Quality on both sets, then speed; prints tables."""
    if corpus is None:
        raise SystemExit("code-search needs --corpus FILE too")
    with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
        base = Path(folder)
        path = embedding_model()
        embedder = load_embedder(path) if path else None
        sets = {
            rows.name: given(rows, corpus, base / "given"),
            "own questions": own(base / "own", kept_back=False),
            "own questions, every third": own(base / "own", kept_back=True),
            **made(base / "made"),
        }
        print(f"{'functions only':<44} {'hit@1':>6} {'hit@5':>6} {'MRR':>6} {'ms':>6}")
        for name, asked in sets.items():
            print(f"{name}, {len(asked)}")
            measure("  plain BM25", asked, plain)
            measure("  code search", asked, lambda root: ours(root, base / "cache", None))
            if embedder:
                measure(
                    f"  with {embedder.name}", asked,
                    lambda root: ours(root, base / "cache", embedder),
                )  # fmt: skip
        speed(base)


def given(rows: Path, corpus: Path, root: Path) -> list[Case]:
    """JSON lines with `query` and `gold_functions`, over JSON lines with `path` and `text`."""
    for file in _lines(corpus):
        path = root / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file["text"], "utf-8")
    return [Case(root, row["query"], _gold(row)) for row in _lines(rows)]


def own(base: Path, *, kept_back: bool) -> list[Case]:
    """The questions of this repository, over copies of the installed libraries.

    Every third one is counted apart: those were looked at less while the search was changed.
    """
    result = []
    for index, row in enumerate(_lines(QUESTIONS)):
        library = row["library"]
        root = base / library
        if not root.exists():
            copy_library(library, root)
        if (index % 3 == 2) == kept_back:
            result.append(Case(root, row["query"], _gold(row)))
    return result


def made(base: Path) -> dict[str, list[Case]]:
    """Questions out of the docstrings and comments of installed libraries."""
    sets: dict[str, list[Case]] = {}
    for library in LIBRARIES:
        root = base / library
        copy_library(library, root)
        for each in make(root):
            case = Case(root, each.text, frozenset({(each.path, each.name)}))
            sets.setdefault(f"{each.kind}s of libraries", []).append(case)
    return sets


def copy_library(library: str, root: Path) -> None:
    """An installed library as a folder of the project `root`."""
    site = Path(sysconfig.get_path("purelib"))
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(site / library, root / library, ignore=ignored)


def measure(name: str, rows: Sequence[Case], prepare: Callable[[Path], Rank]) -> None:
    """Print hit@1, hit@5, the mean reciprocal rank and the milliseconds of a question."""
    show(name, places(rows, prepare))


def places(rows: Sequence[Case], prepare: Callable[[Path], Rank]) -> list[tuple[int, float]]:
    """Of each question the place of the first right function (0: not found), and seconds."""
    ready: dict[Path, Rank] = {}
    result = []
    for row in rows:
        if row.root not in ready:
            ready[row.root] = prepare(row.root)
        begin = time.perf_counter()
        found = list(dict.fromkeys(ready[row.root](row.text)))
        seconds = time.perf_counter() - begin
        result.append((next((n for n, key in enumerate(found, 1) if key in row.gold), 0), seconds))
    return result


def show(name: str, found: Sequence[tuple[int, float]]) -> None:
    """A line of the table."""
    first, five = (sum(0 < place <= most for place, _ in found) for most in (1, 5))
    mrr = sum(1 / place for place, _ in found if place) / len(found)
    seconds = sum(each for _, each in found) / len(found)
    print(f"{name:<44} {first:>6} {five:>6} {mrr:>6.3f} {1000 * seconds:>6.1f}", flush=True)


def ours(root: Path, cache: Path, embedder: Embedder | None) -> Rank:
    """The search of the server, for functions and methods."""
    search = CodeSearch(root, cache, lambda: embedder)
    search.index()

    def rank(text: str) -> list[Key]:
        found = search.search(text, 100, lambda row: row.kind in FUNCTIONS)
        return [(hit.row.path, hit.row.qualified) for hit in found.hits]

    return rank


def plain(root: Path) -> Rank:
    """BM25 over words of paths, names and texts of functions, split by case and underscore."""
    with tempfile.TemporaryDirectory() as cache, Index(root, Path(cache)) as index:
        index.refresh()
        rows = [row for row in _all(index) if row.kind in FUNCTIONS]
    texts = [_split(f"{row.path} {row.qualified} {source_of(root, row)}") for row in rows]
    counts = [Counter(text) for text in texts]
    known = Counter(word for count in counts for word in count)
    mean = sum(map(len, texts)) / len(texts)

    def rank(text: str) -> list[Key]:
        asked = Counter(_split(text))
        scores = []
        for row, count, words in zip(rows, counts, texts, strict=True):
            score = 0.0
            for word in asked.keys() & count.keys():
                idf = math.log(1 + (len(rows) - known[word] + 0.5) / (known[word] + 0.5))
                tf = count[word]
                score += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(words) / mean))
            scores.append((-score, row.path, row.qualified))
        return [(path, name) for _, path, name in sorted(scores)[:100]]

    return rank


def speed(base: Path) -> None:
    """Index many files, look again, ask, change one file."""
    root = base / "many"
    size = copy_many(root)
    search = CodeSearch(root, base / "cache")
    print(f"\n{MANY:,} Python files of installed libraries, {size / 1e6:.1f} MB")
    with clock("index"):
        search.index()
    with clock("look again, nothing changed"):
        search.index()
    with Index(search.root, base / "cache") as index:
        index.refresh()
        times = []
        texts = [
            "parse the url of a proxy",
            "get_event_loop",
            *(q["query"] for q in _lines(QUESTIONS)),
        ]
        for text in texts:
            begin = time.perf_counter()
            ask(index.store, read_query(text), 10)
            times.append(time.perf_counter() - begin)
        times.sort()
        print(f"{'a question, median':<30} {1000 * times[len(times) // 2]:8.1f} ms")
        print(f"{'a question, slowest':<30} {1000 * times[-1]:8.1f} ms")
        print(f"{'the index':<30} {index.store.path.stat().st_size / 1e6:8.1f} MB")
    (root / "new.py").write_text("def quokka_habitat():\n    return 1\n", "utf-8")
    with clock("look and ask after a change"):
        found = search.search("quokka habitat", 1)
    assert found.hits[0].row.name == "quokka_habitat"


def copy_many(root: Path) -> int:
    """Copy the first files of the installed libraries; how many bytes they have."""
    site = Path(sysconfig.get_path("purelib"))
    size = 0
    files = (path for path in sorted(site.rglob("*.py")) if path.stat().st_size <= LARGEST_FILE)
    for path in islice(files, MANY):
        copy = root / path.relative_to(site)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        size += copy.stat().st_size
    return size


@contextmanager
def clock(name: str) -> Iterator[None]:
    begin, before = time.perf_counter(), time.process_time()
    yield
    wall, own_time = time.perf_counter() - begin, time.process_time() - before
    print(f"{name:<30} {wall:8.2f} s  (this process {own_time:.2f} s)")


def _all(index: Index) -> Iterator[Row]:
    for path in index.store.entries():
        yield from index.store.in_file(path)


def _split(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)]


def _gold(row: dict[str, Any]) -> frozenset[Key]:
    return frozenset(
        (path, name) for path, names in row["gold_functions"].items() for name in names
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
