"""Streamed text: however it is cut into pieces, it looks the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agent.ui.stream import Stream

prose = st.lists(st.sampled_from(["a", "word", "漢字", "longerword", "\n", "\n\n"]), max_size=60)


def show(text: str, width: int | None, cuts: list[int]) -> str:
    stream = Stream(width)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    shown = [stream.add(text[a:b]) for a, b in pairwise(edges)]
    return "".join(shown) + stream.end()


@given(prose.map(" ".join), st.lists(st.integers(0, 400)))
def test_lines_break_between_words(text: str, cuts: list[int]) -> None:
    shown = show(text, 20, cuts)
    assert shown.split() == text.split()
    assert all(cell_len(line.rstrip()) <= 20 for line in shown.split("\n"))
    assert shown == show(text, 20, [])


@given(prose.map(" ".join), st.lists(st.integers(0, 400)))
def test_without_a_width_only_the_ends_are_trimmed(text: str, cuts: list[int]) -> None:
    shown = show(text, None, cuts)
    assert shown.strip() == text.strip() and shown == shown.rstrip()


def test_fenced_code_keeps_its_lines() -> None:
    code = "```py\n" + "x = 1 + " * 10 + "1\n```\n" + "and then " * 5
    shown = show(code, 20, list(range(0, 100, 3)))
    assert "x = 1 + " * 10 + "1\n```" in shown
    assert "and then and then\nand then" in shown


def test_a_long_word_is_not_held_back() -> None:
    assert Stream(20).add("漢" * 30) == "漢" * 30
