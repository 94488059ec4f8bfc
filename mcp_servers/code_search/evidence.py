"""What speaks for a chunk in the words of a question: its words, its names, its messages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from mcp_servers.code_search.chunks import DOCUMENTS, FUNCTIONS, TYPES
from mcp_servers.code_search.query import TITLE, Query
from mcp_servers.code_search.store import IndexStore, Row
from mcp_servers.code_search.words import WORD

MOST_TERMS = 25  # those that say most; the rest of a long report is noise
MOST_MATCHES = 600  # of one word; a better match has more of it
MOST_DEFINERS = 12  # of one name; what more define says nothing
MOST_PATHS = 20  # of files that a question names
LOOKED_AT = 400  # of the chunks that have the words
EVERYWHERE = 0.4  # of all chunks: a word in more of them says nothing
# A score of names that is sure; less sure ones count less.
SURE = 3.0
NAMESAKE = 1.5  # of a variable that is called as a type or a module
Scores = dict[int, float]


@dataclass
class Run:
    """One question to one index, and what was read of it."""

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


def strongest(scores: Scores) -> Scores:
    return dict(nlargest(LOOKED_AT, scores.items(), key=lambda pair: pair[1]))


def by_words(run: Run, terms: Mapping[str, float], total: int) -> Scores:
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


def by_size(run: Run, scores: Scores, power: float) -> Scores:
    """Scores of words, times a power of how many lines a chunk has."""
    sizes = {i: run.rows[i].last_line - run.rows[i].first_line for i in scores if i in run.rows}
    return {i: scores[i] * min(100, 3 + size) ** power for i, size in sizes.items()}


def in_named_files(run: Run, words: Scores) -> Scores:
    """What the words say, of files that the question names."""
    asked = {path.lstrip("./") for path in run.query.paths[:MOST_PATHS]}
    scores: Scores = {}
    for path in run.store.ending(sorted(asked), MOST_PATHS):
        for row in run.store.in_file(path):
            if row.id in words:
                run.rows[row.id] = row
                scores[row.id] = words[row.id]
    return scores


def by_names(run: Run) -> Scores:
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


def _frames(run: Run, found: Mapping[str, list[Row]], scores: Scores) -> None:
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


def by_phrases(run: Run) -> Scores:
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
