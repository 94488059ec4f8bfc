"""A task without a check: answers, calls and what goes back for them."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from agent.app import Job
from agent.approval import Answer, ApprovalRequest
from agent.dialects.chatml import ChatmlJson
from agent.dialects.choose import choose_dialect
from agent.engine.scripted import ScriptedEngine
from agent.events import CallMade, CallRejected, CallReturned, SessionStarted, TaskGiven, TurnEnded
from tests.turn.conftest import Desk
from tools.sandbox.missing import Missing


def test_the_scripted_engine_speaks_chatml() -> None:
    dialect = choose_dialect(ScriptedEngine([]).info.chat_template, blocks=True)
    assert isinstance(dialect, ChatmlJson)


async def test_an_answer_without_calls_ends_the_turn(desk: Desk) -> None:
    ended = await desk.do(["It is a folder.\n"], "what is this?")
    assert (ended.stop, ended.exit_code, ended.turns) == ("answer", 0, 1)
    assert ended.answer == "It is a folder."
    assert (ended.changed, ended.check_passed) == ((), None)
    assert "what is this?" in desk.given(0)
    assert [type(e) for e in desk.logged[:2]] == [SessionStarted, TaskGiven]
    assert desk.logged[-1] == ended


async def test_calls_run_in_order_and_their_results_go_back(desk: Desk) -> None:
    two = desk.call("write", path="a.txt", content="one\n")
    two += "\n" + desk.call("shell", command="cat a.txt; echo two >> a.txt")
    ended = await desk.do([two, desk.call("read", path="a.txt"), "Done."])
    assert (ended.stop, ended.answer, ended.turns) == ("answer", "Done.", 3)
    assert desk.read("a.txt") == "one\ntwo\n"
    assert [c.name for c in desk.shown(CallMade)] == ["write", "shell", "read"]
    assert len({c.id for c in desk.shown(CallMade)}) == 3
    back = desk.given(1)
    assert back.count("<tool_response>") == 2
    assert back.index("wrote a.txt") < back.index("one\nexit code 0")
    assert "two" in desk.given(2)
    assert ended.changed == ("a.txt",)


async def test_a_file_is_changed_in_a_git_repository(desk: Desk) -> None:
    desk.put("src/a.py", "x = 1\n")
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=b commit -qm 1"):
        git(desk, *command.split())
    edit = desk.call("edit", path="src/a.py", old="x = 1", new="x = 2")
    ended = await desk.do([desk.call("read", path="src/a.py"), edit, "Changed."])
    assert git(desk, "status", "--porcelain") == " M src/a.py\n"
    assert ended.changed == ("src/a.py",)
    diffs = [c.diff for c in desk.shown(CallReturned) if c.diff]
    assert ["-x = 1" in d and "+x = 2" in d for d in diffs] == [True]


def git(desk: Desk, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=desk.root, check=True, capture_output=True, text=True
    )
    return done.stdout


async def test_a_command_runs_in_the_real_sandbox(desk: Desk) -> None:
    outside = desk.root.parent / "outside"
    command = f"echo in > inside; echo out > {outside}"
    ended = await desk.do([desk.call("shell", command=command), "Done."], sandbox="auto")
    assert desk.names() == ["inside"]
    assert not outside.exists()
    assert ended.exit_code == 0


async def test_a_call_that_cannot_be_read_goes_back_with_the_reason(desk: Desk) -> None:
    broken = '<tool_call>\n{"name": "read", "arguments": {"path": a.txt}}\n</tool_call>'
    await desk.do([broken, "I give up."])
    (rejected,) = desk.shown(CallRejected)
    assert "not valid JSON" in rejected.reason
    back = desk.given(1)
    assert rejected.reason in back
    for name in ("read", "write", "edit", "list", "grep", "shell"):
        assert name in back


async def test_a_call_that_was_cut_off_goes_back(desk: Desk) -> None:
    ended = await desk.do(['<tool_call>\n{"name": "read", "arguments": {"pa', "Stop."])
    assert "cut off" in desk.given(1)
    assert ended.stop == "answer"


async def test_an_unknown_tool_goes_back_with_those_that_exist(desk: Desk) -> None:
    await desk.do([desk.call("bash", command="ls"), "Stop."])
    assert "there is no tool 'bash'" in desk.given(1)
    assert "shell" in desk.given(1)
    (returned,) = desk.shown(CallReturned)
    assert not returned.ok


async def test_wrong_arguments_go_back_with_the_schema(desk: Desk) -> None:
    await desk.do([desk.call("read", file="a.txt"), "Stop."])
    back = desk.given(1)
    assert "read was not run" in back
    assert "path: Field required" in back
    assert "file: Extra inputs" in back
    assert '"first_line"' in back


async def test_the_same_call_three_times_ends_the_turn(desk: Desk) -> None:
    desk.put("a.txt", "x\n")
    ended = await desk.do([desk.call("read", path="a.txt")] * 5)
    assert (ended.stop, ended.exit_code, ended.turns) == ("repeated", 1, 3)


async def test_the_same_call_after_a_change_is_a_new_question(desk: Desk) -> None:
    read = desk.call("read", path="a.txt")
    steps = [desk.call("write", path="a.txt", content=f"{i}\n") for i in range(4)]
    lines = [line for step in steps for line in (step, read)]
    ended = await desk.do([*lines, "Done."])
    assert (ended.stop, ended.turns) == ("answer", 9)


async def test_without_a_sandbox_commands_are_refused(desk: Desk) -> None:
    session = await desk.open([desk.call("shell", command="touch x"), "I could not."])
    no_sandbox(desk)
    ended = await session.do(Job("run it", session.workspace))
    assert (ended.stop, ended.exit_code) == ("denied", 77)
    assert ended.answer == "I could not."
    assert "no sandbox was found" in desk.given(1)
    assert desk.names() == []


def no_sandbox(desk: Desk) -> None:
    """As on a machine without bubblewrap."""
    assert desk.session is not None and desk.session._dispatcher is not None
    dispatcher = desk.session._dispatcher
    context = replace(dispatcher.context, sandbox=Missing("bubblewrap is not installed"))
    policy = replace(dispatcher.policy, sandbox="workspace")
    desk.session._dispatcher = replace(dispatcher, context=context, policy=policy)


async def test_a_person_may_allow_a_command_without_a_sandbox(desk: Desk) -> None:
    questions: list[str] = []

    async def ask(question: ApprovalRequest) -> Answer:
        questions.append(question.detail)
        return Answer("once" if question.detail == "touch yes" else "no")

    lines = [desk.call("shell", command=f"touch {x}") for x in ("yes", "no")]
    session = await desk.open([*lines, "Done."], ask=ask)
    no_sandbox(desk)
    ended = await session.do(Job("run it", session.workspace))
    assert questions == ["touch yes", "touch no"]
    assert desk.names() == ["yes"]
    assert ended.stop == "denied"


async def test_code_without_a_path_is_asked_about_once(desk: Desk) -> None:
    code = "Here:\n```python\nprint(1)\n```\n"
    ended = await desk.do([code, code])
    assert (ended.stop, ended.turns) == ("answer", 2)
    assert "Nothing was written" in desk.given(1)
    assert desk.names() == []
    assert isinstance(desk.logged[-1], TurnEnded)


async def test_code_gets_its_place_when_asked(desk: Desk) -> None:
    code = "```python\nprint(1)\n```\n"
    ended = await desk.do([f"Here:\n{code}", f"hello.py\n{code}", "Written."])
    assert ended.changed == ("hello.py",)
    assert desk.read("hello.py") == "print(1)\n"
    assert ended.stop == "answer"


async def test_code_may_be_the_answer_to_a_question(desk: Desk) -> None:
    ended = await desk.do(["So:\n```python\nprint(1)\n```\n"], "How is 1 printed?")
    assert (ended.turns, ended.stop) == (1, "answer")


async def test_after_that_question_the_model_may_say_no(desk: Desk) -> None:
    """The question offers to answer in a sentence, so nothing may force a file."""
    await desk.do(["Here:\n```python\nprint(1)\n```\n", "It is only an example."])
    assert [a.constrained for a in desk.engine.asked] == [False, False]


@pytest.mark.parametrize(
    ("task", "tries", "held"),
    [
        ("What does a.txt say?", 8, [False, True]),
        ("@files what does a.txt say?", 8, [False, True]),
        ("What does a.txt say?", 1, [False, False]),  # a large model knows when it is done
        ("Can you write down what a.txt says?", 8, [False, False]),
        ("What does a.txt say? Write it into b.txt.", 8, [False, False]),
    ],
)
async def test_a_small_model_that_was_told_what_it_asked_for_says_it(
    desk: Desk, task: str, tries: int, held: list[bool]
) -> None:
    desk.put("a.txt", "milk")
    await desk.do([desk.call("read", path="a.txt"), "It says milk."], task, tries=tries)
    assert [asked.constrained for asked in desk.engine.asked] == held
    assert (f"from what the tools said: {task}" in desk.given(1)) == held[1]


async def test_a_small_model_that_was_told_nothing_may_go_on_calling(desk: Desk) -> None:
    lines = [desk.call("read", path="none.txt"), desk.call("list"), "Nothing is there."]
    await desk.do(lines, "What is there?", tries=8)
    assert [asked.constrained for asked in desk.engine.asked] == [False, False, True]


@pytest.mark.parametrize(("tries", "held", "shown"), [(8, True, False), (1, False, True)])
async def test_a_small_model_is_talked_to_without_the_files(
    desk: Desk, tries: int, held: bool, shown: bool
) -> None:
    desk.put("a.py", "x = 1\n")
    ended = await desk.do(["You're welcome."], "Thanks a lot", tries=tries)
    assert (ended.answer, ended.turns) == ("You're welcome.", 1)
    assert [asked.constrained for asked in desk.engine.asked] == [held]
    assert ("x = 1" in desk.given(0)) is shown
    assert ("No file is asked for" in desk.given(0)) is held


async def test_what_a_talk_turns_into_is_done(desk: Desk) -> None:
    lines = ["I look:\n" + desk.call("list"), desk.block("b.py", "y = 2\n"), "I wrote b.py."]
    ended = await desk.do(lines, "Go on", tries=8)
    assert (ended.changed, ended.answer) == (("b.py",), "I wrote b.py.")


async def test_a_small_model_that_wrote_says_so_or_goes_on(desk: Desk) -> None:
    """Left to itself it writes the same once more, and once more."""
    desk.put("a.py", "x = 1\n")
    lines = [desk.block("a.py", "x = 2\n"), "And:\n" + desk.block("b.py", "y = 2\n"), "Both."]
    ended = await desk.do(lines, "Fix a.py and write b.py", tries=8)
    assert (ended.changed, ended.answer, ended.stop) == (("a.py", "b.py"), "Both.", "answer")
    assert [asked.constrained for asked in desk.engine.asked] == [True, True, True]
    assert "say in one sentence what you changed" in desk.given(1)


async def test_a_large_model_is_not_asked_what_it_wrote(desk: Desk) -> None:
    lines = [desk.block("a.py", "x = 2\n"), "Done."]
    await desk.do(lines, "Fix a.py", tries=1)
    assert "say in one sentence" not in desk.given(1)


@pytest.mark.parametrize("tries", [1, 8])
async def test_writing_once_more_what_stands_there_is_the_end(desk: Desk, tries: int) -> None:
    block = desk.block("a.py", "x = 2\n")
    ended = await desk.do([block, "So:\n" + block], "Fix a.py", tries=tries)
    assert (ended.stop, ended.changed, ended.answer) == ("answer", ("a.py",), "So:")


async def test_a_copy_of_the_file_is_no_answer_to_a_wish(desk: Desk) -> None:
    """It is written again, warmer; the copy is not in the log any more."""
    desk.put("a.py", "x = 1\n")
    copy, right = desk.block("a.py", "x = 1\n"), desk.block("a.py", "x = 2\n")
    ended = await desk.do([copy, copy, right, "Now it is 2."], "a.py should say 2", tries=8)
    assert (desk.read("a.py"), ended.answer) == ("x = 2\n", "Now it is 2.")
    assert [asked.request.sampling.temperature > 0 for asked in desk.engine.asked] == [
        False, True, True, False,
    ]  # fmt: skip
    words = desk.engine.words()
    assert words.count("x = 2") == 1 and words.count("x = 1") == 1


async def test_who_copies_and_copies_is_told_so_in_the_end(desk: Desk) -> None:
    desk.put("a.py", "x = 1\n")
    copy = desk.block("a.py", "x = 1\n")
    ended = await desk.do([*[copy] * 5, "It is fine as it is."], "a.py should say 2", tries=8)
    assert (ended.stop, ended.answer, ended.changed) == ("answer", "It is fine as it is.", ())
    assert "no change" in desk.given(5)
