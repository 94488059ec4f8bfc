"""Definitions whose own name a question spells out in plain words."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_servers.code_search.store import Row
from mcp_servers.code_search.words import parts

# Longest first; what is left must still be a word.
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "er", "s", "e", "y")
_SHORTEST = 3
HALF = 0.5  # of a name's words; a name of which less is said is not meant
MOST = 1.5  # that one word of the question counts


def spelled(
    rows: Mapping[int, Row], terms: Mapping[str, float], telling: Mapping[str, float]
) -> dict[int, float]:
    """How much of the question is in each name, times how much of the name is in the question:
    ``follow_redirects`` is what "where are redirects followed" asks for, ``redirect_url`` less.

    `terms` are the question's words with their weights, `telling` says how much each says.
    """
    known: dict[str, float] = {}
    for term, weight in terms.items():
        root = stem(term)
        known[root] = max(known.get(root, 0.0), min(MOST, weight) * telling.get(term, 0.0))
    scores: dict[int, float] = {}
    for number, row in rows.items():
        found = [known.get(stem(part), 0.0) for part in parts(row.name)]
        share = sum(each > 0 for each in found) / max(1, len(found))
        if share >= HALF:
            scores[number] = sum(found) * share
    return scores


def stem(word: str) -> str:
    """A word without its ending, much as the index has it; equal for forms of one word."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > _SHORTEST and word[-1] == word[-2] else word
