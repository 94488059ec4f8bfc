"""A task with a check: repair, failures that go back, repeated answers, starting over."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from agent.app import Job
from agent.approval import Answer, ApprovalRequest
from agent.engine.base import Sampling
from agent.errors import PermissionDenied
from agent.events import CallMade, CheckEnded, CheckStarted, Event, Notice
from tests.turn.conftest import Desk
from tools.sandbox.missing import Missing


def body(expression: str) -> str:
    return f"def add(a, b):\n    return {expression}\n\n\ndef double(a):\n    return 2 * a\n"


@pytest.mark.parametrize("sandbox", ["off", "auto"])
async def test_a_right_block_passes_and_ends_the_turn(desk: Desk, right: str, sandbox: str) -> None:
    check = desk.put_calculator()
    said = "The sign is wrong.\n\n" + desk.block("calc.py", right)
    ended = await desk.do([said], check=check, sandbox=sandbox)
    assert (ended.stop, ended.exit_code, ended.turns) == ("check_passed", 0, 1)
    assert (ended.check_passed, ended.changed) == (True, ("calc.py",))
    assert ended.answer == "The sign is wrong."
    assert desk.read("calc.py") == right
    assert [c.passed for c in desk.shown(CheckEnded)] == [False, True]


async def test_the_prompt_has_the_files_and_what_fails(desk: Desk, wrong: str, right: str) -> None:
    check = desk.put_calculator()
    await desk.do([desk.block("calc.py", right)], "make it pass", check=check)
    given = desk.given(0)
    for part in (wrong, "test_calc.py\n```python\n", "AssertionError: -1 != 5", "make it pass"):
        assert part in given
    assert "Traceback" not in given
    assert not desk.engine.asked[0].constrained


async def test_a_small_model_is_made_to_act_and_sees_its_own_failures_only(
    desk: Desk, right: str
) -> None:
    check = desk.put_calculator()
    lines = [desk.block("calc.py", body("a + b + 10")), desk.block("calc.py", right)]
    ended = await desk.do(lines, "make it pass", check=check, tries=2)
    assert ended.stop == "check_passed"
    assert desk.engine.asked[0].constrained
    assert "AssertionError" not in desk.given(0)
    assert "AssertionError: 15 != 5" in desk.given(1)


async def test_a_failed_repair_gets_the_new_failure(desk: Desk, right: str) -> None:
    check = desk.put_calculator()
    lines = [desk.block("calc.py", body("a + b + 10")), desk.block("calc.py", right)]
    ended = await desk.do(lines, check=check)
    assert (ended.stop, ended.turns) == ("check_passed", 2)
    assert "AssertionError: 15 != 5" in desk.given(1)
    assert "-1 != 5" not in desk.given(1)
    assert desk.read("calc.py") == right
    assert desk.engine.asked[1].request.sampling.temperature == 0


async def test_each_write_of_the_same_file_is_checked(desk: Desk, right: str) -> None:
    check = desk.put_calculator()
    desk.put("notes.txt", "x\n")
    look = desk.call("read", path="notes.txt")
    lines = [look, *(desk.block("calc.py", body(x)) for x in ("1", "2"))]
    ended = await desk.do([*lines, desk.block("calc.py", right)], check=check)
    assert ended.stop == "check_passed"
    assert [c.passed for c in desk.shown(CheckEnded)] == [False, False, False, True]


async def test_an_answer_that_repeats_a_failed_one_is_asked_again_warmer(
    desk: Desk, right: str
) -> None:
    check = desk.put_calculator()
    same = desk.block("calc.py", body("a * b"))
    ended = await desk.do([same, same, desk.block("calc.py", right)], check=check)
    assert (ended.stop, ended.turns) == ("check_passed", 3)
    checks = desk.shown(CheckEnded)
    assert len(checks) == 3, "the repeated answer is not checked again"
    temperatures = [a.request.sampling.temperature for a in desk.engine.asked]
    assert temperatures[0] == temperatures[1] == 0 < temperatures[2]
    again = desk.engine.asked[2]
    assert len(again.request.delta) == 1, "only the last token of the prompt is evaluated again"
    assert again.usage is not None and again.usage.prompt == 1
    assert again.usage.reused == again.start
    assert same.strip() not in again.prompt[-len(same) :]
    # The log has neither the repeated answer nor a trace of it.
    assert desk.engine.words().count("a * b") <= 1


async def test_the_same_wrong_answer_for_ever_comes_to_an_end(desk: Desk) -> None:
    check = desk.put_calculator()
    same = desk.block("calc.py", body("a * b"))
    ended = await desk.do([same] * 40, check=check, turns=30)
    assert ended.exit_code != 0
    samplings = [a.request.sampling for a in desk.engine.asked[1:]]
    tried = [(s.temperature, s.seed) for s in samplings if s.temperature > 0]
    assert len(set(tried)) == len(tried), "the same question in the same way has the same answer"


async def test_the_users_seed_counts_in_every_try(desk: Desk, right: str) -> None:
    check = desk.put_calculator()
    same = desk.block("calc.py", body("a * b"))
    seeds = []
    for seed in (1, 1000):
        desk.put_calculator()
        lines = [same, same, desk.block("calc.py", right)]
        await desk.do(lines, check=check, sampling=Sampling(seed=seed))
        seeds.append([a.request.sampling.seed for a in desk.engine.asked])
    assert not set(seeds[0]) & set(seeds[1])


TAIL = "\n\n\ndef double(a):\n    return 2 * a\n```\n"


async def test_another_answer_takes_the_second_choice(desk: Desk, right: str) -> None:
    check = desk.put_calculator()
    lines = [desk.block("calc.py", body("a * b")), " b" + TAIL]
    ended = await desk.do(lines, check=check, tries=4, chunk=1, rivals={"*": "+"})
    assert (ended.stop, ended.exit_code, ended.turns) == ("check_passed", 0, 2)
    assert desk.read("calc.py") == right
    again = desk.engine.asked[1]
    assert again.prompt.endswith("calc.py\n```python\ndef add(a, b):\n    return a +")
    assert again.usage is not None
    assert (again.usage.prompt, again.usage.reused) == (1, again.start)
    assert any("another answer" in n.text for n in desk.shown(Notice))


async def test_another_answer_finds_the_files_as_they_were(
    desk: Desk, wrong: str, right: str
) -> None:
    check = desk.put_calculator()
    seen: list[tuple[str, list[str]]] = []
    # What is written is restored before the other answer's calls run, so its check sees only it.
    first = desk.block("extra.py", "x = 1\n") + desk.block("calc.py", body("a * b"))

    def look(event: Event) -> None:
        if isinstance(event, CallMade) and event.id.startswith("2."):
            seen.append((desk.read("calc.py"), desk.names()))

    desk.screen.on_show = look
    lines = [first, " b" + TAIL]
    ended = await desk.do(lines, check=check, tries=2, chunk=1, rivals={"*": "+"})
    assert seen[0] == (wrong, ["calc.py", "test_calc.py"])
    assert ended.stop == "check_passed"
    assert desk.read("calc.py") == right


async def test_a_file_that_was_taken_back_is_not_among_the_changed(desk: Desk) -> None:
    check = desk.put_calculator()
    code = "def run():\n    return 1*1\n"
    first = desk.block("calc.py", body("a / b")) + desk.block("extra.py", code)

    lines = [first, f" b{TAIL}"]
    ended = await desk.do(lines, check=check, tries=2, chunk=1, rivals={"/": "+"})
    assert ended.stop == "check_passed"
    assert desk.names() == ["calc.py", "test_calc.py"]
    assert ended.changed == ("calc.py",)


async def test_a_branch_of_an_older_answer_is_what_is_written(desk: Desk) -> None:
    """The log and the file say the same, whichever answer a branch comes from."""
    check = desk.put_calculator()
    lines = [desk.block("calc.py", body("a / b % 1")), f" b % 2{TAIL}", f" 0{TAIL}", f" 9{TAIL}"]
    await desk.do(lines, check=check, tries=3, chunk=1, turns=3, rivals={"/": "*", "%": "-"})
    prompts = [asked.prompt.rsplit("return ", 1)[-1] for asked in desk.engine.asked[1:3]]
    assert sorted(prompts) == ["a *", "a / b -"]


async def test_the_best_of_several_answers_stays(desk: Desk) -> None:
    check = desk.put_calculator()
    # The first fails one test, the other both.
    lines = [desk.block("calc.py", body("a * b")), " b\n```\n", "I do not know."]
    worse = {"*": "!"}
    ended = await desk.do(lines, check=check, tries=2, chunk=1, turns=3, rivals=worse)
    assert ended.check_passed is False
    assert desk.read("calc.py") == body("a * b")
    assert "return a !" not in desk.engine.asked[2].prompt
    assert "return a * b" in desk.engine.asked[2].prompt


async def test_a_command_in_another_answer_is_not_run(desk: Desk) -> None:
    """What a command did cannot be taken back."""
    check = desk.put_calculator()
    rest = f" b{TAIL}{desk.call('shell', command='touch made')}"
    lines = [desk.block("calc.py", body("a * b")), rest.replace("2 * a", "0"), "I give up."]
    await desk.do(lines, check=check, tries=2, chunk=1, turns=3, rivals={"*": "/"})
    assert "made" not in desk.names()


async def test_a_second_task_does_not_undo_the_first(desk: Desk, right: str) -> None:
    check = desk.put_calculator()
    made = [desk.block("made.py", "x = 1\n"), "Made."]
    tries = [desk.block("calc.py", body(x)) for x in ("1", "2")]
    session = await desk.open([*made, *tries, desk.block("calc.py", right)])
    await session.do(Job("make a file", session.workspace))
    assert desk.names() == ["calc.py", "made.py", "test_calc.py"]
    ended = await session.do(Job("fix it", session.workspace, check=check))
    assert ended.stop == "check_passed"
    assert desk.read("made.py") == "x = 1\n"


async def test_a_refused_write_goes_back_with_its_reason(desk: Desk, right: str) -> None:
    """The model can only do better when it reads why nothing was written."""
    check = desk.put_calculator()
    outside = desk.block("../calc.py", right)
    ended = await desk.do([outside, desk.block("calc.py", right)], check=check)
    assert ended.stop == "check_passed"
    assert "outside of the workspace" in desk.given(1)


async def test_after_tools_nothing_is_taken_back(desk: Desk, right: str) -> None:
    """Only an answer that did nothing but write files can be undone."""
    check = desk.put_calculator()
    shell = desk.call("shell", command="echo 1 > made")
    lines = [shell, *(desk.block("calc.py", body(x)) for x in ("1", "2"))]
    ended = await desk.do([*lines, desk.block("calc.py", right)], check=check)
    assert ended.stop == "check_passed"
    assert not any("starting over" in n.text for n in desk.shown(Notice))
    assert desk.engine.asked[3].request.sampling.temperature == 0


async def test_a_check_that_passes_before_the_work_is_run_again_after_it(desk: Desk) -> None:
    check = f"{sys.executable} -c 'import a'"
    desk.put("a.py", "x = 1\n")
    lines = [desk.block("a.py", "x = (\n"), "Done.", desk.block("a.py", "x = 2\n")]
    ended = await desk.do(lines, "set x to 2", check=check)
    assert not desk.engine.asked[0].constrained
    assert desk.shown(CheckEnded)[0].passed
    assert (ended.stop, ended.check_passed, ended.exit_code) == ("check_passed", True, 0)
    assert "SyntaxError" in desk.given(2)


async def test_a_check_that_never_passes_is_a_failure(desk: Desk) -> None:
    check = desk.put_calculator()
    lines = [desk.block("calc.py", body(str(i + 100))) for i in range(40)]
    ended = await desk.do(lines, check=check)
    assert ended.check_passed is False
    assert ended.exit_code in (1, 53)
    assert len(desk.shown(CheckStarted)) == len(desk.shown(CheckEnded))


async def test_without_a_sandbox_the_check_is_refused(desk: Desk) -> None:
    check = desk.put_calculator()
    session = await desk.open(["x"])
    assert session._dispatcher is not None
    context = replace(session._dispatcher.context, sandbox=Missing("bubblewrap is missing"))
    session._dispatcher = replace(session._dispatcher, context=context)
    with pytest.raises(PermissionDenied, match=r"the check was not run.*bubblewrap is missing"):
        await session.do(Job("fix it", session.workspace, check=check))
    assert desk.engine.asked == []


async def test_without_a_sandbox_a_person_is_asked_once_for_the_check(
    desk: Desk, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.app.find_sandbox", lambda *_given: Missing("bubblewrap is missing"))
    check = desk.put_calculator()
    asked: list[str] = []

    async def yes(question: ApprovalRequest) -> Answer:
        asked.append(question.detail)
        return Answer("once")

    ended = await desk.do([desk.block("calc.py", right)], check=check, sandbox="auto", ask=yes)
    assert ended.stop == "check_passed"
    assert asked == [check]
