"""Words of code: an identifier is itself, and the words it is made of."""

from __future__ import annotations

import re

WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+|\d+")
LONGEST = 60  # letters of a word; more is data


def parts(word: str) -> list[str]:
    """``readHTTPFile_2`` -> read, http, file; single letters and digits say nothing."""
    return [part.lower() for part in _PART.findall(word) if len(part) > 1]


class Splitter:
    """Makes the text that goes into an index of words; remembers words, which come again."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def text(self, source: str) -> str:
        """Every identifier of `source`, each followed by its words where it has several."""
        known = self._known
        return " ".join(
            [known.get(word) or self._learn(word) for word in WORD.findall(source)]
        ).strip()

    def _learn(self, word: str) -> str:
        if len(word) > LONGEST:
            text = " "
        else:
            pieces = parts(word)
            text = word if len(pieces) < 2 and "_" not in word else " ".join([word, *pieces])
        if len(self._known) < 200_000:
            self._known[word] = text
        return text
