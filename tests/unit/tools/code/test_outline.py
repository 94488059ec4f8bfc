from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tools.code.focus import Focus, words
from tools.code.outline import Outlined, outline
from tools.code.symbols import parse

CODE = """\
class Store:
    def get(self, key): ...
    def _hidden(self): ...
def helper(): ...
"""


def file(path: str, code: str = CODE, weight: float = 1.0) -> Outlined:
    found = parse("python", code.encode()).definitions
    return Outlined(path, found, tuple(weight for _ in found))


def test_files_are_sorted_with_their_definitions_indented() -> None:
    assert outline([file("b.py"), file("a.py", "def one(): ...")], 1000) == (
        "a.py\n  1 def one()\nb.py\n  1 class Store\n    2 def get(self, key)\n"
        "    3 def _hidden(self)\n  4 def helper()"
    )


@given(st.integers(0, 800), st.integers(0, 40))
def test_the_budget_is_kept_and_what_is_left_out_is_said(budget: int, more: int) -> None:
    files = [file(f"f{n:02}.py") for n in range(20)]
    text = outline(files, budget, total=20 + more)
    assert len(text) <= max(budget, len("[60 more files]"))
    shown = sum(line.endswith(".py") for line in text.split("\n"))
    left = 20 + more - shown
    assert text.endswith(f"[{left} more file{'s' if left != 1 else ''}]") or left == 0


def test_what_weighs_most_is_shown_first_and_a_method_brings_its_class() -> None:
    found = parse("python", CODE.encode()).definitions
    weights = tuple(9.0 if each.name == "get" else 0.0 for each in found)
    text = outline([Outlined("heavy.py", found, weights), file("light.py")], 80)
    assert text == "heavy.py\n  1 class Store\n    2 def get(self, key)\n[1 more file]"


def test_functions_in_functions_and_private_ones_come_last() -> None:
    code = "def outer():\n    def inner(): ...\ndef _own(): ...\ndef last(): ...\n"
    assert outline([file("a.py", code)], 55) == "a.py\n  1 def outer()\n  4 def last()"
    assert "inner" not in outline([file("a.py", code)], 75)


def test_a_path_or_words_that_are_asked_for_come_before_all_else() -> None:
    files = [file("heavy.py", weight=20), file("sub/light.py", "def parse_header(): ...")]
    assert "parse_header" in outline(files, 60, ["./sub/"])
    assert "parse_header" in outline(files, 60, ["sub/light.py"])
    assert "parse_header" in outline(files, 60, ["why does the header break"])
    assert "parse_header" not in outline(files, 60, ["why does it break"])


def test_the_order_of_what_is_given_does_not_matter() -> None:
    files = [file(f"f{n}.py", weight=n % 3) for n in range(9)]
    assert outline(files, 300, ["a", "b"]) == outline(files[::-1], 300, ["b", "a"])


def test_the_same_name_twice_is_no_parent_of_itself() -> None:
    text = outline([file("a.py", "def twice(): ...\ndef twice(): ...\n")], 300)
    assert text == "a.py\n  1 def twice()\n  2 def twice()"


def test_nothing_is_nothing() -> None:
    assert outline([], 100) == ""
    assert outline([], 100, total=3) == "[3 more files]"


def test_names_are_split_into_words() -> None:
    assert words("readHTTPFile_2 snake_case") == {"read", "http", "file", "2", "snake", "case"}


def test_a_path_is_taken_as_a_path_and_not_as_words() -> None:
    focus = Focus(["tools/read.py"], ["tools/read.py", "a.py"])
    assert focus.of_path("tools/read.py") > 1
    assert focus.of_name("read") == 1
    assert not Focus(["the"], ["a.py"])
