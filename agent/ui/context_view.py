"""A picture of the model's window: a bar, what each kind of thing takes, and what was folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

COLOURS = {
    "system": "bright_black", "tools": "bright_blue", "instructions": "cyan", "user": "green",
    "thinking": "magenta", "text": "white", "call": "yellow", "result": "blue", "check": "red",
    "note": "bright_magenta", "summary": "bright_green", "frame": "bright_black",
    "other": "bright_white",
}  # fmt: skip
_LETTERS = {"thinking": "h", "text": "x", "tools": "o"}  # where the first letter is taken
FREE = "\N{MIDDLE DOT}"


@dataclass(frozen=True)
class Kind:
    """Tokens of one kind and the seconds that it takes to evaluate them; None where unknown."""

    name: str
    tokens: int
    seconds: float | None


@dataclass(frozen=True)
class FoldedOnce:
    """One fold: when in the session (its turn), what it was for, and what it did, in tokens."""

    why: str
    things: str
    before: int
    after: int
    again: int


@dataclass(frozen=True)
class Picture:
    """A window of `n_ctx` tokens; `stretch` has the kinds in the order in which they stand."""

    n_ctx: int
    stretch: Sequence[tuple[str, int]]
    kinds: Sequence[Kind]
    folds: Sequence[FoldedOnce]
    out_of_date: int
    notes: str = ""

    @property
    def used(self) -> int:
        return sum(count for _, count in self.stretch)


def draw(picture: Picture, console: Console) -> RenderableType:
    """The picture for this console: colours where it has them, letters where not."""
    plain = console.no_color or not console.is_terminal or console.color_system is None
    share = picture.used / max(1, picture.n_ctx)
    head = Text(f"{picture.used:,} of {picture.n_ctx:,} tokens ({share:.0%})")
    if picture.out_of_date:
        head.append(f", {picture.out_of_date:,} of them out of date")
    parts: list[RenderableType] = [head, _bar(picture, min(console.width, 72), plain)]
    parts.append(_table(picture, plain))
    if picture.folds:
        parts.append(Text("\nFolded (recall brings any of it back):"))
        parts += [_fold(fold) for fold in picture.folds]
    if picture.notes:
        parts += [Text("\nNotes that stand for what was folded:"), Text(picture.notes)]
    return Group(*parts)


def _bar(picture: Picture, width: int, plain: bool) -> Text:
    """One cell for each share of the window, in the order of the window."""
    bar = Text()
    filled = at = 0
    for kind, count in picture.stretch:
        at += count
        cells = round(at * width / max(1, picture.n_ctx)) - filled
        filled += cells
        bar.append(_mark(kind, plain) * cells, style="" if plain else _colour(kind))
    bar.append(FREE * max(0, width - filled), style="" if plain else "bright_black")
    return bar


def _table(picture: Picture, plain: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="" if plain else "bright_black")
    table.add_column("")
    table.add_column("kind")
    for name in ("tokens", "share", "prefill"):
        table.add_column(name, justify="right")
    for kind in picture.kinds:
        mark = Text(_mark(kind.name, plain), style="" if plain else _colour(kind.name))
        share = f"{kind.tokens / max(1, picture.n_ctx):.0%}"
        seconds = "" if kind.seconds is None else f"{kind.seconds:,.1f} s"
        table.add_row(mark, kind.name, f"{kind.tokens:,}", share, seconds)
    left = picture.n_ctx - picture.used
    table.add_row(FREE, "free", f"{left:,}", f"{left / max(1, picture.n_ctx):.0%}", "")
    return table


def _fold(fold: FoldedOnce) -> Text:
    line = f"  {fold.things}: {fold.why}, {fold.before:,} to {fold.after:,} tokens"
    return Text(f"{line}, {fold.again:,} evaluated again")


def _mark(kind: str, plain: bool) -> str:
    return _LETTERS.get(kind, kind[:1]) if plain else "█"


def _colour(kind: str) -> str:
    return COLOURS.get(kind, "bright_white")
