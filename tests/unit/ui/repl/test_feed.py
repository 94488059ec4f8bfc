from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from agent.events import Notice
from agent.ui.repl.feed import FRAME_S, SHARE, Feed


class Loop:
    """The part of an event loop that a feed uses; what is put off waits in `later`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.later: list[tuple[float, Callable[[], Any]]] = []

    def time(self) -> float:
        return self.now

    def call_soon_threadsafe(self, call: Callable[[], Any]) -> None:
        call()

    def call_at(self, when: float, call: Callable[[], Any]) -> None:
        self.later.append((when, call))

    def run(self) -> float:
        """Come to what was put off; when that was to be."""
        when, call = self.later.pop(0)
        self.now = max(self.now, when)
        call()
        return when


@pytest.mark.parametrize(("cost", "pause"), [(0.0, FRAME_S), (0.001, FRAME_S), (0.03, 0.03)])
def test_drawing_takes_a_bounded_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, cost: float, pause: float
) -> None:
    spent = 0.0
    monkeypatch.setattr(time, "thread_time", lambda: spent)
    loop, frames = Loop(), []

    def take(news: Any) -> None:
        nonlocal spent
        spent += cost
        loop.now += cost
        frames.append(list(news))

    feed = Feed(loop, take)
    times = []
    for word in ("one", "two", "three"):
        feed.show(Notice(word))
        feed.show(Notice(word))  # waits for the same frame
        times.append(loop.run())
    assert [[n.text for n in frame] for frame in frames] == [
        [w, w] for w in ("one", "two", "three")
    ]
    assert not loop.later
    between = times[2] - times[1]
    assert cost <= SHARE * between * 1.001
    assert between == pytest.approx(max(FRAME_S, pause / SHARE if cost > 0.01 else 0), abs=0.002)
