"""How close together the words of a question stand in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.session.words import split

STEM_WORTH = 0.8  # of a word with another ending, against the word itself
FAR = 40  # words between two terms; further apart is all the same
GAP_COST = 0.5  # at that distance
ORDER_WORTH = 0.25  # for terms in the order of the question
_WORD = re.compile(r"[^\W_]+")


def closeness(text: str, terms: Sequence[str]) -> float:
    """The best of its lines: about one for each term, less where they stand far apart."""
    stems = [(term, term[: max(3, len(term) - 2)]) for term in terms]
    best = 0.0
    for line in text.split("\n"):
        low = line.lower()
        if sum(stem in low for _, stem in stems) > best - 1:
            best = max(best, _of_line(line, stems))
    return best


def _of_line(line: str, stems: Sequence[tuple[str, str]]) -> float:
    places: list[int] = []
    worth = 0.0
    words = [word.lower() for word in _WORD.findall(split(line))]
    for term, stem in stems:
        if term in words:
            worth += 1.0
            places.append(words.index(term))
        else:
            place = next((i for i, word in enumerate(words) if word.startswith(stem)), -1)
            worth += STEM_WORTH if place >= 0 else 0.0
            places += [place] if place >= 0 else []
    if len(places) < 2:
        return worth
    gap = max(places) - min(places) + 1 - len(places)
    in_order = ORDER_WORTH if places == sorted(places) else 0.0
    return worth + in_order - GAP_COST * min(max(gap, 0), FAR) / FAR
