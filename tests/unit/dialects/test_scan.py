from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialects.scan import (
    CALL_HEAD,
    JsonScanner,
    fence,
    lines,
    may_become_call,
    may_become_fence,
    may_become_path,
    path_in_comment,
    path_in_line,
)

PATH_LINES = {
    "stats.py": "stats.py",
    "  src/app/main.rs  \r": "src/app/main.rs",
    "./a/b.py": "./a/b.py",
    "/work/a.py": "/work/a.py",
    "**stats.py**": "stats.py",
    "**`stats.py`**:": "stats.py",
    "**stats.py:**": "stats.py",
    "`stats.py`": "stats.py",
    "`stats.py`:": "stats.py",
    "### stats.py": "stats.py",
    "### `src/x.unknown`": "src/x.unknown",
    "# README.md": "README.md",
    "File: stats.py": "stats.py",
    "file: `a.py`": "a.py",
    "**File:** `a.py`": "a.py",
    "### File: `a.py`:": "a.py",
    "Filename: a.py": "a.py",
    "Path: a.py": "a.py",
    "Makefile": "Makefile",
    "`Dockerfile`": "Dockerfile",
    ".gitignore": ".gitignore",
    "`.gitignore`:": ".gitignore",
    "grammar.peg": "grammar.peg",
    "__init__.py": "__init__.py",
    "tests/ünï.py": "tests/ünï.py",
}
NO_PATHS = [
    "",
    "The file stats.py",
    "Here is `stats.py`:",
    "stats.py is wrong",
    "- stats.py",
    "* stats.py",
    "1. stats.py",
    "1. **stats.py**: the module",
    "**stats.py** and **b.py**",
    "| stats.py | 3 |",
    "stats.py, b.py",
    "(stats.py)",
    "Fixed.",
    "e.g.",
    "...",
    "..",
    "word",
    "**Explanation**:",
    "### Step 1: Examine `stats.py`",
    "### `os.path`",
    "`str.join`:",
    "### Node.js",
    "**ASP.NET**",
    "`.append`",
    "Note: stats.py",
    "#stats.py#",
    "https://example.com/a.py",
    "a.py b.py",
    "File:",
    "x" * 700 + ".py",
]


@pytest.mark.parametrize(("line", "path"), PATH_LINES.items())
def test_a_line_that_is_a_path(line: str, path: str) -> None:
    assert path_in_line(line) == path


@pytest.mark.parametrize("line", NO_PATHS)
def test_a_line_that_is_no_path(line: str) -> None:
    assert path_in_line(line) == ""


@pytest.mark.parametrize("line", PATH_LINES)
def test_every_beginning_of_a_path_line_is_held_back(line: str) -> None:
    assert [line[:i] for i in range(len(line)) if not may_become_path(line[:i])] == []


@given(st.text(alphabet="ab.py/`*#: fileFIL\t_-@", max_size=14))
@settings(max_examples=300)
def test_no_path_line_begins_as_something_else(line: str) -> None:
    if path_in_line(line):
        assert all(may_become_path(line[:i]) for i in range(len(line)))
    if fence(line):
        assert all(may_become_fence(line[:i]) or not line[:i].strip() for i in range(len(line)))


def test_prose_is_shown_at_its_second_word() -> None:
    assert may_become_path("The") and not may_become_path("The f")
    assert not may_become_path("I'm")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("# src/a.py", "src/a.py"),
        ("// app.ts", "app.ts"),
        ("<!-- index.html -->", "index.html"),
        ("/* main.css */", "main.css"),
        ("-- schema.sql", "schema.sql"),
        ("# File: a.py", "a.py"),
        ("# os.path", ""),
        ("# a comment on a.py", ""),
        ("#!/bin/bash", ""),
        ("a.py", ""),
        ("# ", ""),
        ("# peg.grammar", ""),
    ],
)
def test_a_comment_that_names_a_file(line: str, path: str) -> None:
    assert path_in_comment(line) == path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("```", ("```", "")),
        ("  ```Python \r", ("```", "python")),
        ("````md", ("````", "md")),
        ("```c++", ("```", "c++")),
        ("```py title=x", ("```", "py")),
        ("``", None),
        ("``` `", None),
        ("x ```", None),
    ],
)
def test_fences(line: str, found: tuple[str, str] | None) -> None:
    assert fence(line) == found


VALUES = st.recursive(
    st.none() | st.booleans() | st.text(alphabet=string.printable + 'é{}[]"\\', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), VALUES), st.integers(0, 200), st.booleans())
@settings(max_examples=150)
def test_the_scanner_finds_the_end_of_an_object(value: object, cut: int, spaced: bool) -> None:
    text = json.dumps(value, indent=1 if spaced else None, ensure_ascii=False)
    scanner = JsonScanner()
    cut = min(cut, len(text) - 1)
    assert scanner.feed(text[:cut]) == -1
    assert scanner.feed(text[cut:] + " } more") == len(text) - cut


@given(st.text(alphabet='ab" ', max_size=5), st.sampled_from(["", " ", "\n  "]))
@settings(max_examples=60)
def test_every_beginning_of_a_head_may_become_a_call(name: str, space: str) -> None:
    name = name.replace('"', "")
    head = f'{{{space}"name"{space}:{space}"{name}"{space},{space}"arguments"{space}: '
    assert all(may_become_call(head[:i]) for i in range(1, len(head)))
    found = CALL_HEAD.match(head)
    assert found and found["name"] == name


@pytest.mark.parametrize(
    "text", ['{"version"', '{"name": 3', '{"name": "a", "version"', '{"a', "{}", "[", '{"name"}']
)
def test_other_objects_may_not(text: str) -> None:
    assert not may_become_call(text)


@given(st.text(alphabet="a\n\r\x0b\u2028", max_size=12))
def test_lines_lose_nothing(text: str) -> None:
    assert "".join(lines(text)) == text
    assert all("\n" not in line[:-1] for line in lines(text))
