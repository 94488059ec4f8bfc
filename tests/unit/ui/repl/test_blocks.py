"""Markdown in pieces comes out in the same blocks, wherever the pieces are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.ui.repl.blocks import Block, Blocks

TEXT = """# Head

Some text
on two lines.

1. one

   more of one
2. two

   ```py
   x = 1

   y = 2
   ```

~~~
```
~~~
```sh
open to the end"""
BLOCKS = [
    Block("text", "# Head"),
    Block("text", "Some text\non two lines."),
    Block("text", "1. one"),
    Block("text", "more of one"),
    Block("text", "2. two"),
    Block("code", "x = 1\n\ny = 2", "py"),
    Block("code", "```"),
    Block("code", "open to the end", "sh"),
]


def cut(text: str, places: list[int]) -> list[Block]:
    blocks = Blocks()
    found: list[Block] = []
    edges = sorted({0, len(text), *(place % len(text) for place in places)})
    for start, end in itertools.pairwise(edges):
        found += blocks.add(text[start:end])
    return [*found, *blocks.end()]


@given(st.lists(st.integers(0, 1000), max_size=30))
def test_cut_anywhere_the_blocks_are_the_same(places: list[int]) -> None:
    assert cut(TEXT, places) == BLOCKS


def test_each_letter_alone() -> None:
    assert cut(TEXT, list(range(len(TEXT)))) == BLOCKS


def test_long_code_comes_before_its_end_and_no_line_twice() -> None:
    blocks = Blocks(most_lines=3)
    lines = [f"line {n}" for n in range(10)]
    found: list[Block] = []
    for line in ["```py", *lines, "```"]:
        found += blocks.add(f"{line}\n")
    shown = [line for block in found for line in block.text.split("\n")[block.shown :]]
    assert shown == lines
    assert len(found) > 2 and [block.last for block in found][-1]
    assert not any(block.last for block in found[:-1])


def test_what_grows_is_what_was_not_given_out() -> None:
    blocks = Blocks()
    blocks.add("done\n\nnot yet")
    assert blocks.growing == "not yet"
    blocks.end()
    assert blocks.growing == "" and not blocks.in_code
