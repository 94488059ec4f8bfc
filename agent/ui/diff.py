"""Unified diffs, line by line.

Lines of a hunk are counted: a removed `-- comment` of SQL looks like the name of a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_UNSAID = ("index ", "new file mode ", "old mode ", "new mode ")


@dataclass(frozen=True)
class DiffLine:
    """`sign` is '+', '-' or ' ' where `kind` is 'line'; `text` of a 'file' is its path."""

    kind: Literal["file", "hunk", "line", "note"]
    text: str
    sign: str = " "


def read_diff(diff: str) -> list[DiffLine]:
    """What a diff says, in git's form or without its headers; each file once."""
    found: list[DiffLine] = []
    old = new = 0  # lines of the hunk that are still to come
    is_named = False  # by git's own line, which comes first
    for line in diff.rstrip("\n").split("\n"):
        if old > 0 or new > 0:
            found.append(DiffLine("line", line[1:], line[:1] or " "))
            old -= line[:1] in ("-", " ", "")
            new -= line[:1] in ("+", " ", "")
        elif hunk := _HUNK.match(line):
            old, new = (1 if count is None else int(count) for count in hunk.groups())
            found.append(DiffLine("hunk", line))
        elif line.startswith("diff --git "):
            is_named = True
            found.append(DiffLine("file", line.rpartition(" b/")[2]))
        elif line.startswith("+++ "):
            if not is_named:
                found.append(DiffLine("file", line[4:].removeprefix("b/").strip()))
            is_named = False
        elif line[:1] in ("+", "-", " ") and not line.startswith("---"):
            found.append(DiffLine("line", line[1:], line[:1]))
        elif line and not line.startswith(("---", *_UNSAID)):  # renamed, deleted, binary
            found.append(DiffLine("note", line))
    return found


def count_changes(diff: str) -> tuple[int, int]:
    """Lines added and removed by a unified diff."""
    signs = [line.sign for line in read_diff(diff) if line.kind == "line"]
    return signs.count("+"), signs.count("-")
