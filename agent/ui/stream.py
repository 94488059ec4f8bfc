"""Text that arrives in pieces, made fit to be shown while it arrives."""

from __future__ import annotations

import re

from agent.ui.escape import safe

_PARTS = re.compile(r"\n|[ \t]*[^ \t\n]+|[ \t]+")
# A longer word is not waited for: languages without spaces would never stream.
_LONGEST_WORD = 24
_FENCE = "```"


class Stream:
    """One stretch of text, without the empty lines at its start and its end.

    `width` is that of the terminal, in cells; None leaves lines as they are. `open` is true once
    there is something to see.
    """

    def __init__(self, width: int | None) -> None:
        self.open = False
        self._held = ""
        self._words = Words(width) if width else None

    def add(self, piece: str) -> str:
        """What can be shown now, safe for a terminal; white space waits for what follows it."""
        text = self._held + safe(piece)
        visible = text.rstrip()
        self._held = text[len(visible) :]
        if not self.open:
            # The indent of a first line belongs to it, empty lines above it do not.
            visible = visible.lstrip("\n")
        self.open = self.open or bool(visible)
        return self._words.add(visible) if self._words else visible

    def end(self) -> str:
        """The rest."""
        return self._words.flush() if self._words else ""


class Words:
    """Breaks lines between words, where a terminal would break inside them; not in fenced code."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._line = ""  # its first characters
        self._fenced = False
        self._pending = ""  # spaces and a word that may go on

    def add(self, text: str) -> str:
        """Everything up to the last word, which waits for its end."""
        parts = _PARTS.findall(self._pending + text)
        self._pending = ""
        if parts and parts[-1] != "\n" and len(parts[-1]) < _LONGEST_WORD:
            self._pending = parts.pop()
        return "".join(self._place(part) for part in parts)

    def flush(self) -> str:
        """The word that waited."""
        word, self._pending = self._pending, ""
        return self._place(word)

    def _place(self, part: str) -> str:
        from rich.cells import cell_len

        if part == "\n":
            self._fenced ^= self._line.lstrip().startswith(_FENCE)
            self._column, self._line = 0, ""
            return part
        if len(self._line) < self._width:
            self._line += part
        size = cell_len(part.expandtabs(4))
        if self._column + size <= self._width or self._column == 0 or self._fenced:
            # The terminal itself breaks what is longer than a line.
            self._column = (self._column + size - 1) % self._width + 1 if size else self._column
            return part
        part = part.lstrip(" \t")
        self._column = (cell_len(part) - 1) % self._width + 1 if part else 0
        return "\n" + part
