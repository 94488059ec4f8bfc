"""What kind of answer a message asks for."""

from __future__ import annotations

import pytest

from agent.context.asked import asks_to_know, is_talk, wants_change


@pytest.mark.parametrize(
    "message",
    [
        "The tests fail. Fix stats.py.",
        "Fix it",
        "rename total to sum",
        "Parsing dates goes wrong, see the bug in `parse`",
        "Add type hints to the functions",
        "please add a --verbose flag to cli.py",
        "parse_date should accept ISO weeks",
        "I want total() to skip None",
        "Create a README",
        "Move the helpers into utils.py",
        "Write a script that renames my photos",
        "Delete old.txt",
        "Use pathlib instead of os.path in io_tools.py",
        "Make greet(name) say hello in Spanish",
        "When the list is empty, mean() must return 0",
    ],
)
def test_a_change_is_asked_for(message: str) -> None:
    assert wants_change(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hi",
        "Good morning!",
        "thank you, well done",
        "ok",
        "yes, go on",
        "Write a poem about autumn",
        "Make me laugh",
        "Give me five ideas for a birthday",
        "Translate this sentence into Italian",
        "Why does test_parse fail?",
        "What would you change in cli.py?",
        "Is there a bug in total()?",
        "Explain how to fix a merge conflict",
        "Please show the functions of calc.py",
        "Run the tests and tell what fails",
        "Review cli.py for bugs",
        "Find the places where the file is closed",
        "Can you explain what parse() returns?",
        "Could you add a test for empty input?",
        "What does a.txt say? Write it into b.txt.",
    ],
)
def test_words_are_asked_for(message: str) -> None:
    assert not wants_change(message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("What does total() return?", True),
        ("@code-search Where is the total added up?", True),
        ("is it tested?", True),
        ("What is it? And who calls it?", False),
        ("Fix it, will you?", False),
        ("Add a test", False),
        ("", False),
        ("Can you see this folder?", True),
        ("Could I run it on Windows?", True),
        ("Could you add a test?", False),
        ("Can we rename it?", False),
    ],
)
def test_one_question(message: str, expected: bool) -> None:
    assert asks_to_know(message) is expected


def test_a_long_message_is_looked_through_in_no_time() -> None:
    """A megabyte of text in which every pattern begins and none ends."""
    assert not wants_change("add " * 250_000)
    assert not wants_change("_" * 1_000_000)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("hello", True),
        ("Thanks, that was all.", True),
        ("Write a limerick about a cat", True),
        ("I like what you did", True),
        ("go on", True),
        ("make it faster", False),
        ("remove everything", False),
        ("Explain how this works", False),
        ("Who calls it?", False),
        ("look at @notes.txt", False),
        ("cart.py is slow", False),
        ("the tests", False),
        ("optimise", False),
    ],
)
def test_talk_is_about_no_file(message: str, expected: bool) -> None:
    assert is_talk(message) is expected
    assert not (expected and wants_change(message))
