"""Which chunks answer a question: several rankings, merged by reciprocal rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from mcp_servers.code_search.chunks import DOCUMENTS, FUNCTIONS, TYPES
from mcp_servers.code_search.naming import spelled
from mcp_servers.code_search.query import TITLE, Query
from mcp_servers.code_search.store import IndexStore, Row
from mcp_servers.code_search.words import WORD
from tools.code.naming import is_test

MOST_TERMS = 30
MOST_MATCHES = 600  # of one word; a better match has more of it
MOST_DEFINERS = 12  # of one name; what more define says nothing
POOL = 150  # candidates of a ranking
MOST_PATHS = 20  # of files that a question names
LOOKED_AT = 400  # of the chunks that have the words
SPREAD = 15  # whose neighbours are looked at
EVERYWHERE = 0.4  # of all chunks: a word in more of them says nothing
SIZE = 0.15  # BM25 is fond of short texts; what is long has more mistakes in it
VENDORED, TEST, INNER = 0.7, 0.5, 0.6
K = 10.0
# A score of names that is sure; less sure ones count less.
SURE = 3.0
NAMESAKE = 1.5  # of a variable that is called as a type or a module
# What a definition gets for each kind of evidence, beside 1 for the one with the best words.
EVIDENCE = {
    "title": 0.1, "spelled": 0.3, "names": 0.6, "phrases": 0.5, "paths": 0.6, "near": 0.2,
}  # fmt: skip
# How much a ranking counts.
LISTS = {"evidence": 1.0, "rank": 0.08, "meaning": 0.2}
# Folders of code that others wrote, by custom.
VENDORS = frozenset(
    {"vendor", "_vendor", "vendored", "_vendored", "third_party", "thirdparty", "third-party",
     "extern", "externals", "external", "node_modules", "bundled"}
)  # fmt: skip
Scores = dict[int, float]


@dataclass(frozen=True)
class Hit:
    """A chunk, its score (only comparable within one search) and why it is there."""

    row: Row
    score: float
    why: tuple[str, ...] = ()


@dataclass
class _Search:
    store: IndexStore
    query: Query
    rows: dict[int, Row] = field(default_factory=dict)
    why: dict[int, list[str]] = field(default_factory=dict)
    files: dict[str, list[Row]] = field(default_factory=dict)
    packages: dict[str, bool] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    matches: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def frequency(self, term: str) -> int:
        if term not in self.counted:
            self.counted[term] = self.store.frequency(term)
        return self.counted[term]

    def load(self, ids: Sequence[int]) -> None:
        missing = [each for each in ids if each not in self.rows]
        for begin in range(0, len(missing), 500):
            self.rows.update(self.store.rows(missing[begin : begin + 500]))


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
        run = _Search(store, query)
        evidence = _evidence(run, [number for number, _ in meaning])
        pool = sorted(evidence, key=lambda i: -evidence[i])[:POOL]
        lists = {
            "evidence": {i: evidence[i] for i in pool},
            "rank": store.ranks(pool) if pool else {},
            "meaning": dict(meaning),
        }
        merged = merge(lists, run.rows)
        tests = "test" in query.terms or "tests" in query.terms
        for number in merged:
            merged[number] *= _factor(run, run.rows[number], tests)
    order = sorted(merged, key=lambda i: (-merged[i], i))
    found = [i for i in order if wanted is None or wanted(run.rows[i])][:limit]
    words = _words_in(run, found)
    return [Hit(run.rows[i], merged[i], _why(run, i, words[i])) for i in found]


def _evidence(run: _Search, others: Sequence[int]) -> Scores:
    """What speaks for each chunk, all in one number; `others` are loaded too.

    Summed and not merged by ranks: these rankings are of the same words, and what is named
    clearly should win clearly.
    """
    total = run.store.count()
    words = _by_words(run, run.query.terms, total)
    found = {
        "words": _best(words),
        "title": _best(_by_words(run, run.query.in_title, total)),
        "names": _by_names(run),
        "phrases": _by_phrases(run),
    }
    run.load([*(i for scores in found.values() for i in scores), *others])
    for name in ("words", "title"):
        found[name] = _by_size(run, {i: s for i, s in found[name].items() if i in run.rows})
    rows = {number: run.rows[number] for number in found["words"]}
    telling = {term: math.log(1 + total / max(1, n)) for term, n in run.counted.items()}
    found["spelled"] = spelled(rows, run.query.terms, telling)
    found["paths"] = _in_named_files(run, words)
    found["near"] = _near(run, found["words"], found["names"])
    return _weigh(found)


def _best(scores: Scores) -> Scores:
    return dict(nlargest(LOOKED_AT, scores.items(), key=lambda pair: pair[1]))


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


def _weigh(found: Mapping[str, Scores]) -> Scores:
    """All evidence of a chunk in one number. Words are measured by the best one; of the others
    some have a scale of their own, on which all of them can be weak."""
    total: Scores = {}
    for name, scores in found.items():
        top = max(scores.values(), default=0.0)
        if name in ("names", "phrases"):
            top = max(top, SURE)
        for number, score in scores.items():
            total[number] = total.get(number, 0.0) + EVIDENCE.get(name, 1.0) * score / (top or 1.0)
    return total


def _by_words(run: _Search, terms: Mapping[str, float], total: int) -> Scores:
    """BM25 over all fields, each word with its weight."""
    counted = {term: run.frequency(term) for term in terms}
    known = {term: count for term, count in counted.items() if count}
    rare = {term for term, count in known.items() if count <= max(3, EVERYWHERE * total)}
    telling = {term: terms[term] * math.log(1 + total / known[term]) for term in rare or known}
    scores: Scores = {}
    for term in sorted(telling, key=lambda t: (-telling[t], t))[:MOST_TERMS]:
        if term not in run.matches:
            run.matches[term] = run.store.matches(term, MOST_MATCHES)
        weight = terms[term]
        for number, score in run.matches[term]:
            scores[number] = scores.get(number, 0.0) + weight * score
    return scores


def _by_size(run: _Search, scores: Scores) -> Scores:
    sizes = {i: run.rows[i].last_line - run.rows[i].first_line for i in scores}
    return {i: score * min(100, 3 + sizes[i]) ** SIZE for i, score in scores.items()}


def _in_named_files(run: _Search, words: Scores) -> Scores:
    """What the words say, of files that the question names."""
    asked = {path.lstrip("./") for path in run.query.paths[:MOST_PATHS]}
    scores: Scores = {}
    for path in run.store.ending(sorted(asked), MOST_PATHS):
        for row in run.store.in_file(path):
            if row.id in words:
                run.rows[row.id] = row
                scores[row.id] = words[row.id]
    return scores


def _by_names(run: _Search) -> Scores:
    """Definitions that the question names: in a traceback, by a dotted name, by name."""
    scores: Scores = {}
    lasts = {name.rpartition(".")[2].lower() for name in run.query.names}
    lasts |= {frame.name.lower() for frame in run.query.frames}
    found: dict[str, list[Row]] = {}
    for row in run.store.named(sorted(lasts)[:200]) if lasts else []:
        run.rows[row.id] = row
        if row.kind not in DOCUMENTS:
            found.setdefault(row.name.lower(), []).append(row)
    sure = SURE / TITLE if run.query.short else 1.0
    for name, weight in run.query.names.items():
        before, _, last = name.rpartition(".")
        rows = found.get(last.lower(), [])
        definers = sum(row.kind in FUNCTIONS | TYPES for row in rows) or len(rows)
        for row in rows:
            fits = _fits(row, before, last)
            if fits < 2 and definers > MOST_DEFINERS:
                continue
            score = sure * weight * fits / math.sqrt(max(1, definers))
            if score > scores.get(row.id, 0.0):
                scores[row.id] = score
                run.why.setdefault(row.id, []).append(f"named {name}")
    _frames(run, found, scores)
    return scores


def _fits(row: Row, before: str, last: str) -> float:
    """How well a dotted name fits a definition: its type or its module stands before it."""
    exact = 1.0 if row.name == last else 0.7
    if not before:
        return exact
    owners = set(row.qualified.split(".")[:-1])
    asked = set(before.split("."))
    if owners & asked:
        return exact * 3.0
    stem = row.path.rpartition("/")[2].partition(".")[0]
    near = {part.lower() for part in owners} | {stem.lower()}
    return exact * (NAMESAKE if near & {part.lower() for part in asked} else 1.0)


def _frames(run: _Search, found: Mapping[str, list[Row]], scores: Scores) -> None:
    """Of a traceback: what was called last is most likely wrong."""
    known: list[list[Row]] = []
    for frame in run.query.frames:
        file = frame.path.rpartition("/")[2]
        rows = [
            row
            for row in found.get(frame.name.lower(), [])
            if row.name == frame.name and row.path.rpartition("/")[2] == file
        ]
        longest = max((_common(row.path, frame.path) for row in rows), default=0)
        rows = [row for row in rows if _common(row.path, frame.path) == longest]
        if rows:
            known.append(rows)
    for place, rows in enumerate(known, 1):
        for row in rows:
            score = (1.0 + 2.0 * place / len(known)) / len(rows)
            if score > scores.get(row.id, 0.0):
                scores[row.id] = score
                run.why.setdefault(row.id, []).append("in the traceback")


def _common(path: str, other: str) -> int:
    """How many of the last parts of two paths are the same."""
    count = 0
    for one, two in zip(reversed(path.split("/")), reversed(other.split("/")), strict=False):
        if one != two:
            break
        count += 1
    return count


def _by_phrases(run: _Search) -> Scores:
    """Three words in a row out of a message, where few chunks have them."""
    scores: Scores = {}
    asked: set[str] = set()
    for phrase in run.query.phrases[:10]:
        words = WORD.findall(phrase)[:30]
        asked |= {" ".join(words[n : n + 3]) for n in range(len(words) - 2)}
    for text in sorted(asked)[:60]:
        found = run.store.matches(text, 6)
        if len(found) > 5:
            continue
        for number, _ in found:
            scores[number] = scores.get(number, 0.0) + 1.0 / len(found)
            run.why.setdefault(number, []).append(f'has "{text}"')
    return scores


def _near(run: _Search, words: Scores, names: Scores) -> Scores:
    """What the best ones call, the more so if the question's words are in it too."""
    best: Scores = {}
    for scores in (words, names):
        top = max(scores.values(), default=0.0)
        for number, score in scores.items():
            if top and run.rows[number].kind in FUNCTIONS:
                best[number] = best.get(number, 0.0) + score / top
    chosen = sorted(best, key=lambda i: (-best[i], i))[:SPREAD]
    uses = run.store.uses(chosen) if chosen else {}
    wanted = sorted({name for names_of in uses.values() for name in names_of})
    rows: dict[str, list[Row]] = {}
    for begin in range(0, len(wanted), 400):
        for row in run.store.named(wanted[begin : begin + 400], 2_000):
            if row.kind in FUNCTIONS | TYPES:
                rows.setdefault(row.name, []).append(row)
    near: Scores = {}
    top = max(words.values(), default=1.0)
    for number in chosen:
        for name in uses.get(number, ()):
            same = rows.get(name, [])
            for row in _members(run, same) if len(same) <= 3 else ():
                gain = best[number] / len(same) * (words.get(row.id, 0.0) / top + 0.1)
                if row.id == number or gain <= near.get(row.id, 0.0):
                    continue
                run.rows[row.id] = row
                near[row.id] = gain
                if words.get(row.id, 0.0) < 0.3 * top:
                    run.why.setdefault(row.id, []).append(f"used by {run.rows[number].qualified}")
    return near


def _members(run: _Search, rows: Sequence[Row]) -> list[Row]:
    """Functions, and the methods of types."""
    found = []
    for row in rows:
        if row.kind in FUNCTIONS:
            found.append(row)
            continue
        if row.path not in run.files:
            run.files[row.path] = run.store.in_file(row.path)
        found += [
            other
            for other in run.files[row.path]
            if other.kind in FUNCTIONS and other.qualified.startswith(f"{row.qualified}.")
        ]
    return found


def _factor(run: _Search, row: Row, tests: bool) -> float:
    """How likely a chunk of this kind is what is looked for."""
    factor = 1.0 if row.kind in FUNCTIONS else 0.9 if row.kind in TYPES else 0.6
    if not tests and is_test(row.path):
        factor *= TEST
    if _is_vendored(run, row.path):
        factor *= VENDORED
    if row.inner:
        factor *= INNER
    return factor


def _is_vendored(run: _Search, path: str) -> bool:
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


def _words_in(run: _Search, ids: Sequence[int]) -> dict[int, list[str]]:
    """Which words of the question each chunk has, those that say most first."""
    words: dict[int, list[str]] = {i: [] for i in ids}
    for term, matches in run.matches.items():
        for number in words.keys() & {number for number, _ in matches}:
            words[number].append(term)
    return words


def _why(run: _Search, number: int, words: Sequence[str]) -> tuple[str, ...]:
    reasons = list(dict.fromkeys(run.why.get(number, ())))[:2]
    return (*reasons, *([f"words: {', '.join(words[:6])}"] if words else ()))
