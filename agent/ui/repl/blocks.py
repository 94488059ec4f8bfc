"""Markdown that arrives in pieces, cut into blocks that are complete and can be rendered.

Only what decides where a block ends is read here: empty lines and code fences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([\w+#.-]*)")
_ITEM = re.compile(r"^\s{0,3}([-*+]|\d{1,9}[.)])\s")


@dataclass(frozen=True)
class Block:
    """A complete block. `kind` is 'text' (Markdown) or 'code' (`language` as the fence has it).

    The first `shown` lines of code were given out before; `last` says that the code ends here.
    """

    kind: str
    text: str
    language: str = ""
    shown: int = 0
    last: bool = True


class Blocks:
    """Takes text in pieces and gives out blocks.

    Code that grows longer than `most_lines` comes in several blocks, each with all of the code so
    far, since colours depend on what stands above.
    """

    def __init__(self, most_lines: int = 12) -> None:
        self._most_lines = most_lines
        self._line = ""  # without its end yet
        self._lines: list[str] = []
        self._fence = ""
        self._indent = 0
        self._language = ""
        self._shown = 0
        self._in_list = False

    @property
    def growing(self) -> str:
        """What stands there and is not given out yet."""
        return "\n".join([*self._lines[self._shown :], self._line])

    @property
    def in_code(self) -> bool:
        return bool(self._fence)

    def add(self, text: str) -> list[Block]:
        """The blocks that are complete now."""
        found: list[Block] = []
        *whole, rest = (self._line + text).split("\n")
        for line in whole:
            found += self._take(line)
        self._line = rest
        if self._fence and len(self._lines) - self._shown >= self._most_lines:
            found.append(self._code(last=False))
        return found

    def end(self) -> list[Block]:
        """The rest; the next text begins anew."""
        found = self._take(self._line) if self._line else []
        if self._fence:
            if self._lines or not self._shown:
                found.append(self._code(last=True))
        else:
            found += self._text()
        self.__init__(self._most_lines)  # type: ignore[misc]
        return found

    def _take(self, line: str) -> list[Block]:
        fence = _FENCE.match(line)
        if self._fence:
            if (
                fence
                and not line.strip().strip(self._fence[0])
                and fence[2].startswith(self._fence)
            ):
                block = self._code(last=True)
                self._fence, self._lines, self._shown = "", [], 0
                return [block]
            self._lines.append(_dedented(line, self._indent))
            return []
        if fence:
            found = self._text()
            self._fence, self._language, self._indent = fence[2], fence[3], len(fence[1])
            return found
        if not line.strip():
            return self._text()
        found = []
        if self._in_list and _ITEM.match(line) and self._lines and not _ITEM.match(self._lines[0]):
            # The next item, behind a paragraph of the one before.
            found = self._text()
            self._in_list = True
        self._lines.append(line)
        return found

    def _code(self, *, last: bool) -> Block:
        block = Block("code", "\n".join(self._lines), self._language, self._shown, last)
        self._shown = len(self._lines)
        return block

    def _text(self) -> list[Block]:
        lines, self._lines = self._lines, []
        if not lines:
            return []
        if self._in_list and lines[0][:1].isspace() and not _ITEM.match(lines[0]):
            # A paragraph of a list's item, which without its list would be taken for code.
            indent = min(len(line) - len(line.lstrip()) for line in lines)
            lines = [line[indent:] for line in lines]
        else:
            self._in_list = bool(_ITEM.match(lines[0]))
        return [Block("text", "\n".join(lines))]


def _dedented(line: str, indent: int) -> str:
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(indent, spaces) :]
