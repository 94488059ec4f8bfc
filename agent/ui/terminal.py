"""One output stream: what it can show, and writing to it when nobody may be listening any more."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from agent.errors import IngleError

_DEFAULT_WIDTH = 100
_NARROWEST = 20
_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


@dataclass(frozen=True)
class Abilities:
    """`cursor`: a line can be rewritten; `colour`: SGR codes are understood."""

    cursor: bool
    colour: bool


def abilities(stream: TextIO, environment: Mapping[str, str]) -> Abilities:
    """What may be sent to the stream.

    NO_COLOR (no-color.org) and TERM=dumb are obeyed; FORCE_COLOR colours pipes, and moves no
    cursor there.
    """
    terminal = stream.isatty() and environment.get("TERM", "") not in ("dumb", "")
    forced = environment.get("FORCE_COLOR", "") not in ("", "0")
    wanted = (terminal or forced) and not environment.get("NO_COLOR")
    return Abilities(cursor=terminal, colour=wanted)


class Output:
    """A text stream that may be closed by its reader at any time (`| head -1`).

    `closed` is true from then on, and nothing is written any more.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self.stream = stream
        self.closed = False
        self.can = abilities(stream, environment)

    def write(self, text: str) -> None:
        """Write and flush. Raises IngleError for what is no end of the reader, like a full disk."""
        if self.closed:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except UnicodeEncodeError:
            encoding = self.stream.encoding or "ascii"
            self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except OSError as error:
            # EIO: the terminal is gone.
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise IngleError(f"the output cannot be written: {error.strerror}") from error
            self.closed = True

    def width(self) -> int:
        """Columns of the terminal now; a fixed number for what is none."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError):
            return _DEFAULT_WIDTH
        return max(_NARROWEST, columns) if columns else 80

    def paint(self, text: str, *styles: str) -> str:
        """`text` in these styles, where the stream shows styles."""
        if not (self.can.colour and styles and text):
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def same_place(one: TextIO, other: TextIO) -> bool:
    """Whether both streams end in the same terminal, file or pipe."""
    try:
        first, second = os.fstat(one.fileno()), os.fstat(other.fileno())
    except (OSError, ValueError):
        return one is other
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` terminal cells, with an ellipsis where something is missing."""
    from rich.cells import cell_len, chop_cells

    if cell_len(text) <= width:
        return text
    return chop_cells(text, width - 1)[0] + "…" if width > 2 else "…"


def wrap(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` terminal cells; at least one piece."""
    from rich.cells import cell_len, chop_cells

    return [text] if cell_len(text) <= width else chop_cells(text, width)
