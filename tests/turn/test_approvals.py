"""Approvals and refusals in a whole task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.app import Job
from agent.approval import Answer, ApprovalRequest
from agent.config import Limits
from agent.events import ApprovalAsked, ApprovalGiven, CallMade, CallReturned, Notice, TurnEnded
from agent.policy import Decision, Policy, Rule
from tests.turn.conftest import Desk

RULES = (Rule(Decision.DENY, "shell", "touch *"),)


async def under(
    desk: Desk,
    policy: Policy,
    lines: list[str],
    *,
    check: str = "",
    tries: int = 1,
    turns: int = 0,
    **given: Any,
) -> TurnEnded:
    """One task with this policy."""
    session = await desk.open(lines, **given)
    assert session._dispatcher is not None
    policy = replace(policy, can_ask=session.ask is not None)
    session._dispatcher = replace(session._dispatcher, policy=policy)
    job = Job("do it", session.workspace, check=check, limits=Limits(turns=turns), tries=tries)
    return await session.do(job)


async def test_headless_a_question_is_a_refusal_with_its_own_exit_code(desk: Desk) -> None:
    lines = [desk.call("write", path="a.txt", content="x\n"), "I may not."]
    ended = await under(desk, Policy("off", "ask"), lines)
    assert (ended.stop, ended.exit_code) == ("denied", 77)
    assert "write was not run: writes are asked for (rule: approval ask)" in desk.given(1)
    assert desk.names() == []
    assert desk.shown(ApprovalAsked) == []


async def test_the_question_is_in_the_log_before_the_answer_acts(desk: Desk) -> None:
    async def ask(question: ApprovalRequest) -> Answer:
        assert [type(e) for e in desk.logged[-2:]] == [CallMade, ApprovalAsked]
        assert desk.names() == []
        assert "+x" in question.diff
        return Answer("once")

    lines = [desk.call("write", path="a.txt", content="x\n"), "Done."]
    ended = await under(desk, Policy("off", "ask"), lines, ask=ask)
    assert (ended.stop, desk.names()) == ("answer", ["a.txt"])
    kinds = [type(event) for event in desk.logged]
    at = kinds.index(ApprovalAsked)
    assert kinds[at - 1 : at + 3] == [CallMade, ApprovalAsked, ApprovalGiven, CallReturned]


async def test_the_reason_of_a_no_goes_to_the_model(desk: Desk) -> None:
    async def ask(_question: ApprovalRequest) -> Answer:
        return Answer("no", "use tabs instead")

    lines = [desk.call("write", path="a.txt", content="x\n"), "I see."]
    ended = await under(desk, Policy("off", "ask"), lines, ask=ask)
    assert "the user said no: use tabs instead" in desk.given(1)
    assert (ended.stop, ended.exit_code, desk.names()) == ("denied", 77, [])


async def test_the_same_refused_call_three_times_ends_the_turn(desk: Desk) -> None:
    lines = [desk.call("shell", command="touch x")] * 9
    ended = await under(desk, Policy("off", rules=RULES), lines)
    assert ended.turns == 3
    assert ended.stop in ("repeated", "denied")
    assert desk.names() == []


async def test_changes_in_between_do_not_start_the_count_again(desk: Desk) -> None:
    refused = desk.call("shell", command="touch x")
    lines = [
        line for i in range(5)
        for line in (refused, desk.call("write", path=f"{i}.txt", content="y\n"))
    ]  # fmt: skip
    ended = await under(desk, Policy("off", rules=RULES), lines)
    assert ended.turns == 5
    assert desk.names() == ["0.txt", "1.txt"]


@pytest.mark.parametrize("approval", ["auto", "never"])
async def test_in_the_sandbox_nothing_is_asked(desk: Desk, approval: Any) -> None:
    async def ask(question: ApprovalRequest) -> Answer:
        raise AssertionError(question)

    lines = [
        desk.call("shell", command="echo $(date) > made"),
        desk.call("write", path="a.txt", content="x\n"),
        "Done.",
    ]
    ended = await under(desk, Policy("workspace", approval), lines, ask=ask, sandbox="workspace")
    assert (ended.stop, desk.names()) == ("answer", ["a.txt", "made"])


async def test_a_read_only_sandbox_changes_nothing(desk: Desk) -> None:
    desk.put("a.txt", "old\n")
    lines = [
        desk.call("shell", command="cat a.txt"),
        desk.call("shell", command="echo x > b.txt"),
        desk.call("write", path="c.txt", content="x\n"),
        desk.call("shell", command="wc -c $(ls)"),
        "Done.",
    ]
    ended = await under(desk, Policy("read-only"), lines, sandbox="read-only")
    assert "old" in desk.given(1)
    assert "Read-only file system" in desk.given(2)
    assert "write was not run: nothing may be written here" in desk.given(3)
    assert "4 a.txt" in desk.given(4)
    assert desk.names() == ["a.txt"]
    assert ended.exit_code == 77


async def test_turns_that_went_by_without_a_permission_are_a_refusal(desk: Desk) -> None:
    """The exit code says what the user has to change, and the answer which rule it was."""
    lines = [desk.call("write", path="a.txt", content=f"{i}\n") for i in range(9)]
    ended = await under(desk, Policy("off", "ask"), lines, turns=2)
    assert (ended.stop, ended.exit_code, ended.turns) == ("denied", 77, 2)
    assert ended.answer == "write was not run: writes are asked for (rule: approval ask)."


async def test_turns_without_a_refusal_stay_turns(desk: Desk) -> None:
    lines = [desk.call("read", path=f"{i}.txt") for i in range(9)]
    ended = await under(desk, Policy("off", "ask"), lines, turns=2)
    assert (ended.stop, ended.exit_code, ended.answer) == ("turns", 53, "")


@pytest.mark.parametrize(("kind", "questions"), [("once", 2), ("no", 2), ("session", 1)])
async def test_nobody_is_asked_about_the_other_tries_of_a_small_model(
    desk: Desk, kind: Any, questions: int
) -> None:
    """Each would be a question about the same file; where the first answer holds they are made."""
    asked: list[ApprovalRequest] = []

    async def ask(question: ApprovalRequest) -> Answer:
        asked.append(question)
        return Answer(kind)

    check = desk.put_calculator()
    lines = [desk.read("calc.py").replace("a - b", f"a * b{' ' * i}") for i in range(3)]
    said = [desk.block("calc.py", text) for text in lines]
    await under(
        desk, Policy("off", "ask"), said, ask=ask, check=check, tries=3, turns=2,
        rivals={"*": "+"}, chunk=1,
    )  # fmt: skip
    assert len(asked) == questions
    tried = [n.text for n in desk.shown(Notice) if "trying another answer" in n.text]
    assert bool(tried) == (kind == "session")
    assert ("Change the code" in desk.given(1)) == (kind != "session")


async def test_a_no_ends_the_mending_of_a_project(desk: Desk) -> None:
    """It writes one file up to twelve times: the user is not asked twelve times."""
    asked: list[ApprovalRequest] = []

    async def ask(question: ApprovalRequest) -> Answer:
        asked.append(question)
        return Answer("once" if len(asked) == 1 else "no")

    plan = '{"files": [{"path": "main.py", "purpose": "x.", "defines": []}]}'
    lines = [plan, *(f"assert {i} < 0, 'main.py'\n```\n" for i in range(12))]
    session = await desk.open(lines, ask=ask)
    assert session._dispatcher is not None
    policy = Policy("off", "ask", can_ask=True)
    session._dispatcher = replace(session._dispatcher, policy=policy)
    job = Job("Build a small package that adds numbers.", session.workspace,
              check="python3 main.py", tries=3)  # fmt: skip
    ended = await session.do(job)
    assert [q.headline for q in asked] == ["write main.py", "write main.py"]
    assert (ended.stop, ended.exit_code) == ("denied", 77)
