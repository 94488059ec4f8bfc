"""Of two places with the same words, the one whose surroundings the question is about."""

from __future__ import annotations

import pytest

from mcp_servers.code_search.query import read_query
from tests.unit.mcp_servers.code_search.conftest import Names, Write

# Its name and its file sort behind the other one's, so that a tie would put it second.
SAME = "def {name}(self, pelican):\n    return {called}(pelican)\n"


def test_what_calls_a_definition_that_is_named(write: Write, names: Names) -> None:
    write({
        "lib/rate.py": "def depth_of(x):\n    return x\n\n\ndef width_of(x):\n    return x\n",
        "lib/a.py": SAME.format(name="feed", called="width_of"),
        "lib/b.py": SAME.format(name="nest", called="depth_of"),
    })  # fmt: skip
    found = names("a pelican sinks in `depth_of`")
    assert found.index("nest") < found.index("feed")


def test_the_methods_of_a_type_that_is_named(write: Write, names: Names) -> None:
    def method(name: str) -> str:
        return "    " + SAME.format(name=name, called="len").replace("\n    ", "\n        ")

    write({
        "lib/a.py": f"class Kiosk:\n    open = 1\n\n{method('feed')}",
        "lib/b.py": f"class Depot:\n    open = 1\n\n{method('nest')}",
    })  # fmt: skip
    found = names("A pelican is lost\nIt happens with `Depot`, each time.")
    assert found.index("Depot.nest") < found.index("Kiosk.feed")


def test_what_stands_in_a_file_with_more_of_the_report(write: Write, names: Names) -> None:
    more = "\n\ndef storm(sea):\n    return sea.wave\n\n\ndef tide(sea):\n    return sea.wave\n"
    write({
        "lib/a.py": SAME.format(name="feed", called="len"),
        "lib/b.py": SAME.format(name="nest", called="len") + more,
    })  # fmt: skip
    found = names("A pelican is lost\nIt happens at sea, with a wave.")
    assert found.index("nest") < found.index("feed")


@pytest.mark.parametrize(
    ("text", "is_report"),
    [("where is the price", False), ("price\n", False), ("It fails\nSince today.", True)],
)
def test_a_report_has_a_text_below_its_title(text: str, is_report: bool) -> None:
    assert read_query(text).report == is_report
