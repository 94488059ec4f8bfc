"""One function of a file: which one fails, the file around it, and the file with it."""

from __future__ import annotations

import ast

import pytest

from agent.context.gap import called, culprits, definitions, filled, needed, opened

CODE = '''"""Runs."""

import sys
from .other import helper

LIMIT = 3


def encode(text):
    return shorten(text)


def shorten(text):
    """So that it fits."""
    return text[:LIMIT]


def decode(text):
    return text[9]


def main():
    print(encode(sys.argv[1]), helper())


if __name__ == "__main__":
    main()
'''
TESTS = {
    "tests/test_runs.py": """from runs import decode, encode, shorten


def test_all():
    value = decode("abc")
    assert encode("abcd") == "abc"
    assert shorten("abcd") == "abcd"
    assert value == "a"
"""
}


def place(file: str, line: int) -> tuple[str, int, str]:
    return file, line, "AssertionError: 1 != 2"


def test_where_it_failed_in_the_file() -> None:
    assert culprits(CODE, "runs.py", [place("runs.py", 19)], TESTS) == ["decode"]
    assert culprits(CODE, "runs.py", [place("other.py", 19)], TESTS) == []


def test_what_a_failed_test_calls() -> None:
    assert culprits(CODE, "runs.py", [place("tests/test_runs.py", 7)], TESTS) == ["shorten"]


def test_what_needs_others_is_not_blamed_alone() -> None:
    assert culprits(CODE, "runs.py", [place("tests/test_runs.py", 6)], TESTS) == []


@pytest.mark.parametrize("text", ["def (", "", "x = 1\n"])
def test_of_no_functions_none_is_blamed(text: str) -> None:
    assert culprits(text, "runs.py", [place("runs.py", 1)], {"runs.py": text}) == []


def test_calls_of_a_statement_and_of_the_test_around_it() -> None:
    text = TESTS["tests/test_runs.py"]
    assert called(text, 6) == ["encode"]
    assert sorted(called(text, 8, whole_test=True)) == ["decode", "encode", "shorten"]
    assert called(text, 8) == called(text, 99) == called("def (", 1) == []


def test_what_definitions_need() -> None:
    assert needed(CODE, ["encode"]) == {"encode", "shorten"}
    assert needed(CODE, ["main"]) == {"main", "encode", "shorten", "helper"}
    assert needed(CODE, ["nothing"]) == set()
    assert needed("def (", ["main"]) == set()


def test_definitions() -> None:
    assert definitions(f"{CODE}\nclass Run:\n    pass\n") == [
        "encode",
        "shorten",
        "decode",
        "main",
        "Run",
    ]


def test_a_function_is_opened_behind_the_rest() -> None:
    begin = opened(CODE, "decode")
    assert begin.endswith("    print(encode(sys.argv[1]), helper())\n\n\ndef decode(text):\n")
    assert "text[9]" not in begin
    assert "__name__" not in begin
    ast.parse(f"{begin}    pass\n")


def test_a_docstring_is_written_anew_too() -> None:
    assert opened(CODE, "shorten").endswith("\n\n\ndef shorten(text):\n")


def test_decorators_and_long_signatures_stay() -> None:
    text = "import functools\n\n\n@functools.cache\ndef f(\n    a,\n):\n    return a\n"
    head = "@functools.cache\ndef f(\n    a,\n):\n"
    assert opened(text, "f") == f"import functools\n\n\n{head}"
    assert filled(text, "f", f"{head}    return a + 1\n") == text.replace("a\n", "a + 1\n")


@pytest.mark.parametrize("text", ["def f(): return 1\n", "class f:\n    pass\n", "def ("])
def test_what_cannot_be_opened(text: str) -> None:
    assert opened(text, "f") == ""


def test_it_comes_back_to_its_place() -> None:
    written = f"{opened(CODE, 'decode')}    return text[0]\n"
    whole = filled(CODE, "decode", written)
    assert whole == CODE.replace("text[9]", "text[0]")


def test_what_it_needs_beside_it_comes_too() -> None:
    written = (
        f"{opened(CODE, 'decode')}    return re.sub('a', FIRST, text)\n\n\nimport re\nFIRST = 'b'\n"
        "\n\ndef encode(text):\n    return 'another'\n"
    )
    whole = filled(CODE, "decode", written)
    assert "import re\n\n\nFIRST = 'b'\n\n\ndef decode(text):\n    return re.sub" in whole
    assert "another" not in whole
    ast.parse(whole)


@pytest.mark.parametrize("written", ["", "def (", "def encode(text):\n    return 1\n"])
def test_without_the_function_there_is_nothing(written: str) -> None:
    assert filled(CODE, "decode", written) == ""
