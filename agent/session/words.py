"""Texts in pieces for a full-text index, questions as its queries, and excerpts of what was found.

The index has two tables, which see different things. `words` (tokens of Unicode, English endings
off) finds natural language; an identifier is several words there, split where its case changes and
at its underscores. `grams` (three characters each) finds identifiers and other texts as they are
written, and parts of words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A fact stands in a few lines; in long pieces other words outweigh it.
PIECE_CHARS = 1_200
EXCERPT_CHARS = 300
MOST_TERMS = 32
_TERM = re.compile(r"[^\W_](?:[\w.:/@+#-]*[\w+#])?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HUMPED = re.compile(r"[A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*|[A-Z]{2,}[a-z][A-Za-z0-9]*")
_WORD = re.compile(r"[^\W_]+")
_COMMON_WORDS = (
    "a about all also an and any are as at be been but by can could did do does for from had has "
    "have how i if in into is it its me my of on or our please should so that the their them then "
    "there these they this to us was we were what when where which who whom whose why will with "
    "would you your"
)
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True)
class Query:
    """Expressions of FTS5, each '' when there is nothing to look for.

    `any_of` and `all_of` are for `words`, each of `exact` is for `grams`. `terms` are the words of
    the question in small letters, `singles` an expression of `words` and of `grams` for each.
    """

    any_of: str
    all_of: str
    exact: tuple[str, ...]
    terms: tuple[str, ...]
    singles: tuple[tuple[str, str], ...]


def read_query(text: str) -> Query:
    """What to look for; nothing in `text` is syntax."""
    found = list(dict.fromkeys(_TERM.findall(text)))[:MOST_TERMS]
    telling = [term for term in found if term.lower() not in _COMMON] or found
    singles = [(_word_expression(term), quoted(term) if len(term) >= 3 else "") for term in telling]
    exact = [quoted(term) for term in telling if is_identifier(term) and len(term) >= 3]
    words = [single for single, _ in singles]
    parts = [part for term in telling if is_identifier(term) for part in _WORD.findall(split(term))]
    loose = [quoted(part) for part in dict.fromkeys(parts) if part.lower() not in _COMMON]
    return Query(
        any_of=" OR ".join(dict.fromkeys([*words, *loose])),
        all_of=" AND ".join(f"({word})" for word in words) if len(words) > 1 else "",
        exact=tuple(exact),
        terms=tuple(dict.fromkeys(w.lower() for t in telling for w in _WORD.findall(split(t)))),
        singles=tuple(singles),
    )


def is_identifier(term: str) -> bool:
    """Whether a term is written in a way that tells: get_name, getName, v2, a/b.py, ERR_1."""
    return not term.isalpha() or bool(_HUMP.search(term))


def split(text: str) -> str:
    """`text` with its camelCase names taken apart."""
    return _HUMP.sub(" ", text)


def humps(text: str) -> str:
    """The camelCase names in `text`, taken apart; what `words` cannot see by itself."""
    return " ".join(split(name) for name in dict.fromkeys(_HUMPED.findall(text)))


def _word_expression(term: str) -> str:
    whole, apart = quoted(term), quoted(split(term))
    return whole if whole == apart else f"{whole} OR {apart}"


def quoted(text: str) -> str:
    """A string of FTS5: its tokens have to stand behind one another."""
    return '"' + text.replace('"', '""') + '"'


def pieces(text: str) -> list[tuple[int, str]]:
    """`text` cut at line ends, each piece with the number of its first line, counted from 1.

    Their texts add up to `text`. A line that is too long is cut inside.
    """
    found: list[tuple[int, str]] = []
    lines: list[str] = []
    first, size, number = 1, 0, 1
    for line in text.splitlines(keepends=True) if text else []:
        if lines and size + len(line) > PIECE_CHARS:
            found.append((first, "".join(lines)))
            first, lines, size = number, [], 0
        while len(line) > PIECE_CHARS:
            found.append((number, line[:PIECE_CHARS]))
            line = line[PIECE_CHARS:]
        lines.append(line)
        size += len(line)
        # As split("\n") counts: form feeds and the like end no line.
        number += line.endswith("\n")
    if lines:
        found.append((first, "".join(lines)))
    return found


def excerpt(text: str, terms: tuple[str, ...], most: int = EXCERPT_CHARS) -> tuple[int, str]:
    """The lines of a piece that have most of the terms, and how many lines stand above them."""
    lines = text.split("\n")
    stems = _stems(terms)
    best = _best_line(lines, stems)
    start = end = best
    size = len(lines[best])
    while True:
        above = start > 0 and size + len(lines[start - 1]) <= most
        below = end + 1 < len(lines) and size + len(lines[end + 1]) <= most
        if not above and not below:
            break
        if above and (not below or best - start < end - best):
            start -= 1
            size += len(lines[start]) + 1
        else:
            end += 1
            size += len(lines[end]) + 1
    shown = "\n".join(lines[start : end + 1])
    if len(shown) > most:
        shown = _around(shown, stems, most)
    lead = len(shown) - len(shown.lstrip("\n"))
    return start + lead, shown.strip("\n")


def gist(snippet: str, terms: tuple[str, ...]) -> str:
    """What an excerpt says to a question; equal for a line that a program prints again and again.

    The words between the first and the last term of the best line when it has several of them.
    """
    lines = snippet.lower().split("\n")
    stems = _stems(terms)
    line = lines[_best_line(lines, stems)]
    places = [line.find(stem) for stem in stems if stem in line]
    if len(places) < 3:
        return " ".join(snippet.lower().split())
    return " ".join(line[min(places) : max(places)].split())


def terms_in(text: str, terms: tuple[str, ...]) -> int:
    """How many of the terms a text has, their endings aside."""
    low = text.lower()
    return sum(stem in low for stem in _stems(terms))


def _stems(terms: tuple[str, ...]) -> list[str]:
    return [term[: max(3, len(term) - 2)] for term in terms]


def _best_line(lines: list[str], stems: list[str]) -> int:
    scores = [sum(stem in line.lower() for stem in stems) for line in lines]
    return max(range(len(lines)), key=lambda i: (scores[i], -i))


def _around(line: str, stems: list[str], most: int) -> str:
    """A piece of a long line around the first term in it."""
    low = line.lower()
    found = [low.find(stem) for stem in stems if stem in low]
    start = max(0, min(min(found, default=0) - most // 3, len(line) - most))
    end = start + most
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
