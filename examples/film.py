"""Screens of a terminal as SVG: one as a picture, many as a film that runs by itself.

A film holds each different line once; what stands on the screen in which interval are references to
lines. Animated with SMIL, without scripts, so that it runs where a page shows it as an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

import pyte

T = TypeVar("T")

CELL, ROW, MARGIN, BAR = 8.4, 18, 12, 30
PALETTE = {
    "default": "#d4d4d8", "black": "#27272a", "red": "#f87171", "green": "#4ade80",
    "brown": "#facc15", "blue": "#60a5fa", "magenta": "#e879f9", "cyan": "#22d3ee",
    "white": "#e4e4e7", "brightblack": "#8b8b94", "brightred": "#fca5a5",
    "brightgreen": "#86efac", "brightbrown": "#fde047", "brightblue": "#93c5fd",
    "brightmagenta": "#f0abfc", "brightcyan": "#67e8f9", "brightwhite": "#fafafa",
}  # fmt: skip
GROUND = "#18181b"

Span = tuple[int, str, str, str, bool]
"""Column, text, colour, ground ('' for none), bold."""
Line = tuple[Span, ...]


@dataclass(frozen=True)
class Frame:
    """What stands on the screen from `at` seconds on."""

    at: float
    lines: tuple[Line, ...]
    cursor: tuple[int, int]  # column, row


class FilmScreen(pyte.Screen):
    """A screen that shows faint text, which pyte knows nothing of, in grey."""

    def select_graphic_rendition(self, *attributes: int, **known: bool) -> None:
        if 38 not in attributes and 48 not in attributes:
            attributes = tuple(90 if code == 2 else code for code in attributes)
        super().select_graphic_rendition(*attributes, **known)


def frame_of(screen: pyte.Screen, at: float) -> Frame:
    """The screen as it stands."""
    lines = tuple(_line(screen, row) for row in range(screen.lines))
    return Frame(at, lines, (screen.cursor.x, screen.cursor.y))


def _line(screen: pyte.Screen, row: int) -> Line:
    spans: list[Span] = []
    for column in range(screen.columns):
        cell = screen.buffer[row][column]
        colour, ground = _colour(cell.fg), "" if cell.bg == "default" else _colour(cell.bg)
        if cell.reverse:
            colour, ground = ground or GROUND, colour
        if cell.data == " " and not ground:
            continue
        last = spans[-1] if spans else None
        gap = column - last[0] - len(last[1]) if last else 0
        if last and last[2:] == (colour, ground, cell.bold) and gap <= (0 if ground else 3):
            spans[-1] = (last[0], last[1] + " " * gap + cell.data, *last[2:])
        else:
            spans.append((column, cell.data, colour, ground, cell.bold))
    return tuple(spans)


def _colour(name: str) -> str:
    return PALETTE.get(name) or f"#{name}"


def picture(frame: Frame, title: str, columns: int) -> str:
    """One screen, down to its last line that says something."""
    used = max((n + 1 for n, line in enumerate(frame.lines) if line), default=1)
    body = "".join(
        f'<g transform="translate(0,{n * ROW})">{_spans(line)}</g>'
        for n, line in enumerate(frame.lines)
        if line
    )
    return _page(body, title, columns, used)


def film(frames: Sequence[Frame], seconds: float, title: str, columns: int, rows: int) -> str:
    """All frames, one after the other, for ever; `seconds` is the length of the film."""
    numbers: dict[Line, int] = {}
    groups: dict[tuple[float, float], list[str]] = {}
    for row in range(rows):
        for line, begin, end in _stays([(f.at, f.lines[row]) for f in frames], seconds):
            if line:
                number = numbers.setdefault(line, len(numbers))
                use = f'<use href="#l{number}" y="{row * ROW}"/>'
                groups.setdefault((begin, end), []).append(use)
    for (x, y), begin, end in _stays([(f.at, f.cursor) for f in frames], seconds):
        block = f'<rect x="{x * CELL:.1f}" y="{y * ROW + 2}" width="{CELL}" height="{ROW - 2}"/>'
        groups.setdefault((begin, end), []).append(f'<g fill="#d4d4d8" opacity=".6">{block}</g>')
    known = "".join(f'<g id="l{number}">{_spans(line)}</g>' for line, number in numbers.items())
    shown = "".join(
        f'<g visibility="hidden">{_animate(begin, end, seconds)}{"".join(uses)}</g>'
        for (begin, end), uses in groups.items()
    )
    return _page(f"<defs>{known}</defs>{shown}", title, columns, rows)


def _stays(values: Iterable[tuple[float, T]], end: float) -> list[tuple[T, float, float]]:
    """(value, from, to) of each stretch in which it stays the same."""
    found: list[tuple[T, float, float]] = []
    for at, value in values:
        if not found or found[-1][0] != value:
            found = [*found[:-1], (*found[-1][:2], at)] if found else found
            found.append((value, at, end))
    return found


def _animate(begin: float, end: float, seconds: float) -> str:
    times = [(0.0, "hidden"), (begin / seconds, "visible"), (end / seconds, "hidden")]
    if begin <= 0:
        del times[0]
    if end >= seconds:
        del times[-1]
    keys = ";".join(f"{time:.5f}".rstrip("0").rstrip(".") for time, _ in times)
    values = ";".join(value for _, value in times)
    return (
        f'<animate attributeName="visibility" dur="{seconds:.1f}s" repeatCount="indefinite" '
        f'calcMode="discrete" keyTimes="{keys}" values="{values}"/>'
    )


def _spans(line: Line) -> str:
    made = []
    for column, text, colour, ground, bold in line:
        x, wide = column * CELL, len(text) * CELL
        if ground:
            made.append(f'<rect x="{x:.1f}" width="{wide:.1f}" height="{ROW}" fill="{ground}"/>')
        weight = ' font-weight="bold"' if bold else ""
        length = f' textLength="{wide:.1f}"' if len(text) > 1 else ""
        made.append(
            f'<text x="{x:.1f}" y="13" fill="{colour}"{weight}{length}>{escape(text)}</text>'
        )
    return "".join(made)


def _page(body: str, title: str, columns: int, rows: int) -> str:
    wide, high = columns * CELL + 2 * MARGIN, rows * ROW + 2 * MARGIN + BAR
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 18 * n}" cy="{BAR / 2 + 2}" r="5" fill="{fill}"/>'
        for n, fill in enumerate(("#ef4444", "#eab308", "#22c55e"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" '
        f'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14">'
        f"<title>{escape(title)}</title>"
        f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>{dots}'
        f'<text x="{wide / 2:.0f}" y="{BAR / 2 + 7}" fill="#8b8b94" text-anchor="middle">'
        f"{escape(title)}</text>"
        f'<g transform="translate({MARGIN},{BAR + MARGIN})" xml:space="preserve">{body}</g></svg>\n'
    )
