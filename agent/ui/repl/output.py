"""The terminal as prompt-toolkit writes to it: a frame at a time, and gone without an exception."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output.vt100 import Vt100_Output

# Terminals that know synchronised updates show all in between at once; others ignore both.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
# One cell for one cell, where the terminal's encoding has no such signs.
_ASCII = str.maketrans("❯●✗✓…█░⋯⋮─━│•·▌", ">*x+~#-~:--|*-|")


class FramedOutput(Vt100_Output):
    """Output to a terminal; `lost` is true once nobody sees it any more."""

    def __init__(self, stdout: TextIO, term: str) -> None:
        # The cursor's position is never asked for: what has to be answered can be lost.
        super().__init__(stdout, lambda: terminal_size(stdout), term=term, enable_cpr=False)
        self.lost = False
        self._held = 0
        encoding = (stdout.encoding or "ascii").lower().replace("-", "")
        self._plain = not encoding.startswith("utf")

    def write_raw(self, data: str) -> None:
        super().write_raw(data.translate(_ASCII) if self._plain else data)

    def write(self, data: str) -> None:
        super().write(data.translate(_ASCII) if self._plain else data)

    def flush(self) -> None:
        """Write what is buffered, unless a frame is being made."""
        if self._held:
            return
        if self.lost:
            self._buffer.clear()
            return
        try:
            super().flush()
        except OSError:
            self.lost = True

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Everything that is written inside reaches the terminal in one piece."""
        self._held += 1
        if self._held == 1:
            self.write_raw(_BEGIN)
        try:
            yield
        finally:
            if self._held == 1:
                self.write_raw(_END)
            self._held -= 1
            self.flush()


def terminal_size(stream: TextIO) -> Size:
    """Rows and columns now; the usual ones where nobody knows."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return Size(rows=24, columns=80)
    return Size(rows=size.lines or 24, columns=size.columns or 80)


def open_output() -> FramedOutput:
    """The terminal on stdout."""
    return FramedOutput(sys.stdout, os.environ.get("TERM", ""))
