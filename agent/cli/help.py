"""Help that fits the terminal, however narrow it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

import click

WIDEST = 80
NARROWEST = 20
# Below this, a column of options would leave no room for what they mean.
NARROW = 60


def width() -> int:
    """Columns for help: those of the terminal, within reason."""
    return max(NARROWEST, min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST) - 2)


class Formatter(click.HelpFormatter):
    """click's own, with lists in one column where there is no room for two."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        rows = list(rows)
        if self.width >= NARROW or max(len(name) for name, _ in rows) <= self.width // 3:
            super().write_dl(rows, col_max, col_spacing)
            return
        for name, text in rows:
            self.write_text(name)
            if text:
                with self.indentation():
                    self.write_text(text)


class Context(click.Context):
    formatter_class = Formatter


def fitting(command: click.Command) -> click.Command:
    """The command, and those below it, with this help; their lines in a list are not cut short."""
    command.context_class = Context
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            paragraph = " ".join((inner.help or "").split("\n\n")[0].split())
            inner.short_help = inner.short_help or paragraph.split(". ")[0].rstrip(".") + "."
            fitting(inner)
    return command
