"""What two versions of the code contradict alike is left out of the model's own tests."""

from __future__ import annotations

import json

import git

from agent.events import CallMade, CheckEnded, Notice
from tests.turn.conftest import Desk

TASK = "Build a small package that adds numbers: function add(a, b)."
CHECK = "python3 -m unittest test_adder"
PLAN = json.dumps(
    {
        "files": [
            {"path": "adder.py", "purpose": "It adds.", "defines": ["def add(a, b)"]},
            {"path": "test_adder.py", "purpose": "Its tests.", "defines": []},
        ]
    }
)
RIGHT = "    return a + b\n```\n"
OTHERWISE = "    total = a\n    total += b\n    return total\n```\n"
WRONG = "    return a - b\n```\n"


HEAD = "import unittest\n\nfrom adder import add\n\n\nclass Test"


def suite(*expectations: str) -> str:
    """What is written behind HEAD, which is said for the model."""
    body = "".join(f"        self.assertEqual({each})\n" for each in expectations)
    return (
        "It(unittest.TestCase):\n"
        f"    def test_add(self):\n{body}\n    def test_nothing(self):\n"
        "        self.assertEqual(add(0, 0), 0)\n```\n"
    )


async def test_two_versions_that_agree_are_believed(desk: Desk) -> None:
    lines = [PLAN, RIGHT, suite("add(2, 2), 5", "add(1, 2), 3", "add(3, 3), 7"), OTHERWISE]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    left = desk.read("test_adder.py")
    assert "add(1, 2), 3" in left
    assert "5" not in left
    assert "7" not in left
    said = [e.text for e in desk.shown(Notice) if "left out" in e.text]
    assert said == [
        "test_adder.py:8 left out: two versions of the code say AssertionError: 4 != 5",
        "test_adder.py:9 left out: two versions of the code say AssertionError: 6 != 7",
    ]


async def test_two_versions_that_raise_what_the_task_names_are_believed(desk: Desk) -> None:
    task = "Build a small package: function add(a, b), which raises ValueError for texts."
    raises = "    if isinstance(a, str):\n        raise ValueError(a)\n"
    again = "    if type(a) is str:\n        raise ValueError('a text')\n"
    tests = suite("add('a', 'b'), None", "add(1, 2), 3")
    lines = [PLAN, raises + RIGHT, tests, again + RIGHT]
    ended = await desk.do(lines, task, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    left = desk.read("test_adder.py")
    assert "add('a', 'b')" not in left
    assert "add(1, 2), 3" in left
    said = [e.text for e in desk.shown(Notice) if "left out" in e.text]
    assert said == ["test_adder.py:8 left out: two versions of the code say ValueError: a text"]


async def test_the_same_written_twice(desk: Desk) -> None:
    ended = await desk.do([PLAN, RIGHT, suite("add(2, 2), 5"), RIGHT], TASK, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)


async def test_what_they_do_not_agree_on_stays(desk: Desk) -> None:
    lines = [PLAN, WRONG, suite("add(2, 2), 4"), RIGHT]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert ended.check_passed
    assert "add(2, 2), 4" in desk.read("test_adder.py")
    assert not [e for e in desk.shown(Notice) if "left out" in e.text]


async def test_one_version_is_not_enough(desk: Desk) -> None:
    broken = "    return a +\n```\n"
    fixed = suite("add(2, 2), 4")
    lines = [PLAN, RIGHT, suite("add(2, 2), 5"), broken, broken, fixed]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert ended.check_passed
    assert not [e for e in desk.shown(Notice) if "left out" in e.text]


async def test_what_the_task_states_is_never_left_out(desk: Desk) -> None:
    task = "Build a small package: function add(a, b); add('aa', 'bb') gives 'bbaa'."
    lines = [
        PLAN,
        RIGHT,
        suite("add('aa', 'bb'), 'bbaa'"),
        OTHERWISE,
        "    return b + a\n```\n",
    ]
    ended = await desk.do(lines, task, check=CHECK, tries=3)
    assert "bbaa" in desk.read("test_adder.py")
    assert ended.check_passed
    assert desk.read("adder.py").endswith("return b + a\n")


async def test_the_users_own_tests_stay(desk: Desk) -> None:
    """Those that git ignores do not keep a folder from being a new project's."""
    theirs = HEAD + suite('add(2, 2), 5, "see adder.py"').removesuffix("```\n")
    desk.put("test_adder.py", theirs)
    git.Repo.init(desk.root).close()
    desk.put(".gitignore", "test_*.py\n")
    plan = json.dumps({"files": json.loads(PLAN)["files"][:1]})
    ended = await desk.do([plan, RIGHT, *[OTHERWISE, RIGHT] * 20], TASK, check=CHECK, tries=3)
    assert not ended.check_passed
    assert desk.read("test_adder.py") == theirs


async def test_it_is_recorded_as_a_write(desk: Desk) -> None:
    await desk.do([PLAN, RIGHT, suite("add(2, 2), 5"), OTHERWISE], TASK, check=CHECK, tries=3)
    calls = [call for call in desk.shown(CallMade) if call.form == "doubt"]
    assert [call.arguments["path"] for call in calls] == ["test_adder.py"]
    assert [check.passed for check in desk.shown(CheckEnded)] == [False, False, True]


async def test_what_was_not_written_anew_is_not_believed(desk: Desk) -> None:
    two = (
        "It(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(2, 2), 5)\n\n"
        "    def test_sub(self):\n        self.assertEqual(sub(3, 1), 2)\n```\n"
    )
    code = "    return a + b\n\n\ndef sub(a, b):\n    return b[a]\n```\n"
    lines = [PLAN, code, two, "    return a - b\n```\n", "    return a + b\n```\n"]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert ended.check_passed
    said = [e.text.partition(":")[0] for e in desk.shown(Notice)][-4:]
    assert said == [
        "the check fails", "the check fails", "that is what it was before", "test_adder.py",
    ]  # fmt: skip
    assert "the function `sub`" in desk.given(3)
    assert "the function `add`" in desk.given(4)
