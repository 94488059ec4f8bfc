"""A sub-task: its result comes back, nothing else of it stays, nothing is evaluated again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.app import Session
from agent.approval import Answer, ApprovalRequest, Ask
from agent.context.ledger import Ledger
from agent.delegate import MOST_TURNS, Parent, delegate_tool
from agent.engine.scripted import Line
from agent.events import (
    ApprovalAsked,
    CallReturned,
    Folded,
    LogSet,
    ModelReplied,
    Summarised,
    TaskGiven,
)
from agent.job import Job
from agent.plan import plan_tool
from agent.session.resume import folded
from tests.turn.conftest import Desk

TASK = "Find out why it is slow. You must never touch config.ini."


async def opened(
    desk: Desk, lines: Sequence[Line], n_ctx: int = 8192, branches: int = 1, ask: Ask | None = None
) -> Session:
    session = await desk.open(lines, n_ctx=n_ctx, branches=branches, ask=ask)
    assert session._exchange is not None and session._window is not None
    dispatcher = session._dispatcher
    assert dispatcher is not None
    parent = Parent(session._exchange, session._window, lambda: dispatcher, session.emit)
    dispatcher.declare(delegate_tool(lambda: parent))
    dispatcher.declare(plan_tool(lambda: session.ledger.plan, session.emit))
    return session


def outputs(desk: Desk, count: int, characters: int = 3000) -> list[str]:
    desk.put("a.txt", "".join(f"line {i} of a long file\n" for i in range(9000)))
    return [
        desk.call("shell", command=f"head -c {characters + i} a.txt; echo end {i}")
        for i in range(count)
    ]


def result(desk: Desk) -> CallReturned:
    found: list[CallReturned] = [e for e in desk.shown(CallReturned) if e.name == "delegate"]
    return found[-1]


async def test_only_the_result_comes_back(desk: Desk) -> None:
    lines = [
        desk.call("delegate", task="look for the number"),
        desk.call("shell", command="echo the secret number is $((8000 + 123))"),
        desk.block("found.py", "NUMBER = 8123\n") + "\n",
        "I looked, and wrote found.py.",
        "all done",
    ]
    session = await opened(desk, lines)
    ended = await session.do(Job(TASK, session.workspace))
    assert (ended.stop, ended.answer, ended.changed) == ("answer", "all done", ("found.py",))
    back = result(desk)
    assert back.ok and back.changed == ("found.py",)
    assert back.text == "I looked, and wrote found.py.\n[files it changed: found.py]"
    first, *inside, last = desk.engine.asked
    assert all("look for the number" in asked.prompt for asked in inside)
    assert "number is 8123" in inside[-1].prompt and TASK in inside[-1].prompt
    assert "number is 8123" not in last.prompt and "I looked, and wrote" in last.prompt
    assert back.text in desk.given(-1) and len(inside) == 3 and TASK in first.prompt


async def test_the_parent_is_not_evaluated_again(desk: Desk) -> None:
    lines = [
        desk.call("delegate", task="look"),
        *outputs(desk, 3),
        "nothing there",
        "done",
    ]
    session = await opened(desk, lines)
    await session.do(Job(TASK, session.workspace))
    replied = desk.shown(ModelReplied)
    before, after = replied[0], desk.engine.asked[-1]
    mark = before.start + len(before.tokens)
    assert after.start == mark
    assert after.usage is not None
    # The end token of the parent's message may never have been evaluated.
    assert after.usage.reused >= mark - 1
    assert after.usage.prompt <= len(after.request.delta) + 1


async def test_the_log_on_disk_gives_the_window_exactly(desk: Desk) -> None:
    lines = [desk.call("delegate", task="look"), *outputs(desk, 2), "nothing", "done"]
    session = await opened(desk, lines)
    await session.do(Job(TASK, session.workspace))
    assert list(folded("x", desk.logged).tokens) == list(desk.engine.log)
    again = Ledger.of(desk.logged)
    assert again.stretches == session.ledger.stretches
    assert again.used == len(desk.engine.log)


async def test_its_words_are_no_words_of_the_user(desk: Desk) -> None:
    lines = [desk.call("delegate", task="look"), "nothing", "done"]
    session = await opened(desk, lines)
    await session.do(Job(TASK, session.workspace))
    assert [event.text for event in desk.shown(TaskGiven)] == [TASK]
    assert [r.detail for r in session.ledger.records.values() if r.kind == "user"] == [TASK]
    sets = [event for event in desk.logged if isinstance(event, LogSet)]
    assert [kind for e in sets for kind, _, _ in e.parts].count("user") == 1


async def test_what_it_takes_counts(desk: Desk) -> None:
    lines = [desk.call("delegate", task="look"), " ".join(map(str, range(200))), "done"]
    session = await opened(desk, lines)
    ended = await session.do(Job(TASK, session.workspace))
    said = sum(e.usage.generated for e in desk.shown(ModelReplied))
    assert ended.usage.generated == said > 100


@pytest.mark.parametrize("good", [True, False])
async def test_its_check(desk: Desk, good: bool) -> None:
    command = f"{shlex.quote(sys.executable)} -c 'import made; assert made.ok'"
    code = desk.block("made.py", f"ok = {good}\n")
    lines = [desk.call("delegate", task="make it", check=command), code, "made", *["x"] * 12]
    session = await opened(desk, lines, ask=yes)
    await session.do(Job(TASK, session.workspace))
    back = result(desk)
    assert back.ok == good
    assert f"[its check {'passed' if good else 'failed'}: {command}]" in back.text


async def yes(_asked: ApprovalRequest) -> Answer:
    return Answer("once")


async def no(_asked: ApprovalRequest) -> Answer:
    return Answer("no")


async def test_a_check_is_a_command_of_the_model_and_may_be_refused(desk: Desk) -> None:
    lines = [desk.call("delegate", task="go", check="touch evil.txt"), "I see"]
    session = await opened(desk, lines, ask=no)
    assert session._dispatcher is not None
    session._dispatcher.policy = replace(session._dispatcher.policy, approval="ask")
    await session.do(Job(TASK, session.workspace))
    assert desk.shown(ApprovalAsked)
    assert not result(desk).ok and "does not want this check" in result(desk).text
    assert desk.names() == []


async def test_it_cannot_delegate_or_plan(desk: Desk) -> None:
    lines = [
        desk.call("delegate", task="outer"),
        desk.call("delegate", task="inner"),
        desk.call("plan", steps=["a"]),
        "neither works",
        "done",
    ]
    session = await opened(desk, lines)
    await session.do(Job(TASK, session.workspace))
    inner, planned, outer = desk.shown(CallReturned)
    assert "there is no tool 'delegate'" in inner.text and "there is no tool 'plan'" in planned.text
    assert not inner.ok and not planned.ok and outer.ok
    assert not session.ledger.plan.steps


async def test_it_has_a_budget_of_its_own(desk: Desk) -> None:
    desk.put("a.txt", "x\n")
    reads = [desk.call("shell", command=f"echo {i}") for i in range(MOST_TURNS)]
    session = await opened(desk, [desk.call("delegate", task="count"), *reads, "done"])
    ended = await session.do(Job(TASK, session.workspace))
    assert (ended.stop, ended.answer) == ("answer", "done")
    assert not result(desk).ok
    assert "[it ended before it was done: no more than 12 answers]" in result(desk).text


@pytest.mark.parametrize("before", [1, 6, 7, 8])
async def test_it_folds_nothing_of_its_parent(desk: Desk, before: int) -> None:
    lines = [
        *outputs(desk, before),
        desk.call("delegate", task="count the nine colours"),
        *outputs(desk, 11, 4000),
        "nine",
        "done",
    ]
    session = await opened(desk, lines)
    await session.do(Job(TASK, session.workspace))
    call = next(i for i, asked in enumerate(desk.engine.asked) if "nine colours" in asked.said)
    inside = desk.engine.asked[call + 1 : -1]
    assert len(inside) == 12
    mark = inside[0].prompt.index("nine colours")
    head = inside[0].prompt[:mark]
    for asked in [*inside, desk.engine.asked[-1]]:
        assert asked.prompt.startswith(head)
        assert TASK in asked.prompt
        assert asked.start + len(asked.request.delta) + asked.request.max_tokens <= 8192
    assert all("count the nine colours" in asked.prompt for asked in inside)
    assert any("one step only: count the nine" in asked.prompt for asked in inside)
    assert "You work at one step only" not in desk.engine.asked[-1].prompt
    assert result(desk).ok and desk.shown(Folded)


@pytest.mark.parametrize("name", ["delegate", "shell"])
async def test_no_notes_are_made_beside_it(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none by it: they would stand for the whole work."""
    monkeypatch.setattr("agent.window.NOTES_AT", 0.0)
    first = [desk.call("delegate", task="go")] if name == "delegate" else []
    calls = iter([*first, *outputs(desk, 2), "nothing", "done"])

    def line(prompt: str) -> str:
        return "{}" if "note what the work so far" in prompt[-600:] else next(calls)

    session = await opened(desk, [line] * 20, branches=2)
    await session.do(Job(TASK, session.workspace))
    asides = [a for a in desk.engine.asked if "note what the work so far" in a.prompt[-600:]]
    assert len(asides) == len(desk.shown(Summarised)) == (0 if name == "delegate" else 1)


async def test_room_is_made_before_it_begins(desk: Desk) -> None:
    """Its parent is folded where it would leave too little of the window."""
    lines = [*outputs(desk, 7), desk.call("delegate", task="go"), "went", "done"]
    session = await opened(desk, lines)
    await session.do(Job(TASK, session.workspace))
    inside = desk.engine.asked[-2]
    assert desk.shown(Folded) and inside.start < 8192 // 2
    assert TASK in inside.prompt and result(desk).text == "went"
    assert list(folded("x", desk.logged).tokens) == list(desk.engine.log)


async def test_a_turn_that_is_stopped_leaves_nothing_of_it(desk: Desk) -> None:
    lines = [desk.call("delegate", task="go"), *outputs(desk, 3), "went", "done"]
    session = await opened(desk, lines)

    def leave(event: object) -> None:
        desk.screen.closed = desk.screen.closed or isinstance(event, CallReturned)

    desk.screen.on_show = leave
    ended = await session.do(Job(TASK, session.workspace))
    first = desk.shown(ModelReplied)[0]
    assert ended.stop == "interrupted"
    assert len(desk.engine.log) == first.start + len(first.tokens)


async def test_it_is_not_run_in_a_copy_of_the_folder(desk: Desk) -> None:
    session = await opened(desk, [])
    assert session._dispatcher is not None
    copy = session._dispatcher.in_copy(session.workspace)
    assert copy.tool("delegate") is None and copy.tool("plan") is None
    assert session._dispatcher.tool("delegate") is not None
