"""What speaks for a chunk in what stands around it: its file, its type, uses both ways."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

from mcp_servers.code_search.chunks import FUNCTIONS, TYPES
from mcp_servers.code_search.evidence import Run, Scores
from mcp_servers.code_search.store import Row

SPREAD = 15  # whose neighbours are looked at
CALLERS = 150  # of the chunks with the best words
NAMED = 12  # of the names that are surest
IN_FILE = 8  # of a file's chunks, those with the best words


def near(run: Run, words: Scores, names: Scores) -> Scores:
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
    gains: Scores = {}
    top = max(words.values(), default=1.0)
    for number in chosen:
        for name in uses.get(number, ()):
            same = rows.get(name, [])
            for row in _members(run, same) if len(same) <= 3 else ():
                gain = best[number] / len(same) * (words.get(row.id, 0.0) / top + 0.1)
                if row.id == number or gain <= gains.get(row.id, 0.0):
                    continue
                run.rows[row.id] = row
                gains[row.id] = gain
                if words.get(row.id, 0.0) < 0.3 * top:
                    run.why.setdefault(row.id, []).append(f"used by {run.rows[number].qualified}")
    return gains


def _members(run: Run, rows: Sequence[Row]) -> list[Row]:
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


def callers(run: Run, words: Scores, names: Scores) -> Scores:
    """What uses a definition that is named: the mistake may be in how it is used."""
    sure = nlargest(NAMED, names, key=lambda i: (names[i], -i))
    asked = {run.rows[i].name: names[i] for i in reversed(sure)}
    chosen = nlargest(CALLERS, words, key=lambda i: (words[i], -i)) if asked else []
    scores: Scores = {}
    for number, used in (run.store.uses(chosen) if chosen else {}).items():
        called = asked.keys() & set(used) - {run.rows[number].name}
        if called:
            scores[number] = sum(asked[name] for name in called)
    return scores


def members(run: Run, words: Scores, names: Scores) -> Scores:
    """The methods of a type that is named, of those that have words of the question."""
    scores: Scores = {}
    for number, score in names.items():
        if run.rows[number].kind in TYPES:
            for row in _members(run, [run.rows[number]]):
                if row.id in words:
                    scores[row.id] = max(score, scores.get(row.id, 0.0))
    return scores


def by_file(run: Run, words: Scores) -> Scores:
    """How much of the question is in a file, for every chunk that has some of it."""
    found: dict[str, list[float]] = {}
    for number, score in words.items():
        found.setdefault(run.rows[number].path, []).append(score)
    sums = {path: sum(nlargest(IN_FILE, scores)) for path, scores in found.items()}
    return {number: sums[run.rows[number].path] for number in words}
