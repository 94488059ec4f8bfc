"""Which expectations two versions of the code contradict alike, and tests without them."""

from __future__ import annotations

import pytest

from agent.context.expectations import alike, consistent, without

TESTS = '''import unittest

from units import convert


class TestConvert(unittest.TestCase):
    """Both ways."""

    def test_convert(self):
        self.assertEqual(convert(0, "C"), 32)
        self.assertEqual(
            convert(100, "F"),
            212,
        )

    def test_wrong(self):
        """It says nothing else."""
        for degrees in (1, 2):
            self.assertEqual(convert(degrees, "F"), 99)


class TestMore(unittest.TestCase):
    @timed("slowly")
    def test_more(self):
        self.assertEqual(convert(5, "celsius"), 41)
'''


def place(error: str, line: int = 7) -> tuple[str, int, str]:
    return "tests/test_units.py", line, error


def test_the_same_value_at_the_same_line() -> None:
    one = [place("AssertionError: 3 != 4"), place("AssertionError: 5 != 6", 9)]
    assert alike(one, [place("AssertionError: 3 != 4"), place("AssertionError: 7 != 6", 9)]) == [
        place("AssertionError: 3 != 4")
    ]


TASK = "It raises ValueError for others."


def test_an_exception_that_the_task_names() -> None:
    one, other = place("ValueError: 0 is too small"), place("ValueError: not a number")
    assert alike([one], [other], TASK) == [one]
    assert alike([place("shop.ValueError")], [other], TASK) == [place("shop.ValueError")]
    assert alike([one], [other], "It raises an error for others.") == []
    assert alike([one], [place("ValueError: not a number", 9)], TASK) == []
    assert alike([one], [place("TypeError: 1 + 'a'")], TASK) == []
    assert alike([place("TestValueError.test_it\nKeyError: 1")], [other], TASK) == []


def test_an_exception_that_the_task_does_not_say_of_a_function() -> None:
    task = (
        "Build it: functions to_roman(number), which gives the numeral and raises ValueError "
        "for others, and from_roman(text), which gives its number back."
    )
    wanted = place("AssertionError: ValueError not raised by from_roman")
    assert alike([wanted], [wanted], task) == [wanted]
    assert alike([wanted], [], task) == []
    for error in ("ValueError not raised by to_roman", "ValueError not raised by other"):
        stays = place(f"AssertionError: {error}")
        assert alike([stays], [stays], task) == []


@pytest.mark.parametrize(
    "error",
    [
        "AssertionError: ValueError not raised",
        "AssertionError: ValueError not raised by to_roman",
        "AssertionError: None != 4",
        "IndexError: string index out of range",
        "FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'",
    ],
)
def test_where_there_is_no_value_nobody_agrees(error: str) -> None:
    assert alike([place(error)], [place(error)], TASK) == []


def test_a_report_of_pytest() -> None:
    error = "test_convert\nAssertionError: assert 3 == 4\n+  where 3 = convert(1)"
    assert alike([place(error)], [place(error)]) == [place(error)]


def test_one_statement_goes() -> None:
    left = without(TESTS, 12, "Convert units.")
    assert "212" not in left
    assert 'convert(0, "C"), 32)' in left
    compile(left, "test_units.py", "exec")


def test_what_says_nothing_without_it_goes_too() -> None:
    left = without(TESTS, 19, "Convert units.")
    assert "test_wrong" not in left
    assert "for degrees" not in left
    left = without(TESTS, 25, "Convert units.")
    assert "TestMore" not in left
    assert "timed" not in left
    compile(left, "test_units.py", "exec")


def test_two_statements_of_one_test() -> None:
    left = without(without(TESTS, 11, ""), 10, "")
    assert "def test_convert" not in left
    assert "def test_wrong" in left


def test_what_the_task_states_stays() -> None:
    assert without(TESTS, 25, "convert(5, 'celsius') gives 41.") == ""


@pytest.mark.parametrize("line", [1, 2, 6, 9, 22, 23, 24])
def test_a_definition_is_no_expectation(line: int) -> None:
    assert without(TESTS, line, "") in ("", TESTS.replace("import unittest\n", "", 1))


def test_the_last_test_stays() -> None:
    text = TESTS
    for line in (25, 19, 11):
        text = without(text, line, "")
    assert "def test_convert" in text
    assert without(text, 10, "") == ""


@pytest.mark.parametrize("text", ["def test(:", "", "x = 1\n"])
def test_what_is_no_test_stays(text: str) -> None:
    assert (without(text, 1, ""), without(text, 99, "")) == ("", "")


LOOPING = """class Test(unittest.TestCase):
    def test_one(self):
        self.assertEqual(number("MM"), 2000)
        self.assertEqual(number("MMM"), 3000)
        self.assertEqual(number("MMM"), 4000)
        self.assertEqual(
            number("MMM"),
            [5000],
        )
        self.assertEqual(number("MMM"), 3000)

    def test_two(self):
        assert number("MMM") == 1
"""


def test_a_call_is_not_to_give_two_values() -> None:
    first, _, rest = LOOPING.partition('        self.assertEqual(number("MMM"), 4000)\n')
    left = first + rest[rest.index('        self.assertEqual(number("MMM"), 3000)') :]
    assert consistent(LOOPING) == left
    assert consistent(left) == left


@pytest.mark.parametrize(
    "body",
    [
        "assert number('a') == 1; add('b')\n    assert number('a') == 2",
        "assert number('a') == 1\n    add('b')\n    assert number('a') == 2",
        "assert number() == 1\n    assert number() == 2",  # the next one
        "assert box.number('a') == 1\n    assert box.number('a') == 2",
        "assert number('a') == 1\n    assert number('b') == 2",
        "assert number('a') == add('a')\n    assert number('a') == 2",
        "assert number(n) == 1\n    assert number(n) == 2",
    ],
)
def test_what_may_have_changed_is_no_contradiction(body: str) -> None:
    text = f"def test_it():\n    {body}\n"
    assert consistent(text) == text


def test_what_is_no_python_stays() -> None:
    assert consistent("def test(:\n") == "def test(:\n"
