"""How tests begin."""

from __future__ import annotations

import unittest

import pytest

from agent.context.draft import unwritten
from agent.context.testing import HELPER, opening_of_tests

CODE = "def read_rows(path):\n    return open(path).read().split()\n\n\ndef _own():\n    pass\n"
MAIN = "def main():\n    pass\n"
CHECK = "python -m unittest"


def test_what_can_be_imported_is() -> None:
    files = {"pkg/core.py": "def add(a, b): ...\nclass Sum: ...\n", "pkg/__main__.py": MAIN}
    files |= {"main.py": MAIN, "tests/test_x.py": "def helper(): ...\n", "README.md": "# x"}
    assert opening_of_tests(files, CHECK) == (
        "import unittest\n\nfrom pkg.core import add, Sum\n\n\nclass Test"
    )


def test_a_file_can_be_made_where_one_is_read() -> None:
    text = opening_of_tests({"rows.py": CODE}, CHECK)
    test = f"{text}Rows(unittest.TestCase):\n    def test_it(self):\n"
    right = f"{test}        self.assertEqual(read_rows({HELPER}('a b')), ['a', 'b'])\n"
    space: dict[str, object] = {}
    exec(CODE, space)
    exec(right.replace("from rows import read_rows", ""), space)
    case = space["TestRows"]
    assert isinstance(case, type) and issubclass(case, unittest.TestCase)
    result = unittest.TestResult()
    case("test_it").run(result)
    assert result.wasSuccessful() and result.testsRun == 1
    assert unwritten(right, []) is None
    wrong = f"{test}        self.assertEqual(read_rows('in.csv'), [])\n"
    fault = unwritten(wrong, [])
    assert fault is not None and "in.csv" in fault.text


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"rows.py": CODE}, "python -m pytest"),
        ({"rows.py": "def f(:"}, CHECK),
        ({}, CHECK),
        ({"a.py": "".join(f"def f{n}(): ...\n" for n in range(13))}, CHECK),
    ],
)
def test_else_it_begins_as_the_model_likes(files: dict[str, str], words: str) -> None:
    assert opening_of_tests(files, words) == ""
