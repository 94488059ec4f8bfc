"""Which chunks answer a question: several rankings, merged by reciprocal rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mcp_servers.code_search.chunks import FUNCTIONS, TYPES
from mcp_servers.code_search.evidence import (
    SURE,
    Run,
    Scores,
    by_names,
    by_phrases,
    by_size,
    by_words,
    in_named_files,
    strongest,
)
from mcp_servers.code_search.naming import spelled
from mcp_servers.code_search.neighbours import by_file, callers, members, near
from mcp_servers.code_search.query import Query
from mcp_servers.code_search.store import IndexStore, Row
from tools.code.naming import is_test

POOL = 150  # candidates of a ranking
K = 10.0
# How much a ranking counts.
LISTS = {"evidence": 1.0, "rank": 0.08, "meaning": 0.2}
# Folders of code that others wrote, by custom.
VENDORS = frozenset(
    {"vendor", "_vendor", "vendored", "_vendored", "third_party", "thirdparty", "third-party",
     "extern", "externals", "external", "node_modules", "bundled"}
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence counts beside 1 for the best words, and what the kind of a
    chunk takes away. ``size``: BM25 is fond of short texts; what is long has more mistakes in it.
    """

    evidence: Mapping[str, float]
    size: float
    test: float
    vendored: float
    inner: float


# A question is about what a function is for, a report about where a mistake is: it names what was
# called, says much that is beside the point, and the place is found by what stands around it.
QUESTION = Weights(
    {"title": 0.1, "spelled": 0.3, "names": 0.6, "phrases": 0.5, "paths": 0.6, "near": 0.2,
     "callers": 0.25},
    size=0.15, test=0.3, vendored=0.7, inner=0.8,
)  # fmt: skip
REPORT = Weights(
    {"title": 0.2, "spelled": 0.2, "names": 0.6, "phrases": 1.0, "paths": 0.5, "near": 0.2,
     "callers": 0.25, "members": 0.25, "file": 0.3},
    size=0.2, test=0.3, vendored=0.7, inner=1.0,
)  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """A chunk, its score (only comparable within one search) and why it is there."""

    row: Row
    score: float
    why: tuple[str, ...] = ()


def search(
    store: IndexStore,
    query: Query,
    limit: int,
    meaning: Sequence[tuple[int, float]] = (),
    wanted: Callable[[Row], bool] | None = None,
) -> list[Hit]:
    """The best chunks. `meaning` are chunks by the likeness of their vectors, best first;
    `wanted` says which are looked for."""
    with store.reading():  # another process may replace chunks meanwhile
        run = Run(store, query)
        weights = REPORT if query.report else QUESTION
        evidence = _evidence(run, weights, [number for number, _ in meaning])
        pool = sorted(evidence, key=lambda i: -evidence[i])[:POOL]
        lists = {
            "evidence": {i: evidence[i] for i in pool},
            "rank": store.ranks(pool) if pool else {},
            "meaning": dict(meaning),
        }
        merged = merge(lists, run.rows)
        tests = "test" in query.terms or "tests" in query.terms
        for number in merged:
            merged[number] *= _factor(run, weights, run.rows[number], tests)
    order = sorted(merged, key=lambda i: (-merged[i], i))
    found = [i for i in order if wanted is None or wanted(run.rows[i])][:limit]
    words = _words_in(run, found)
    return [Hit(run.rows[i], merged[i], _why(run, i, words[i])) for i in found]


def _evidence(run: Run, weights: Weights, others: Sequence[int]) -> Scores:
    """What speaks for each chunk, all in one number; `others` are loaded too.

    Summed and not merged by ranks: these rankings are of the same words, and what is named
    clearly should win clearly.
    """
    total = run.store.count()
    words = by_words(run, run.query.terms, total)
    found = {
        "words": strongest(words),
        "title": strongest(by_words(run, run.query.in_title, total)),
        "names": by_names(run),
        "phrases": by_phrases(run),
    }
    run.load([*(i for scores in found.values() for i in scores), *others])
    for name in ("words", "title"):
        found[name] = by_size(run, found[name], weights.size)
    rows = {number: run.rows[number] for number in found["words"]}
    telling = {term: math.log(1 + total / max(1, n)) for term, n in run.counted.items()}
    found["spelled"] = spelled(rows, run.query.terms, telling)
    found["paths"] = in_named_files(run, words)
    found["near"] = near(run, found["words"], found["names"])
    found["callers"] = callers(run, found["words"], found["names"])
    found["members"] = members(run, found["words"], found["names"])
    found["file"] = by_file(run, found["words"])
    return _weigh(found, weights.evidence)


def merge(lists: Mapping[str, Scores], rows: Mapping[int, Row]) -> Scores:
    """Sum of weight / (K + place) over the rankings; of definitions with one name (overloads)
    the longest one stands for all."""
    longest: dict[tuple[str, str], Row] = {}
    for row in rows.values():
        known = longest.setdefault((row.path, row.qualified), row)
        if (row.last_line - row.first_line, row.id) > (
            known.last_line - known.first_line,
            known.id,
        ):
            longest[row.path, row.qualified] = row
    merged: Scores = {}
    for name, scores in lists.items():
        best: Scores = {}
        for number, score in scores.items():
            if number in rows:
                first = longest[rows[number].path, rows[number].qualified].id
                best[first] = max(score, best.get(first, 0.0))
        for place, number in enumerate(sorted(best, key=lambda i: (-best[i], i))):
            merged[number] = merged.get(number, 0.0) + LISTS[name] / (K + place)
    return merged


def _weigh(found: Mapping[str, Scores], weights: Mapping[str, float]) -> Scores:
    """All evidence of a chunk in one number. Words are measured by the best one; of the others
    some have a scale of their own, on which all of them can be weak."""
    total: Scores = {}
    for name, scores in found.items():
        top = max(scores.values(), default=0.0)
        if name in ("names", "phrases", "callers", "members"):
            top = max(top, SURE)
        weight = 1.0 if name == "words" else weights.get(name, 0.0)
        for number, score in scores.items():
            total[number] = total.get(number, 0.0) + weight * score / (top or 1.0)
    return total


def _factor(run: Run, weights: Weights, row: Row, tests: bool) -> float:
    """How likely a chunk of this kind is what is looked for."""
    factor = 1.0 if row.kind in FUNCTIONS else 0.9 if row.kind in TYPES else 0.6
    if not tests and is_test(row.path):
        factor *= weights.test
    if _is_vendored(run, row.path):
        factor *= weights.vendored
    if row.inner:
        factor *= weights.inner
    return factor


def _is_vendored(run: Run, path: str) -> bool:
    folders = path.split("/")[:-1]
    if not VENDORS.isdisjoint(folder.lower() for folder in folders):
        return True
    # In Python; elsewhere `packages` are the project's own.
    if "packages" not in folders[1:]:
        return False
    above = "/".join(folders[: folders.index("packages", 1) + 1])
    if above not in run.packages:
        run.packages[above] = run.store.has_file(f"{above}/__init__.py")
    return run.packages[above]


def _words_in(run: Run, ids: Sequence[int]) -> dict[int, list[str]]:
    """Which words of the question each chunk has, those that say most first."""
    words: dict[int, list[str]] = {i: [] for i in ids}
    for term, matches in run.matches.items():
        for number in words.keys() & {number for number, _ in matches}:
            words[number].append(term)
    return words


def _why(run: Run, number: int, words: Sequence[str]) -> tuple[str, ...]:
    reasons = list(dict.fromkeys(run.why.get(number, ())))[:2]
    return (*reasons, *([f"words: {', '.join(words[:6])}"] if words else ()))
