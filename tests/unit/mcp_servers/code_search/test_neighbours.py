"""What the surroundings of a chunk say for it."""

from __future__ import annotations

import pytest

from mcp_servers.code_search.evidence import Run, Scores, by_names, by_words
from mcp_servers.code_search.index import Index
from mcp_servers.code_search.neighbours import callers, members
from mcp_servers.code_search.query import read_query
from tests.unit.mcp_servers.code_search.conftest import Names, Write

# Its name and its file sort behind the other one's, so that a tie would put it second.
SAME = "def {name}(self, pelican):\n    return {called}(pelican)\n"
KIOSK = """\
class Kiosk:
    def feed(self, pelican):
        return depth_of(pelican)

    def close(self):
        return 1


class Depot:
    def nest(self, pelican):
        return pelican


def depth_of(x):
    return depth_of(x - 1)
"""


def asked(index: Index, text: str) -> tuple[Run, Scores, Scores]:
    """A question with the scores of its words and of its names."""
    index.refresh()
    run = Run(index.store, read_query(text))
    words = by_words(run, run.query.terms, run.store.count())
    names = by_names(run)
    run.load(list(words))
    return run, words, names


def test_what_uses_a_definition_that_is_named(write: Write, index: Index) -> None:
    write({"lib/a.py": KIOSK})
    run, words, names = asked(index, "a pelican sinks in `depth_of`")
    found = callers(run, words, names)
    assert [run.rows[number].qualified for number in found] == ["Kiosk.feed"]


def test_the_methods_of_a_type_that_is_named(write: Write, index: Index) -> None:
    write({"lib/a.py": KIOSK})
    run, words, names = asked(index, "a pelican is lost in `Kiosk`")
    found = {run.rows[number].qualified for number in members(run, words, names)}
    assert found == {"Kiosk.feed", "Kiosk.close"}
    # A method without a word of the question says nothing, and neither does another type's.
    without = {number: score for number, score in words.items() if run.rows[number].name != "close"}
    found = {run.rows[number].qualified for number in members(run, without, names)}
    assert found == {"Kiosk.feed"}


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
