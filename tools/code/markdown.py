"""Headings of Markdown: the definitions of a document."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.+)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True)
class Heading:
    """A heading and its section, up to the next heading of its level or above.

    Lines are counted from 1, both inclusive. ``qualified`` has the titles above it: ``A > B``.
    """

    title: str
    qualified: str
    first_line: int
    last_line: int
    line: str


def headings(text: str) -> list[Heading]:
    """The ``#`` headings of a text outside of fenced code, in order."""
    lines = text.split("\n")
    found: list[tuple[int, int, str]] = []  # line, level, title
    fence = ""
    for number, line in enumerate(lines, 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := _HEADING.match(line[:1_000]):
            title = heading[2].strip().rstrip("#").rstrip()
            if title:
                found.append((number, len(heading[1]), title))
    total = len(lines) - (lines[-1] == "")
    ends = _ends(found, total)
    result = []
    above: list[tuple[int, str]] = []
    for (number, level, title), end in zip(found, ends, strict=True):
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, title))
        qualified = " > ".join(name for _, name in above)
        result.append(Heading(title, qualified, number, end, "#" * level + " " + title))
    return result


def _ends(found: list[tuple[int, int, str]], total: int) -> list[int]:
    """The last line of each section."""
    ends = [total] * len(found)
    open_ones: list[int] = []
    for index, (number, level, _) in enumerate(found):
        while open_ones and found[open_ones[-1]][1] >= level:
            ends[open_ones.pop()] = number - 1
        open_ones.append(index)
    return ends
