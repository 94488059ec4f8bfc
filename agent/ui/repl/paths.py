"""Fuzzy search in paths: fast enough for 100,000 of them at every key."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence

MOST = 8


class PathIndex:
    """`paths` are relative, with forward slashes; folders are derived from them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [*_folders(paths), *paths]
        # One text that is searched by one compiled pattern beats a loop over the paths.
        self._text = "\n".join(self._paths).lower()

    def __len__(self) -> int:
        return len(self._paths)

    def find(self, query: str, most: int = MOST) -> list[str]:
        """The best matches, best first: each character of the query in order, near each other."""
        query = query.lower().lstrip("./")
        if not query:
            return [path for path in self._paths if path.count("/") <= path.endswith("/")][:most]
        narrow = self._lines(re.escape(query))
        found = narrow if len(narrow) >= most else {*narrow, *self._lines(_spread(query))}
        # Equal scores in the order of the paths.
        return heapq.nsmallest(most, found, key=lambda path: (-score(path, query), path))

    def _lines(self, pattern: str) -> list[str]:
        found: list[str] = []
        text, at, start, number = self._text, 0, 0, 0
        for match in re.finditer(pattern, text):
            if match.start() < start:
                continue  # the same line once more
            number += text.count("\n", at, match.start())
            at = match.start()
            start = text.find("\n", match.end())
            found.append(self._paths[number])
            if start < 0:
                break
        return found


def _spread(query: str) -> str:
    return "".join(f"{re.escape(c)}[^{re.escape(c)}\n]*" if n < len(query) - 1 else re.escape(c)
                   for n, c in enumerate(query))  # fmt: skip


def _folders(paths: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and f"{folder}/" not in found:
            found[f"{folder}/"] = None
            folder = folder.rpartition("/")[0]
    return sorted(found)


def score(path: str, query: str) -> float:
    """How well `query` (lower case) names `path`; more is better."""
    lower = path.lower()
    name = lower.rstrip("/").rpartition("/")[2]
    points = 0.0
    if query in name:
        points += 100 + (50 if name.startswith(query) else 0) + (50 if name == query else 0)
    elif query in lower:
        points += 60
    at = -1
    for character in query:
        here = lower.find(character, at + 1)
        if here < 0:
            break
        starts_word = here == 0 or not lower[here - 1].isalnum()
        points += 4 if here == at + 1 else 3 if starts_word else 0
        at = here
    return points - len(path) / 20
