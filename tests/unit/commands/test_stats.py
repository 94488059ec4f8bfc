"""/stats: numbers of the session, and the speed of its last turns as bars."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

from agent.commands.state import MOST_TURNS, stats
from agent.events import Event, SessionStarted, TaskGiven, TurnEnded
from agent.messages import Usage
from agent.ui.repl.host import Said


async def said(speeds: list[float]) -> str:
    """What /stats says after turns of such speeds, in tokens a second."""
    events: list[Event] = [SessionStarted("s", "/w", "m", 4096, 1.0, "0")]
    for number, speed in enumerate(speeds):
        usage = Usage(generated=int(speed * 10), decode_s=10.0 if speed else 0.0)
        events += [TaskGiven(f"task {number}"), TurnEnded("answer", "", 0, usage)]
    chat = SimpleNamespace(events=lambda: events, prices=None)
    outcome = await stats(cast(Any, chat), "")
    assert isinstance(outcome, Said)
    return outcome.text


async def test_the_fastest_turn_has_the_longest_bar() -> None:
    found = re.findall(r"turn (\d) +(\d+\.\d) tok/s +(\S+)", await said([10.0, 20.0, 5.0]))
    assert [(n, rate) for n, rate, _ in found] == [("1", "10.0"), ("2", "20.0"), ("3", "5.0")]
    short, longest, least = (len(bar) for _, _, bar in found)
    assert longest == 2 * short and short > least


async def test_only_the_last_turns_are_drawn() -> None:
    names = re.findall(r"turn (\d+)", await said([10.0] * (MOST_TURNS + 3)))
    assert names == [str(n) for n in range(4, MOST_TURNS + 4)]


async def test_without_a_word_of_the_model_nothing_is_drawn() -> None:
    assert "turn 1" not in await said([0.0])
