"""Whole projects: planned, then written file by file through a window that is smaller than they."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.app import Session
from agent.engine.scripted import ScriptedEngine
from agent.events import CallDelta, CallMade, Notice, TextDelta
from agent.job import Job
from agent.messages import Segment
from agent.session import SessionLog
from agent.session.resume import folded
from tests.turn.conftest import Desk
from tools.workspace import Workspace

TASK = "Build a command-line application that adds up numbers."
COUNT = 40


def plan(paths: list[str]) -> str:
    files = [
        {
            "path": path,
            "purpose": f"Does part {n}.",
            "defines": [f"work_{n}(value: int) -> int"] if path.startswith("app/m") else [],
        }
        for n, path in enumerate(paths)
    ]
    return json.dumps({"files": files})


def module(number: int) -> str:
    """A module of about 1,900 characters that uses the one before it."""
    before = f"from app.m{number - 1:02} import work_{number - 1}\n\n\n" if number else ""
    inner = f"work_{number - 1}(value)" if number else "value"
    note = "".join(
        f"    0  # {n}: why this is as it is, said at some length here\n" for n in range(30)
    )
    return f"{before}def work_{number}(value: int) -> int:\n{note}    return {inner} + 1\n"


PATHS = [f"app/m{n:02}.py" for n in range(COUNT - 2)] + ["test_app.py"]
LAST = COUNT - 3
TEST = f"from app.m{LAST:02} import work_{LAST}\n\nassert work_{LAST}(0) == {LAST + 1}\n"


def content(path: str) -> str:
    return TEST if path == "test_app.py" else module(int(path[5:7]))


def asked_for(prompt: str) -> str:
    """The file that the last message wants."""
    found: list[str] = re.findall(r"Write `([^`]+)` now", prompt)
    return found[-1]


def writer(begun: bool = False) -> Callable[[str], str]:
    """Writes the file that it is asked for; with `begun` its path, its fence and the first line of
    what it defines stand already."""

    def line(prompt: str) -> str:
        path = asked_for(prompt)
        text = f"{content(path)}```\n"
        if begun and path.startswith("app/m"):
            return text.partition("-> int:\n")[2]
        return text if begun else f"{path}\n```python\n{text}"

    return line


def assert_sound(desk: Desk, n_ctx: int) -> None:
    """No request leaves the window, and the log on disk has the very tokens of the engine."""
    for asked in desk.engine.asked:
        assert asked.request.max_tokens > 0
        assert asked.start + len(asked.request.delta) + asked.request.max_tokens <= n_ctx
    assert list(folded("x", desk.logged).tokens) == list(desk.engine.log)


def notices(desk: Desk) -> str:
    return "\n".join(event.text for event in desk.shown(Notice))


@pytest.mark.parametrize(("chunk", "tries"), [(4, 1), (4, 3), (3, 1)])
async def test_forty_files_through_a_window_that_is_smaller(
    desk: Desk, chunk: int, tries: int
) -> None:
    lines = [plan(PATHS), *[writer(begun=tries > 1)] * COUNT]
    ended = await desk.do(
        lines, TASK, n_ctx=8192, chunk=chunk, turns=0, tries=tries, check="python3 test_app.py"
    )
    assert (ended.stop, ended.check_passed, len(ended.changed)) == ("check_passed", True, COUNT)
    assert desk.names() == sorted([*PATHS, "app/__init__.py"])
    assert all(desk.read(path) == content(path) for path in PATHS)
    written = sum(len(desk.engine.tokenize([Segment(desk.read(n))])) for n in desk.names())
    assert written > 8192
    assert_sound(desk, 8192)
    # The plan stands in the log once, and every file is written right behind it.
    others = desk.engine.asked[1:]
    assert len({asked.start for asked in others}) == 1
    # At most the end of the plan is evaluated with it, since that was only sampled.
    assert all(a.usage and a.usage.prompt <= len(a.request.delta) + 1 for a in others)


async def test_each_file_is_written_from_the_plan_with_the_outlines_of_the_others(
    desk: Desk, tmp_path: Path
) -> None:
    desk.engine = ScriptedEngine([plan(PATHS[:3]), *[writer()] * 4], n_ctx=8192)
    log = SessionLog.create(desk.state)
    maps = tmp_path / "maps.sqlite"
    desk.session = Session(desk.engine, Workspace(desk.root), log, desk.screen, maps=maps)
    await desk.session.start(sandbox="off")

    ended = await desk.session.do(Job(TASK, desk.session.workspace))
    assert ended.stop == "answer" and ended.answer.startswith("Wrote app/m00.py, app/m01.py")
    init = "from app.m00 import work_0\nfrom app.m01 import work_1\nfrom app.m02 import work_2\n"
    assert desk.read("app/__init__.py") == f'"""The package app."""\n\n{init}'
    last = desk.given(-1)
    assert "- app/m01.py: Does part 1. Defines: work_1(value: int) -> int" in last
    assert "It defines: work_2(value: int) -> int." in last
    outline = last.partition("Written already")[2]
    assert "def work_1(value: int) -> int" in outline and "why this is as it is" not in outline
    assert "Written already" not in desk.given(1)


async def test_the_plan_is_no_text_to_read(desk: Desk) -> None:
    await desk.do([plan(["a.py"]), "x = 1\n```\n"], TASK, tries=3)
    assert desk.shown(TextDelta) == []
    shown = "".join(e.text for e in desk.shown(CallDelta) if e.name == "blueprint")
    assert shown == plan(["a.py"])


async def test_what_is_no_python_is_written_once_more(desk: Desk) -> None:
    lines = [plan(["a.py"]), desk.block("a.py", "def broken(:\n"), desk.block("a.py", "x = 1\n")]
    ended = await desk.do(lines, TASK)
    assert (ended.stop, desk.read("a.py")) == ("answer", "x = 1\n")
    assert "a.py once more: it is no valid Python" in notices(desk)
    assert "broken" not in desk.engine.asked[-1].prompt
    assert desk.engine.asked[1].request.sampling != desk.engine.asked[2].request.sampling
    assert_sound(desk, 8192)


async def test_the_last_attempt_stands_and_the_check_repairs_it(desk: Desk) -> None:
    broken = desk.block("a.py", "def broken(:\n")
    lines = [plan(["a.py"]), broken, broken, broken, desk.block("a.py", "x = 1\n")]
    ended = await desk.do(lines, TASK, check="python3 a.py")
    assert (ended.stop, desk.read("a.py")) == ("check_passed", "x = 1\n")
    assert "def broken(:" in desk.given(-1)


@pytest.mark.parametrize(
    "said",
    [
        "I would rather not.",
        Desk.block("other.py", "x = 1\n"),
        Desk.call("shell", command="touch owned"),
        Desk.call("read", path="a.py"),
    ],
)
async def test_only_the_file_that_was_asked_for_is_written(desk: Desk, said: str) -> None:
    lines = [plan(["a.py", "b.py"]), said, said, said, desk.block("b.py", "y = 1\n")]
    ended = await desk.do(lines, TASK)
    assert ended.stop == "answer" and desk.names() == ["b.py"]
    assert "a.py was not written: no file was written" in notices(desk)
    assert {event.name for event in desk.shown(CallMade)} == {"write"}


NOPLAN = ("I shall begin with the files.", '{"files": [{"path": "a.p', '{"files": []}')


@pytest.mark.parametrize("said", NOPLAN)
async def test_without_a_plan_the_work_goes_on_as_usual(desk: Desk, said: str) -> None:
    lines = [said, desk.block("a.py", "x = 1\n"), "done"]
    ended = await desk.do(lines, TASK)
    assert (ended.stop, ended.answer, desk.read("a.py")) == ("answer", "done", "x = 1\n")
    assert "made no plan that can be read" in notices(desk)
    prompt = desk.engine.asked[1].prompt
    assert prompt.count(TASK) == 1 and "plan this project" not in prompt
    assert prompt.count("<|im_start|>system") == 1
    # The fixed prompt is not evaluated again.
    usage = desk.engine.asked[1].usage
    assert usage is not None and usage.prompt == len(desk.engine.asked[1].request.delta)
    assert desk.engine.asked[1].start > 0
    assert_sound(desk, 8192)


@pytest.mark.parametrize(
    ("limits", "stop", "written"),
    [({"turns": 3}, "turns", 2), ({"tool_calls": 2}, "tool_calls", 2)],  # the plan is a turn
)
async def test_limits_hold(desk: Desk, limits: dict[str, Any], stop: str, written: int) -> None:
    ended = await desk.do([plan(PATHS[:9]), *[writer()] * 9], TASK, **limits)
    assert ended.stop == stop and len(ended.changed) == written
    # What was written is not in the window: the next task is shown it again.
    assert desk.session is not None
    assert not any(desk.session.workspace.is_shown(desk.root / name) for name in desk.names())


async def test_a_plan_that_fills_the_window_still_leaves_room(desk: Desk) -> None:
    lines = [plan(PATHS), *[writer()] * COUNT]
    ended = await desk.do(lines, TASK, n_ctx=4096, turns=0)
    assert ended.stop in ("answer", "context")
    assert_sound(desk, 4096)


async def test_a_task_longer_than_the_window(desk: Desk) -> None:
    task = f"{TASK} {'It has to be good. ' * 3000} End with b.py."
    ended = await desk.do([plan(["b.py"]), desk.block("b.py", "y = 1\n")], task, n_ctx=4096)
    assert ended.stop == "answer" and desk.names() == ["b.py"]
    assert "End with b.py." in desk.engine.asked[0].prompt
    assert_sound(desk, 4096)


async def test_files_with_other_names_are_written_too(desk: Desk) -> None:
    paths = [".gitignore", "Makefile", "data/x.json", "README.md", "web/index.html", "LICENSE"]

    def line(prompt: str) -> str:
        ticks = "````" if asked_for(prompt).endswith(".md") else "```"
        return f"some text\n{ticks}\n"

    ended = await desk.do([plan(paths), *[line] * 6], TASK, tries=3)
    assert desk.names() == sorted(paths), notices(desk)
    assert ended.stop == "answer"


async def test_another_task_goes_on_behind_it(desk: Desk) -> None:
    await desk.do([plan(["a.py"]), desk.block("a.py", "x = 1\n"), "fine"], TASK)
    assert desk.session is not None

    job = Job("What is x in a.py?", desk.session.workspace)
    assert (await desk.session.do(job)).answer == "fine"
    assert "x = 1" in desk.given(-1)
    assert_sound(desk, 8192)


async def test_a_file_that_leaves_its_work_to_a_later_one_is_written_once_more(desk: Desk) -> None:
    lines = [
        plan(["pkg/a.py", "pkg/b.py"]),
        desk.block("pkg/a.py", "from pkg.b import work\n"),
        desk.block("pkg/a.py", "def add(a, b):\n    return a + b\n"),
        desk.block("pkg/b.py", "from pkg.a import add\n"),
    ]
    ended = await desk.do(lines, TASK)
    assert ended.stop == "answer" and desk.read("pkg/a.py").startswith("def add")
    assert "pkg/a.py once more: it imports pkg/b.py, which is written later" in notices(desk)
    assert "import only what is written already" in desk.given(3)


async def test_the_first_file_is_told_that_there_is_no_other(desk: Desk) -> None:
    await desk.do([plan(["a.py"]), desk.block("a.py", "x = 1\n")], TASK)
    assert "It imports none of the other files" in desk.given(1)


async def test_a_file_without_an_end_is_cut_off_and_written_once_more(desk: Desk) -> None:
    """A small model may go on with a list until the window is full."""
    endless = "".join(f"X{n} = {n}\n" for n in range(3000))
    lines = [plan(["a.py"]), endless, "x = 1\n```\n"]
    ended = await desk.do(lines, TASK, tries=8, n_ctx=16_384)
    assert (ended.stop, desk.read("a.py")) == ("answer", "x = 1\n")
    assert [asked.request.max_tokens for asked in desk.engine.asked[1:3]] == [2048, 2048]


async def test_of_tests_without_an_end_the_whole_ones_stay(desk: Desk) -> None:
    head = "def test_one():\n    assert 1 == 1\n\n\ndef test_many():\n"
    endless = "".join(f"    assert {n} == {n}  # one more of them\n" for n in range(3000))
    lines = [plan(["a.py", "test_a.py"]), "x = 1\n```\n", head + endless]
    ended = await desk.do(lines, TASK, tries=8, n_ctx=8192, check="python3 test_a.py")
    assert (ended.stop, ended.turns) == ("check_passed", 3)
    written = desk.read("test_a.py")
    assert written.startswith(head) and written.endswith("# one more of them\n")
    assert "test_a.py had no end: what is whole of it stays" in notices(desk)


async def test_where_tests_go_in_circles_nothing_of_it_stays(desk: Desk) -> None:
    head = "def test_one():\n    assert 1 == 1\n    assert 2 == 2\n"
    lines = [plan(["a.py", "test_a.py"]), "x = 1\n```\n", head + "    assert 3 == 3\n" * 500]
    ended = await desk.do(lines, TASK, tries=8, n_ctx=8192, check="python3 test_a.py")
    assert (ended.stop, desk.read("test_a.py")) == ("check_passed", head)


async def test_of_a_document_without_an_end_the_whole_lines_stay(desk: Desk) -> None:
    lines = [plan(["README.md"]), "# It\n\nIt adds.\n" + "Yes, it does.\n" * 300]
    await desk.do(lines, TASK, tries=8, n_ctx=8192)
    assert desk.read("README.md") == "# It\n\nIt adds.\n"
    assert "Ten lines at most" in desk.given(-1)


async def test_tests_are_to_be_few(desk: Desk) -> None:
    await desk.do([plan(["a.py", "test_a.py"]), *[writer_of("x = 1\n")] * 2], TASK)
    said = "Three short tests at most"
    assert said not in desk.given(1) and said in desk.given(2)


def writer_of(text: str) -> Callable[[str], str]:
    return lambda prompt: f"{asked_for(prompt)}\n```python\n{text}```\n"


async def test_a_file_that_lacks_what_others_count_on_is_written_once_more(desk: Desk) -> None:
    planned = json.dumps(
        {"files": [{"path": "a.py", "purpose": "Adds.", "defines": ["add(a, b)"]}]}
    )
    wrong = "class Adder:\n    def add(self, a, b):\n        return a + b\n"
    right = "def add(a, b):\n    return a + b\n"
    await desk.do([planned, desk.block("a.py", wrong), desk.block("a.py", right)], TASK)
    assert desk.read("a.py") == right
    assert "a.py once more: it does not define add" in notices(desk)


TWO = json.dumps(
    {"files": [{"path": "a.py", "purpose": "", "defines": ["add(a, b)", "sub(a, b)"]}]}
)


async def test_the_attempt_that_lacks_least_stands(desk: Desk) -> None:
    half = "def add(a, b):\n    return a + b\n"
    lines = [TWO, desk.block("a.py", "x = 1\n"), desk.block("a.py", half), "I give up."]
    await desk.do(lines, TASK)
    assert desk.read("a.py") == half
    said = notices(desk)
    assert said.index("it does not define add, sub") < said.index("it does not define sub")
    assert "The last try would not do: it does not define sub." in desk.given(-1)


async def test_what_is_missing_is_begun_for_a_small_model(desk: Desk) -> None:
    rest = "    return a + b\n\n\ndef sub(a, b):\n    return a - b\n```\n"
    wrong = "class Adder:\n    def add(self, a, b):\n        return a + b\n```\n"
    await desk.do([TWO, wrong, rest], TASK, tries=3)
    assert desk.read("a.py") == f"def add(a, b):\n{rest.removesuffix('```' + chr(10))}"


async def test_what_is_left_out_is_written_behind_the_rest(desk: Desk) -> None:
    task = "Build a package: add(a, b), which gives the sum, and sub(a, b), which gives the rest."
    lines = [TWO, "    return a + b\n```\n", "    return a - b\n```\n"]
    await desk.do(lines, task, tries=3)
    assert desk.read("a.py") == (
        'def add(a, b):\n    """Gives the sum."""\n    return a + b\n\n\n'
        'def sub(a, b):\n    """Gives the rest."""\n    return a - b\n'
    )
    assert "The task says: add(a, b), which gives the sum; sub(a, b), which" in desk.given(1)


async def test_main_begins_with_its_arguments(desk: Desk) -> None:
    file = {"path": "a.py", "purpose": "Adds.", "defines": ["add(a, b)"]}
    lines = [
        json.dumps({"files": [file]}),
        "    return a + b\n```\n",
        "    print(add(int(left), int(right)))\n```\n",
    ]
    task = "Build a command-line tool: python -m a LEFT RIGHT, which prints the sum."
    ended = await desk.do(lines, task, check="python3 -m a 1 2 | grep -x 3", tries=3)
    assert ended.check_passed
    assert "left, right = sys.argv[1:]" in desk.read("a.py")


async def test_tests_begin_with_what_they_import(desk: Desk) -> None:
    files = [
        {"path": "a.py", "purpose": "Reads.", "defines": ["read(path)"]},
        {"path": "tests/test_a.py", "purpose": "Its tests.", "defines": []},
    ]
    lines = [
        json.dumps({"files": files}),
        "    return open(path).read()\n```\n",
        "A(unittest.TestCase):\n    def test_it(self):\n"
        "        self.assertEqual(read(file_with('x')), 'x')\n```\n",
    ]
    check = "python3 -m unittest discover -s tests -t ."
    ended = await desk.do(lines, "Build a tool that reads files.", check=check, tries=3)
    assert (ended.check_passed, ended.turns) == (True, 3)


async def test_a_written_file_imports_what_it_uses(desk: Desk) -> None:
    planned = [
        {"path": "pkg/core.py", "purpose": "", "defines": ["add(a, b)"]},
        {"path": "pkg/__main__.py", "purpose": "", "defines": ["main()"]},
    ]
    main = "def main():\n    print(add(1, int(sys.argv[1])))\n"
    lines = [
        json.dumps({"files": planned}),
        desk.block("pkg/core.py", "def add(a, b):\n    return a + b\n"),
        desk.block("pkg/__main__.py", main),
    ]
    check = "python3 -m pkg 2 && python3 -c 'from pkg import add'"
    ended = await desk.do(lines, TASK, check=check)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    assert "pkg/__main__.py: what can be seen to be wrong in it was put right" in notices(desk)
