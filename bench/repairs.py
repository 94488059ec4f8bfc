"""Small broken modules with a failing pytest file each, for `python -m bench.run repairs`.

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
    "cart": (
        {
            "cart.py": """\
class Cart:
    def __init__(self):
        self.items = {}

    def add(self, name, price, count=1):
        self.items[name] = (price, count)

    def remove(self, name):
        del self.items[name]

    def total(self):
        return sum(price for price, count in self.items.values())
""",
            "test_cart.py": """\
from cart import Cart


def test_total_counts_each_item():
    cart = Cart()
    cart.add("apple", 2, 3)
    assert cart.total() == 6


def test_adding_twice_adds_up():
    cart = Cart()
    cart.add("apple", 2)
    cart.add("apple", 2)
    assert cart.total() == 4


def test_removing_what_is_not_there_does_nothing():
    cart = Cart()
    cart.remove("pear")
    assert cart.total() == 0
""",
        },
        "pytest fails, please repair cart.py",
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
}
