"""Which entries of an index say most about a question: rankings by bm25, merged by their ranks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from agent.session.words import Query, excerpt, gist, terms_in

LOOKED_AT = 400  # pieces of each ranking that take part; many may say the same
RANK_OFFSET = 60  # of reciprocal rank fusion, as in its paper (Cormack and others, 2009)


@dataclass(frozen=True)
class Hit:
    """One entry that was found: `snippet` begins at line `line` of its text.

    More `score` is better, within one session; `terms` counts the words of the question that the
    piece around the snippet has, which compares between sessions too.
    """

    handle: str
    kind: str
    snippet: str
    score: float
    line: int = 1
    name: str = ""
    path: str = ""
    terms: int = 0


def search(database: sqlite3.Connection, query: Query, limit: int) -> list[Hit]:
    """The entries that say most about the query, the best first."""
    scores: dict[int, float] = {}
    for ranking in _rankings(database, query):
        for rank, piece in enumerate(ranking):
            scores[piece] = scores.get(piece, 0.0) + 1.0 / (RANK_OFFSET + rank)
    hits: dict[str, Hit] = {}
    again: dict[str, Hit] = {}
    gists: set[str] = set()
    for piece in sorted(scores, key=lambda piece: (-scores[piece], piece)):
        hit = _hit(database, piece, query, scores[piece])
        point = gist(hit.snippet, query.terms)
        # What says the same in the same words comes behind all that says something else.
        place = again if point in gists else hits
        if hit.handle not in hits:
            place.setdefault(hit.handle, hit)
        gists.add(point)
        if len(hits) >= limit:
            break
    return list((hits | {h: hit for h, hit in again.items() if h not in hits}).values())[:limit]


def _rankings(database: sqlite3.Connection, query: Query) -> Iterator[list[int]]:
    if query.any_of:
        yield _ranked(database, "words", query.any_of)
    if query.all_of:
        yield _ranked(database, "words", query.all_of)
    # A part of a word is no word: such terms are looked for as they are written.
    parts = [g for w, g in query.singles if g and not _ranked(database, "words", w, 1)]
    exact = " OR ".join(dict.fromkeys([*query.exact, *parts]))
    if exact:
        yield _ranked(database, "grams", exact)


def _ranked(
    database: sqlite3.Connection, table: str, expression: str, most: int = LOOKED_AT
) -> list[int]:
    """Pieces by bm25, the best first."""
    rows = database.execute(
        f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rank LIMIT ?",
        (expression, most),
    )
    return [row[0] for row in rows]


def _hit(database: sqlite3.Connection, piece: int, query: Query, score: float) -> Hit:
    line, text, handle, kind, name, path = database.execute(
        "SELECT line, pieces.text, handle, kind, name, path FROM pieces "
        "JOIN entries ON entries.number = pieces.entry WHERE pieces.id = ?",
        (piece,),
    ).fetchone()
    above, snippet = excerpt(text, query.terms)
    terms = terms_in(text, query.terms)
    return Hit(handle, kind, snippet, score, line + above, name, path, terms)
