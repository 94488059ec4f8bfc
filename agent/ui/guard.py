"""Output that a GitHub runner reads: no text of a model, a tool or a file becomes a command of it.

A runner takes a line as a command that begins with `::` behind white space, and `##[` anywhere in
a line (actions/runner, ActionCommand.TryParseV2 and TryParse). It reads stdout and stderr apart,
so that its own `stop-commands` on one of them comes too late for the other: here the texts
themselves are broken up instead, with a space.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO, cast

from agent.ui.terminal import same_place


@dataclass
class Line:
    """What stands in the line that is being written: nothing but white space, and then a colon;
    and how many '#' stand right before."""

    blank: bool = True
    colon: bool = False
    marks: int = 0


class Guard:
    """A text stream in front of `stream`; `line` is shared by those that end in the same place."""

    def __init__(self, stream: TextIO, line: Line | None = None) -> None:
        self.stream = stream
        self._line = line or Line()

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write it; what would be a command may come in any number of pieces."""
        self.stream.write("".join(map(self._safe, text)))
        return len(text)

    def command(self, line: str) -> None:
        """Write one command of ours, on a line of its own."""
        start = "" if self._line.blank and not self._line.colon else "\n"
        self.stream.write(f"{start}{line}\n")
        self.stream.flush()
        self._begin()

    def _begin(self) -> None:
        self._line.blank, self._line.colon, self._line.marks = True, False, 0

    def _safe(self, char: str) -> str:
        if char in "\r\n":
            self._begin()
            return char
        line = self._line
        breaks = (line.colon and char == ":") or (line.marks >= 2 and char == "[")
        line.marks = line.marks + 1 if char == "#" else 0
        line.colon = line.blank and char == ":"
        line.blank = line.blank and char.isspace()
        return f" {char}" if breaks else char


def guard_streams(environment: Mapping[str, str]) -> None:
    """Guard stdout and stderr where a runner reads them; a file gets what is written."""
    if environment.get("GITHUB_ACTIONS") == "true":
        together = same_place(sys.stdout, sys.stderr)
        line = Line()
        sys.stdout = guarded(sys.stdout, line)
        sys.stderr = guarded(sys.stderr, line if together else Line())


def guarded(stream: TextIO, line: Line | None = None) -> TextIO:
    """The stream behind a guard, unless it has one or is a regular file."""
    if isinstance(stream, Guard) or _is_file(stream):
        return stream
    return cast(TextIO, Guard(stream, line))


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
