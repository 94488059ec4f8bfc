"""Which beginning of a draft is told, and when."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable
from typing import cast

import pytest

from agent.ui.repl.steady import Steady, words


class Clock:
    """A loop's call_later without a loop: `rest` lets the time pass."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, _seconds: float, action: Callable[[], None]) -> TimerHandle:
        self.waiting.append(action)
        return cast("TimerHandle", self)

    def cancel(self) -> None:
        self.waiting.clear()

    def rest(self) -> None:
        due, self.waiting = self.waiting, []
        for action in due:
            action()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""), ("fix", ""), ("fix the", "fix"), ("fix the ", "fix the"), ("/help me", ""),
        ("!ls -l ", ""), ("a\nb", "a"), ("  a b", "  a"), ("look at @a.p", "look at"),
    ],
)  # fmt: skip
def test_whole_words_and_none_of_a_command(text: str, whole: str) -> None:
    assert words(text) == whole


def test_the_beginning_is_told_while_the_end_is_typed() -> None:
    clock, told = Clock(), list[str]()
    steady = Steady(clock.later, told.append)
    for end in range(1, len("fix the colours") + 1):
        steady.typed("fix the colours"[:end])
        if end in (5, 12):
            clock.rest()
    clock.rest()
    assert told == ["fix", "fix the"]
    clock.rest()
    assert clock.waiting == [] and told == ["fix", "fix the"]


def test_what_was_changed_meanwhile_is_not_told() -> None:
    clock, told = Clock(), list[str]()
    steady = Steady(clock.later, told.append)
    steady.typed("fix the colours now ")
    steady.typed("fix the ")
    steady.typed("fix these things ")
    clock.rest()
    assert told == ["fix"]
    clock.rest()
    assert told == ["fix", "fix these things"]


def test_what_was_taken_back_is_told_too() -> None:
    clock, told = Clock(), list[str]()
    steady = Steady(clock.later, told.append)
    steady.typed("one two ")
    clock.rest()
    steady.typed("")
    clock.rest()
    assert told == ["one two", ""]


def test_after_a_turn_it_is_told_again() -> None:
    clock, told = Clock(), list[str]()
    steady = Steady(clock.later, told.append)
    steady.typed("one two ")
    clock.rest()
    steady.forget()
    steady.typed("one two ")
    clock.rest()
    assert told == ["one two"] * 2
