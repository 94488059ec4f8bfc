"""What a task says of what it names."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.context.sayings import said_first, sayings, uses

TASK = (
    "Build a package rle: functions encode(text), which writes runs as aaab becomes a3b1, and "
    "decode(text), which gives the text back; up(n) and down(n), which move n; one(n) and two(n), "
    "which gives both. A class Stack with the methods push(item), which adds one, and pop(); a "
    "command line python -m rle encode TEXT, that prints it. bare(x) too."
)


def test_each_function_has_its_clause() -> None:
    found = sayings(TASK)
    assert found["encode"] == "encode(text), which writes runs as aaab becomes a3b1"
    assert found["decode"] == "decode(text), which gives the text back"
    assert found["up"] == found["down"] == "up(n) and down(n), which move n"
    assert found["two"] == "two(n), which gives both"
    assert "one" not in found
    assert found["Stack"].endswith("which adds one, and pop()")
    assert "push" not in found


def test_a_docstring_is_what_is_said_of_one() -> None:
    assert said_first(TASK, "a.py", "decode") == '    """Gives the text back."""\n'
    assert said_first(TASK, "a.py", "up") == '    """up(n) and down(n), which move n."""\n'
    said = '    """python -m rle encode TEXT, that prints it."""\n'
    said += "    command, *arguments = sys.argv[1:]\n"
    assert said_first(TASK, "rle/__main__.py", "main") == said
    assert said_first(TASK, "rle.py", "main") == said
    assert said_first(TASK, "other.py", "main") == ""
    assert said_first(TASK, "a.py", "unknown") == ""


@pytest.mark.parametrize(
    ("use", "line"),
    [
        ("python -m a FILE that prints", "file = sys.argv[1]"),
        ("python3 -m a VALUE UNIT", "value, unit = sys.argv[1:]"),
        ("python -m a add TEXT and python -m a list", "command, *arguments = sys.argv[1:]"),
        ("python -m a that prints", ""),
        ("python -m a add", ""),
        ("python -m a X.Y", ""),
        ("python -m a FROM", ""),
        ("python -m a N N", ""),
        ("python -m a WORDS and words(x), which counts", ""),
    ],
)
def test_main_begins_with_its_arguments(use: str, line: str) -> None:
    text = said_first(f"a command line {use}", "a.py", "main")
    assert text.endswith(f'"""\n    {line}\n' if line else '."""\n')


def test_what_runs_is_told_once() -> None:
    assert uses("python -m a X; python3 -m a Y; python -m b") == {
        "a": "python -m a X",
        "b": "python -m b",
    }


@pytest.mark.parametrize(
    "task",
    [
        'f(x), which gives "x"', "f(x), which splits at \\n", 'f(x), which writes """ thrice',
        "f(x)", "f(x).", "",
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_docstring_is_left_out(task: str) -> None:
    assert said_first(task, "a.py", "f") == ""


@given(st.text(alphabet="f()x, whicgves.\"'\\\n;#{}", max_size=60))
def test_a_docstring_is_always_one(words: str) -> None:
    for name in sayings(f"f(x), which {words}"):
        text = said_first(f"f(x), which {words}", "a.py", name)
        body = ast.parse(f"def f():\n{text}    pass\n").body
        assert len(body) == 1


def test_a_long_one_is_wrapped() -> None:
    text = said_first("f(x), which " + "gives words " * 30, "a.py", "f")
    assert max(map(len, text.splitlines())) <= 100
    (function,) = ast.parse(f"def f():\n{text}").body
    assert isinstance(function, ast.FunctionDef) and ast.get_docstring(function)
