"""Handles: a fold of the events, the same live and from the log."""

from __future__ import annotations

import json

import pytest

from agent.events import (
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    Event,
    ModelReplied,
    Notice,
    Summarised,
    TaskGiven,
    TextDelta,
)
from agent.handles import Handles, handle_in
from agent.messages import Usage

EVENTS: tuple[tuple[Event, str], ...] = (
    (TaskGiven("go"), "u1"),
    (TextDelta("x"), ""),
    (ModelReplied("", (), "end", Usage()), "a1"),
    (CallMade("1.0", "read", {}, "tag"), "i1"),
    (CallMade("1.1", "read", {}, "tag"), "i2"),
    (CallReturned("1.1", "read", True, ""), "r2"),
    (CallReturned("1.0", "read", True, ""), "r1"),
    (CallReturned("1.0", "read", True, ""), ""),
    (CallReturned("9.9", "read", True, ""), ""),
    (CallMade("1.0", "read", {}, "tag"), "i3"),
    (CallReturned("1.0", "read", True, ""), "r3"),
    (CallRejected("", ""), "b1"),
    (CheckEnded("true", True, 0, "", 0.0), "c1"),
    (Notice("n"), ""),
    (Summarised("s"), "s1"),
    (TaskGiven("more"), "u2"),
)


def test_numbers_count_each_kind() -> None:
    handles = Handles()
    assert [handles.of(event) for event, _ in EVENTS] == [handle for _, handle in EVENTS]


def test_it_goes_on_where_it_was_left() -> None:
    for cut in range(len(EVENTS)):
        first = Handles()
        for event, _ in EVENTS[:cut]:
            first.of(event)
        second = Handles(json.loads(json.dumps(first.state())))
        assert [second.of(e) for e, _ in EVENTS[cut:]] == [handle for _, handle in EVENTS[cut:]]


@pytest.mark.parametrize(
    ("text", "handle"),
    [("r12", "r12"), (" [R12] ", "r12"), ("u007", "u7"), ("r", ""), ("x1", ""), ("r12 port", ""),
     ("", ""), ("12", ""), ("r" + "9" * 30, "")],
)  # fmt: skip
def test_a_handle_in_a_text(text: str, handle: str) -> None:
    assert handle_in(text) == handle
