"""The question on a plain terminal."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from agent.approval import Answer, ApprovalRequest
from agent.cli.asking import ask_on_terminal, question_text

QUESTION = ApprovalRequest(
    "shell", "make \x1b[2K", "make \x1b[2K\u202e\nrm x", "", "/work", "it is not known",
    "approval ask", "shell(make)",
)  # fmt: skip


def asked(question: ApprovalRequest, typed: str) -> tuple[Answer, str]:
    """The answer to what is typed, and what stood on the terminal."""
    answers: list[Answer] = []

    @click.command()
    def command() -> None:
        answers.append(ask_on_terminal(question))

    done = CliRunner().invoke(command, input=typed)
    assert done.exception is None, done.exception
    return answers[0], done.stderr


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("y\n", Answer("once")),
        ("Y\n", Answer("once")),
        ("s\n", Answer("session")),
        ("a\n", Answer("always")),
        ("n\nuse tabs\n", Answer("no", "use tabs")),
        ("\n\n", Answer("no")),
        ("x\ny\n", Answer("once")),
        ("", Answer("no")),
        ("n\n", Answer("no")),
    ],
)
def test_answers(typed: str, answer: Answer) -> None:
    assert asked(QUESTION, typed)[0] == answer


def test_all_that_decides_is_shown_and_escaped() -> None:
    _, text = asked(QUESTION, "y\n")
    for part in ("make \\x1b[2K\\u202e\n  rm x", "/work", "it is not known", "approval ask",
                 "always: shell(make)"):  # fmt: skip
        assert part in text
    assert "\x1b" not in text and "\u202e" not in text


def test_without_a_pattern_only_once_is_offered() -> None:
    answer, text = asked(ApprovalRequest("shell", "a", "a"), "a\ny\n")
    assert answer == Answer("once")
    assert "always" not in text


def test_a_diff_is_bounded() -> None:
    text = question_text(ApprovalRequest("write", "write a", "a", "+x\n" * 5000))
    assert "4800 more lines" in text
    assert text.count("+x") == 200
