"""Locals that hide the function whose value they are given."""

from __future__ import annotations

import pytest

from agent.context.shadows import unshadowed

CODE = """import csv


def total(rows):
    return sum(rows)


def main():
    rows = [1, 2]
    total = total(rows)  # the sum
    print(f"The total is {total:.2f}", total)


class Test:
    def test_total(self):
        total = total([3])
        assert total == 3, total
"""


def test_the_local_gets_another_name() -> None:
    space: dict[str, object] = {}
    with pytest.raises(UnboundLocalError):
        exec(f"{CODE}\nmain()", space)
    exec(f"{unshadowed(CODE)}\nmain()\nTest().test_total()", space)


def test_the_rest_of_the_file_stays() -> None:
    mended = unshadowed(CODE)
    assert mended.startswith(CODE.partition("def main")[0])
    assert "'The total is {total_value:.2f}', total_value" in mended
    assert unshadowed(mended) == mended


@pytest.mark.parametrize(
    "body",
    [
        "    amount = total([1])\n    return amount",
        "    total = 3\n    return total",
        "    total = len\n    return total([1])",
        "    global total\n    total = total([1])",
        "    total = 1\n    def inner():\n        return total([1])\n    return inner",
        "    return [total([x]) for x in (1, 2)]",
    ],
)
def test_what_works_is_left_alone(body: str) -> None:
    text = f"def total(rows):\n    return sum(rows)\n\n\ndef f(x):  # kept\n{body}\n"
    assert unshadowed(text) == text


def test_a_parameter_is_no_local() -> None:
    text = "def f():\n    pass\n\n\ndef g(f):\n    f = f()\n    return f\n"
    assert unshadowed(text) == text


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    text = "def f():\n    return 1\n\n\ndef g(f_value):\n    f = f()\n    return f + f_value\n"
    space: dict[str, int] = {}
    exec(f"{unshadowed(text)}\nfound = g(2)", space)
    assert space["found"] == 3


@pytest.mark.parametrize("text", ["", "def f(:\n", "x = 1\n"])
def test_anything_else_stays(text: str) -> None:
    assert unshadowed(text) == text


LIST = """class TodoList:
    def __init__(self):
        self.items = []  # ü: what is to be done

    def add(self, text):
        self.items.append(text); self.items += [text.upper()]

    def items(self):
        return list(enumerate(self.items, 1))

    def count(self):
        return len(self.items())
"""


def test_an_attribute_that_hides_a_method_gets_another_name() -> None:
    space: dict[str, object] = {}
    use = "made = TodoList()\nmade.add('milk')\nfound = made.items(), made.count()\n"
    with pytest.raises(TypeError, match="not callable"):
        exec(f"{LIST}\n{use}", space)
    exec(f"{unshadowed(LIST)}\n{use}", space)
    assert space["found"] == ([(1, "milk"), (2, "MILK")], 2)
    assert "self._items = []  # ü: what is to be done" in unshadowed(LIST)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    def items(self)", "    @property\n    def items(self)"),  # which says so itself
        ("    def items(self)", "    def all_items(self)"),
        ("self.items = []", "self._items = self.items = []"),  # the name is taken
    ],
)
def test_an_attribute_that_hides_none_is_left_alone(old: str, new: str) -> None:
    text = LIST.replace(old, new)
    assert text != LIST
    assert unshadowed(text) == text
