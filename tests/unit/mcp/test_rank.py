"""Which tools words find."""

from __future__ import annotations

import pytest

from agent.mcp.rank import rank, words

TOOLS = {
    "github__create_issue": "Open a new issue in a repository.",
    "github__listPullRequests": "Pull requests of a repository.",
    "mail__send": "Send a message. Do not use it to report an issue.",
    "files__read_file": "The text of a file.",
    "calendar__add": "Add an entry.",
}


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("issue", "github__create_issue"),
        ("create an issue", "github__create_issue"),
        ("pull request", "github__listPullRequests"),
        ("list the pull requests of github", "github__listPullRequests"),
        ("reading files", "files__read_file"),
        ("send mail", "mail__send"),
        ("read", "files__read_file"),
        ("CALENDAR entries", "calendar__add"),
        ("repo", "github__listPullRequests"),
    ],
)
def test_the_best_stands_first(query: str, best: str) -> None:
    assert rank(query, TOOLS)[0] == best


@pytest.mark.parametrize("query", ["weather", "", "?!", "the"])
def test_nothing_is_found(query: str) -> None:
    assert rank(query, {"a__b": "One thing."}) == []


def test_names_are_split() -> None:
    assert words("listPullRequests_of-HTTPServer2") == [
        "list", "pull", "request", "of", "http", "server", "2",
    ]  # fmt: skip
