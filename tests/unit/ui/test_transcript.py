"""A session as text to read."""

from __future__ import annotations

from agent.events import CallDelta, Event, ModelReplied, TaskGiven, TextDelta, ThinkingDelta
from agent.messages import Usage
from agent.ui.transcript import transcript
from tests.unit.ui.drive import events


def test_everything_is_there_and_safe() -> None:
    text = "\n".join(transcript(events()))
    for part in (
        "20261121-215301-k3f9 · ",
        "> fix the mean",
        "● read stat\\x1b]0;evil\\x07.py",
        "  failed, 0.0s\n    it does not exist",
        "  failed, exit 1, 0.8s\n    line 0\n",
        "    line 20\n",
        "    +    return sum(xs) / len(xs)",
        "✗ a call that cannot be read: the JSON ends inside a string",
        "check pytest -q: passed in 0.9s",
        "! the context is 80% full",
        "done in 31.2s",
    ):
        assert part in text, part
    assert "\x1b" not in text and "unfinished" not in text


def test_what_was_cut_off_is_shown_to_its_last_piece() -> None:
    cut: list[Event] = [
        TaskGiven("go"),
        TextDelta("I wri"),
        TextDelta("te it"),
        CallDelta("write", "", "x = "),
        CallDelta("write", "a.py", "1\ny"),
    ]
    assert list(transcript(cut)) == [
        "> go",
        "",
        "I write it",
        "",
        "✗ write a.py: not written to its end",
        "    x = 1",
        "    y",
        "",
        "unfinished: the session was cut off here",
    ]


def test_thinking_is_shown_apart_from_the_answer() -> None:
    thought: list[Event] = [
        TaskGiven("go"),
        ThinkingDelta("\x1b[31mHm,\n"),
        ThinkingDelta("yes."),
        ModelReplied("Yes.", (1,), "end", Usage()),
        ThinkingDelta("And n"),
    ]
    assert list(transcript(thought)) == [
        "> go",
        "",
        "thinking",
        "    Hm,",
        "    yes.",
        "",
        "Yes.",
        "",
        "thinking",
        "    And n",
        "",
        "unfinished: the session was cut off here",
    ]


def test_nothing_is_nothing() -> None:
    assert list(transcript([])) == []
