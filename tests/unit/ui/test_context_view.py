"""The picture of the window: what fills it can be read with and without colours."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agent.ui.context_view import FREE, FoldedOnce, Kind, Picture, draw

PICTURE = Picture(
    4096,
    [("system", 512), ("user", 512), ("thinking", 512), ("result", 1024)],
    [
        Kind("system", 512, None),
        Kind("user", 512, 1.5),
        Kind("thinking", 512, 1.5),
        Kind("result", 1024, 3.0),
    ],
    [FoldedOnce("the window was full", "r1 to r9 (9 things)", 4000, 1500, 300)],
    128,
    "- a table per folder",
)


def shown(picture: Picture, width: int, *, colour: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, highlight=False, no_color=not colour,
        color_system="standard" if colour else None, _environ={},
    )  # fmt: skip
    console.print(draw(picture, console))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80])
def test_without_colours_letters_tell_the_kinds(width: int) -> None:
    text = shown(PICTURE, width, colour=False)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width and "\x1b" not in text and "█" not in text
    assert "2,560 of 4,096 tokens (62%)" in text and "128 of them" in text
    bar = next(line for line in lines if line.startswith("ss"))
    cells = min(width, 72)
    counts = {mark: bar.count(mark) for mark in f"suhr{FREE}"}
    assert len(bar) == cells
    assert abs(counts["r"] - cells / 4) <= 1 and abs(counts[FREE] - cells * 0.375) <= 1
    assert all(abs(counts[mark] - cells / 8) <= 1 for mark in "suh")
    joined = " ".join(text.split())
    assert "r1 to r9 (9 things): the window was full, 4,000 to 1,500 tokens" in joined
    assert "- a table per folder" in text and "3.0 s" in text and "1,536" in text


@pytest.mark.parametrize("width", [40, 80])
def test_with_colours(width: int) -> None:
    text = shown(PICTURE, width, colour=True)
    assert "\x1b[" in text and text.count("█") >= min(width, 72) // 2


def test_an_empty_window() -> None:
    text = shown(Picture(0, [], [], [], 0), 40, colour=False)
    assert "0 of 0 tokens" in text and "Folded" not in text and "Notes" not in text
