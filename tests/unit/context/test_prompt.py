from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.context.project import MOST_LISTED, MOST_LISTED_CHARS, Shown
from agent.context.prompt import (
    bad_call_text,
    block,
    listing,
    prompt_text,
    system_text,
    task_text,
)
from agent.messages import BadCall


def test_the_task_comes_behind_the_files_and_what_fails() -> None:
    text = task_text(
        "fix it",
        files=["a.py", "b.py"],
        shown=[Shown("a.py", "x = 1\n")],
        check="make test",
        failure="E 1 != 2",
        note="Be brief.",
    )
    assert text == (
        "Files in the folder: b.py\n\n"
        "a.py\n```python\nx = 1\n```\n\n"
        "`make test` fails:\n```\nE 1 != 2\n```\n\n"
        "fix it\n\nBe brief."
    )


def test_a_task_alone_is_only_the_task() -> None:
    assert task_text("hi", files=[], shown=[], check="make test", failure="", note="") == "hi"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.rs", "x", "a.rs\n```rust\nx\n```"),
        ("Makefile", "x\n", "Makefile\n```\nx\n```"),
        ("a.md", "```sh\nx\n```\n", "a.md\n````markdown\n```sh\nx\n```\n````"),
        ("a.toml", "", "a.toml\n```toml\n\n```"),
    ],
)
def test_a_file_looks_as_the_model_should_write_it(path: str, text: str, expected: str) -> None:
    assert block(path, text) == expected


@given(st.text(alphabet="`ab\n", max_size=40))
def test_no_file_ends_its_own_block(text: str) -> None:
    first, *inside, last = block("a.txt", text).split("\n")[1:]
    assert first.rstrip("abcdefghijklmnopqrstuvwxyz") == last
    assert set(last) == {"`"}
    assert last not in [line.strip() for line in inside]


@given(st.lists(st.text(min_size=1, max_size=300), max_size=120))
def test_the_list_of_files_is_bounded(files: list[str]) -> None:
    text = listing(files)
    assert len(text) <= MOST_LISTED_CHARS + 20
    if len(files) <= MOST_LISTED and sum(map(len, files)) + 2 * len(files) <= MOST_LISTED_CHARS:
        assert text == ", ".join(files)


def test_the_list_says_how_many_are_left_out() -> None:
    assert listing([f"f{i}" for i in range(45)]).endswith("f38, f39, and 5 more")
    assert listing(["x" * 5000]) == "1"


def test_the_system_text_never_changes() -> None:
    assert system_text("note") == system_text("note")
    assert system_text("").strip() == prompt_text("system")
    assert system_text(" note\n").endswith("\n\nnote")


def test_a_bad_call_goes_back_with_reason_and_tools() -> None:
    text = bad_call_text(BadCall("{", "it is cut off"), ["read", "shell"])
    assert text == "That call was not run: it is cut off. The tools are: read, shell."
