"""Ctrl-C, a closed pipe and a full disk: what is done is told and stays."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.app import Job
from agent.errors import IngleError
from agent.events import (
    TRANSIENT,
    CallMade,
    CallReturned,
    Event,
    FilesSaved,
    ModelReplied,
    Notice,
    TextDelta,
    TurnEnded,
)
from agent.session.lines import to_line
from agent.session.resume import load_earlier
from tests.turn.conftest import Desk, has_ended


class Slow:
    """Says something and then waits until `go` is set."""

    def __init__(self, *before: str, after: str = "") -> None:
        self.before, self.after = before, after
        self.waiting, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, _prompt: str) -> AsyncIterator[str]:
        for part in self.before:
            yield part
        self.waiting.set()
        await self.go.wait()
        yield self.after


async def test_an_interrupted_engine_ends_the_turn(desk: Desk) -> None:
    slow = Slow("I begin. And")
    working = asyncio.create_task(desk.do([slow]))
    await slow.waiting.wait()
    desk.engine.interrupt()
    ended = await working
    assert (ended.stop, ended.exit_code) == ("interrupted", 130)
    *_, replied, last = desk.logged
    assert isinstance(replied, ModelReplied) and replied.reason == "interrupted"
    assert replied.text.startswith("I begin.")
    assert list(replied.tokens) == list(desk.engine.log[-len(replied.tokens) :])
    assert last == ended


async def test_cancelled_while_the_model_speaks(desk: Desk) -> None:
    slow = Slow("I begin. And then some more")
    working = asyncio.create_task(desk.do([slow]))
    await slow.waiting.wait()
    working.cancel()
    ended = await working
    assert (ended.stop, ended.exit_code) == ("interrupted", 130)
    assert desk.logged[-1] == ended
    said = "".join(e.text for e in desk.logged if isinstance(e, TextDelta | ModelReplied))
    assert said.startswith("I begin.")


async def test_cancelled_while_a_command_runs(desk: Desk) -> None:
    os.mkfifo(desk.root / "fifo")
    command = "echo $$ > fifo; exec sleep 600"
    working = asyncio.create_task(desk.do([desk.call("shell", command=command)]))
    pid = await asyncio.to_thread(desk.read, "fifo")
    working.cancel()
    ended = await working
    assert (ended.stop, ended.exit_code) == ("interrupted", 130)
    assert has_ended(pid)
    kinds = [type(e) for e in desk.logged]
    assert kinds[-3:] == [CallMade, FilesSaved, TurnEnded]


async def test_the_next_task_goes_on_behind_an_interrupted_answer(desk: Desk) -> None:
    slow = Slow("I begin")
    session = await desk.open(["Before.", slow, "Hello."])
    await session.do(Job("one", session.workspace))
    working = asyncio.create_task(session.do(Job("two", session.workspace)))
    await slow.waiting.wait()
    working.cancel()
    await working
    ended = await session.do(Job("three", session.workspace))
    assert ended.answer == "Hello."
    # The broken message is closed before the next one opens.
    assert "I begin<|im_end|>\n<|im_start|>user\n" in desk.engine.words()
    # The log on disk has every token of it, also of the answer that nobody told the end of.
    assert load_earlier(desk.state, session.log.id).tokens == tuple(desk.engine.log)


async def test_the_next_task_hears_of_a_command_that_was_cut_off(desk: Desk) -> None:
    os.mkfifo(desk.root / "fifo")
    command = "echo $$ > fifo; exec sleep 600"
    session = await desk.open([desk.call("shell", command=command), "I see.", "Hello."])
    working = asyncio.create_task(session.do(Job("one", session.workspace)))
    await asyncio.to_thread(desk.read, "fifo")
    working.cancel()
    await working
    for task in ("two", "three"):
        await session.do(Job(task, session.workspace))
    assert desk.engine.words().count("outcome unknown") == 1
    assert desk.given(1).index("outcome unknown") < desk.given(1).index("two")
    assert len([e for e in desk.logged if isinstance(e, CallReturned)]) == 1


async def test_a_call_is_on_disk_before_it_runs(desk: Desk) -> None:
    state = desk.state / "sessions"
    command = f"cat {state}/*/events.jsonl > seen"
    await desk.do([desk.call("shell", command=command), "Done."])
    last = json.loads(desk.read("seen").splitlines()[-1])
    assert (last["type"], last["arguments"]) == ("call_made", {"command": command})


async def test_an_event_is_on_disk_before_it_is_shown(desk: Desk) -> None:
    late: list[Event] = []

    def look(event: Event) -> None:
        if isinstance(event, TRANSIENT):
            return
        if desk.log_file.read_text("ascii").splitlines(keepends=True)[-1] != to_line(event):
            late.append(event)

    desk.screen.on_show = look
    ended = await desk.do([desk.call("write", path="a", content="b"), "Done."])
    assert late == []
    assert desk.screen.events[-1] == ended


async def test_a_disk_that_fails_costs_the_log_and_not_the_work(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def full(file: int, data: Any) -> int:
        if b'"call_made"' in bytes(data[:30]):
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", full)
    ended = await desk.do([desk.call("shell", command="touch made"), "Done."])
    assert ended.stop == "answer"
    assert desk.names() == ["made"]
    (notice,) = desk.shown(Notice)
    assert "No space left" in notice.text
    assert desk.session is not None
    assert isinstance(desk.session.log.unsaved[0], CallMade)


@pytest.mark.parametrize("kind", [TextDelta, CallMade, CallReturned])
async def test_the_work_ends_when_nobody_looks_any_more(desk: Desk, kind: type[Any]) -> None:
    def look(event: Event) -> None:
        if isinstance(event, kind):
            desk.screen.closed = True

    desk.screen.on_show = look
    lines = ["Wait.\n" + desk.call("shell", command="touch made"), "Done."]
    ended = await desk.do(lines)
    assert (ended.stop, ended.exit_code) == ("interrupted", 130)
    assert desk.logged[-1] == ended
    assert desk.names() == (["made"] if kind is CallReturned else [])
    assert len(desk.engine.asked) == 1


async def test_what_breaks_in_the_engine_still_ends_the_turn_on_disk(desk: Desk) -> None:
    with pytest.raises(IngleError, match="script is at its end"):
        await desk.do([desk.call("shell", command="touch made")])
    last = desk.logged[-1]
    assert isinstance(last, TurnEnded)
    assert (last.stop, last.exit_code) == ("error", 1)


async def test_cancelled_among_other_answers_the_best_one_stays(desk: Desk) -> None:
    check = desk.put_calculator()
    best = desk.read("calc.py").replace("a - b", "a * b % 9")  # fails one test of two
    slow = Slow(" 9")
    # The second answer is no Python at all; the third is cut off.
    lines = [desk.block("calc.py", best), " b\n```\n", slow]
    rivals = {"*": "!", "%": "/"}
    working = asyncio.create_task(
        desk.do(lines, check=check, tries=3, chunk=1, turns=4, rivals=rivals)
    )
    await slow.waiting.wait()
    assert "return a !" in desk.read("calc.py")
    working.cancel()
    ended = await working
    assert ended.stop == "interrupted"
    assert desk.read("calc.py") == best
