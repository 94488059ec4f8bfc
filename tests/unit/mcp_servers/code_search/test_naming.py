"""Names that a question spells out."""

from __future__ import annotations

import pytest

from mcp_servers.code_search.naming import spelled, stem
from mcp_servers.code_search.store import Row
from tests.unit.mcp_servers.code_search.conftest import Names, Write


def row(number: int, name: str) -> Row:
    return Row(number, "a.py", name, name, "function", 1, 2, "", "", 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [("redirects", "redirect"), ("followed", "follow"), ("closing", "close"), ("entries", "entry"),
     ("running", "run"), ("parser", "parse"), ("caches", "cache")]
)  # fmt: skip
def test_forms_of_a_word_are_one(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize("word", ["", "s", "as", "bed", "the", "ring"])
def test_short_words_stay(word: str) -> None:
    assert len(stem(word)) >= min(3, len(word))


def test_a_name_that_is_said_whole_comes_before_one_that_says_more() -> None:
    rows = {1: row(1, "redirect_url"), 2: row(2, "follow_redirects"), 3: row(3, "close"),
            4: row(4, "redirect_to_url")}  # fmt: skip
    terms = {"redirects": 1.5, "followed": 1.5}
    found = spelled(rows, terms, {"redirects": 2.0, "followed": 2.0})
    assert found[2] > 2 * found[1]
    assert 3 not in found and 4 not in found


def test_a_question_in_plain_words_finds_the_name_that_it_spells(
    names: Names, write: Write
) -> None:
    write({
        "a.py": "def follow_redirects(answer):\n"
        + "".join(f"    step_{n} = answer.part_{n}\n" for n in range(60)),
        "b.py": "def send(answer):\n"
        + "".join(f"    redirects.followed(redirects, followed={n})\n" for n in range(60)),
        "c.py": "def other():\n    return 1\n",
    })  # fmt: skip
    assert names("where are redirects followed")[0] == "follow_redirects"
