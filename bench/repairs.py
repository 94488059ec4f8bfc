"""Small broken modules with a failing test file each, for `python -m bench.run repairs`.

A task is (files, what the user says). They are a thermometer, not a target.
"""

REPAIRS: dict[str, tuple[dict[str, str], str]] = {
    "median": (
        {
            "stats.py": '''\
def median(values):
    """Return the median of a non-empty list of numbers."""
    values.sort()
    return values[len(values) // 2]


def mean(values):
    return sum(values) / len(values)
''',
            "test_stats.py": """\
from stats import mean, median


def test_mean():
    assert mean([1, 2, 3]) == 2


def test_median_odd():
    assert median([3, 1, 2]) == 2


def test_median_even():
    assert median([4, 1, 3, 2]) == 2.5


def test_median_keeps_its_argument():
    values = [3, 1, 2]
    median(values)
    assert values == [3, 1, 2]
""",
        },
        "The test suite fails. Fix stats.py.",
    ),
    "slug": (
        {
            "slug.py": '''\
import re


def slugify(title):
    """Turn a title into a lower-case slug with single dashes."""
    return re.sub(r"[^a-z0-9]", "-", title.lower())
''',
            "test_slug.py": """\
from slug import slugify


def test_plain():
    assert slugify("Hello") == "hello"


def test_runs_of_other_characters_become_one_dash():
    assert slugify("Hello,  World") == "hello-world"


def test_no_dash_at_the_ends():
    assert slugify("  Hello! ") == "hello"
""",
        },
        "Make the tests pass.",
    ),
    "dur": (
        {
            "duration.py": '''\
def parse(text):
    """Seconds of a text like 1h30m, 45s or 2m."""
    units = {"h": 3600, "m": 60, "s": 1}
    return int(text[:-1]) * units[text[-1]]


def show(seconds):
    """The shortest text for a number of seconds, such as 1h30m."""
    return f"{seconds}s"
''',
            "test_duration.py": """\
from duration import parse, show


def test_parse_one():
    assert parse("45s") == 45


def test_parse_many():
    assert parse("1h30m") == 5400


def test_show():
    assert show(5400) == "1h30m"
    assert show(61) == "1m1s"
""",
        },
        "The tests of duration.py fail. Fix it.",
    ),
    "wordcount": (
        {
            "wordcount.py": '''\
"""Counts the words of a text."""

import re


def words(text):
    """The words of a text in lower case; an apostrophe is part of a word."""
    return re.findall(r"[a-z']+", text.lower())


def top(text, n):
    """The n most frequent words with their counts, the most frequent first."""
    counts = {}
    for word in words(text):
        counts[word] = 1
    return sorted(counts.items(), key=lambda item: item[1])[:n]


def longest(text):
    """The longest word; the first one if there are several."""
    return max(words(text), key=len)
''',
            "test_wordcount.py": """\
import unittest

from wordcount import longest, top, words


class WordsTest(unittest.TestCase):
    def test_words_are_lower_case(self):
        self.assertEqual(words("It's a Test"), ["it's", "a", "test"])

    def test_longest(self):
        self.assertEqual(longest("a bee sees a cat"), "sees")


class TopTest(unittest.TestCase):
    def test_counts_every_occurrence(self):
        self.assertEqual(top("b a b", 1), [("b", 2)])

    def test_most_frequent_comes_first(self):
        self.assertEqual(top("a b b c c c", 3), [("c", 3), ("b", 2), ("a", 1)])

    def test_only_n_words_come_back(self):
        self.assertEqual(len(top("a b c d", 2)), 2)


if __name__ == "__main__":
    unittest.main()
""",
        },
        "Counting words goes wrong. Fix wordcount.py.",
    ),
}
