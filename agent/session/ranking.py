"""Which entries of an index say most about a question.

Rankings by bm25 are merged by their ranks. Of the best, those come first that say it on one line:
in a long session every word of a question stands in many pieces, but seldom with the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.session.closeness import closeness
from agent.session.words import Query, excerpt, gist, quoted, terms_in

LOOKED_AT = 400  # pieces of each ranking that take part; many may say the same
NEAR_WORDS = 12  # between the first and the last word of a question that stand together
NEAR_TERMS = 8  # a longer question is not said on one line
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
    found = sorted(scores, key=lambda piece: (-scores[piece], piece))
    hits: dict[str, Hit] = {}
    again: dict[str, Hit] = {}
    gists: set[str] = set()
    for piece in _closest_first(database, found, query.terms):
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


def _closest_first(
    database: sqlite3.Connection, found: Sequence[int], terms: Sequence[str]
) -> list[int]:
    """The pieces again, those first that have more of the terms closer together."""
    close = {}
    for piece in found:
        (text,) = database.execute("SELECT text FROM pieces WHERE id = ?", (piece,)).fetchone()
        close[piece] = closeness(text, terms)
    return sorted(found, key=lambda piece: -close[piece])


def _rankings(database: sqlite3.Connection, query: Query) -> Iterator[list[int]]:
    if query.any_of:
        yield _ranked(database, "words", query.any_of)
    if query.all_of:
        yield _ranked(database, "words", query.all_of)
    if 1 < len(query.terms) <= NEAR_TERMS:
        near = " ".join(map(quoted, query.terms))
        yield _ranked(database, "words", f"NEAR({near}, {NEAR_WORDS})")
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
