"""What is said about a definition: the string in a Python body, or the comment above it."""

from __future__ import annotations

import re

LONGEST = 2_000  # characters
MOST_LINES = 60
_PYTHON_STRING = re.compile(rb"""[rRuU]?(\"{3}|'{3}|"|')(.*?)(?<!\\)\1""", re.DOTALL)
_HASH = frozenset({"python", "ruby", "bash", "php"})
_SLASH = frozenset({"javascript", "typescript", "tsx", "rust", "go", "java", "c", "cpp", "csharp",
                    "php", "kotlin"})  # fmt: skip
# Between a comment and what it is about: decorators and attributes.
_BETWEEN = (b"@", b"#[", b"[")
_MARKS = re.compile(r"^\s*(?:/\*+!?|\*+/|\*|//[/!]?|#+)?\s?|\s*\*+/\s*$")
_TAGS = re.compile(r"</?(?:summary|remarks|para)>")


def docstring_of(language: str, data: bytes, lines: list[bytes], first: int, body: int) -> str:
    """The text about the definition whose first line is `first` (from 1), without marks.

    `body` is the byte where its body begins, -1 for none; `lines` are those of `data`.
    """
    if language == "python" and body >= 0:
        found = _PYTHON_STRING.match(data, body, body + LONGEST * 4)
        if found:
            return _clean(found[2].decode("utf-8", "replace").split("\n"))
    return _clean([_MARKS.sub("", line) for line in _comment_above(language, lines, first - 2)])


def _comment_above(language: str, lines: list[bytes], index: int) -> list[str]:
    """The lines of the comment that ends at `index` (from 0) or above attributes there."""
    while index >= 0 and lines[index].strip().startswith(_BETWEEN):
        index -= 1
    found: list[bytes] = []
    if index >= 0 and language in _SLASH and lines[index].rstrip().endswith(b"*/"):
        for line in reversed(lines[max(0, index - MOST_LINES) : index + 1]):
            found.append(line)
            if b"/*" in line:
                # Code before it: the comment is about that.
                return _decoded(found) if line.lstrip().startswith(b"/*") else []
        return []
    marks = ((b"//",) if language in _SLASH else ()) + ((b"#",) if language in _HASH else ())
    while marks and index >= 0 and len(found) < MOST_LINES:
        line = lines[index].strip()
        if not line.startswith(marks) or line.startswith((b"#!", b"//!")):
            break
        found.append(line)
        index -= 1
    return _decoded(found)


def _decoded(lines: list[bytes]) -> list[str]:
    return [line.decode("utf-8", "replace") for line in reversed(lines)]


def _clean(lines: list[str]) -> str:
    text = "\n".join(line.strip() for line in lines)
    return _TAGS.sub("", text).strip()[:LONGEST]
