"""A project that a small model wrote is mended one file at a time."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from agent.blame import files_in, missing_in, next_file
from agent.errors import IngleError
from agent.events import CallMade, CheckEnded, Notice
from tests.turn.conftest import Desk

TASK = "Build a small package that adds numbers."
CHECK = "python3 main.py"


def plan(*paths: str) -> str:
    return json.dumps({"files": [{"path": p, "purpose": "x.", "defines": []} for p in paths]})


async def test_the_file_that_the_check_names_is_written_again(desk: Desk) -> None:
    lines = [
        plan("adder.py", "main.py"),
        "def add(a, b):\n    return a - b\n```\n",
        "from adder import add\n\nassert add(1, 2) == 3\n```\n",
        "from adder import add\n\nassert add(1, 2) == 3, 'adder.py is wrong'\n```\n",
        "    return a + b\n```\n",
    ]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    assert "return a + b" in desk.read("adder.py")
    said = [e.text for e in desk.shown(Notice) if "mending" in e.text]
    assert said == ["the check fails: mending main.py", "the check fails: mending adder.py"]


async def test_what_cannot_be_right_is_not_taken(desk: Desk) -> None:
    lines = [
        plan("adder.py", "main.py"),
        "def add(a, b):\n    return a - b\n```\n",
        "from adder import add\n\nassert add(1, 2) == 3\n```\n",
        "import main\n```\n",
        "from adder import add\n\nassert add(1, 2) == -1\n```\n",
    ]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    said = [e.text for e in desk.shown(Notice)]
    assert "main.py was not taken: it imports itself" in said
    assert all(c.arguments["content"] != "import main\n" for c in desk.shown(CallMade))


def test_where_only_tests_are_named_what_they_test_comes_first() -> None:
    failure = "ERROR: test_a (tests.test_tool.ToolTest.test_a)\nTypeError: no"
    files = ["tool.py", "README.md", "tests/test_tool.py", "tests/test_tools.py"]
    assert files_in(failure, files) == ["tests/test_tool.py"]
    tried: Counter[str] = Counter()
    assert next_file(failure, files, tried) == "tool.py"
    tried["tool.py"] += 2
    assert next_file(failure, files, tried) == "tests/test_tool.py"


async def test_what_others_import_has_to_be_there(desk: Desk) -> None:
    inside = "class Adder:\n    def add(self, a, b):\n        return a + b\n```\n"
    lines = [
        plan("adder.py", "main.py"),
        inside,
        "from adder import add\n\nassert add(1, 2) == 3\n```\n",
        inside.replace("a + b", "b + a"),
        "from adder import add\n\nassert add(1, 2) == 3\n```\n",
        "def add(a, b):\n    return a + b\n```\n",
    ]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    assert "adder.py was not taken: it does not define add" in [e.text for e in desk.shown(Notice)]
    assert "It has to define at its top: add." in desk.given(3)


def test_names_that_a_module_lacks() -> None:
    failure = (
        "ImportError: cannot import name 'a' from 'pkg.m' (/w/pkg/m.py)\n"
        "ImportError: cannot import name 'b' from partially initialized module 'pkg.m' (most likely"
        "\nAttributeError: module 'pkg.m' has no attribute 'c'\n"
        "ImportError: cannot import name 'd' from 'pkg' (/w/pkg/__init__.py)"
    )
    assert missing_in("pkg/m.py", failure) == ["a", "b", "c"]
    assert missing_in("pkg/__init__.py", failure) == ["d"]
    assert missing_in("m.py", failure) == []


@pytest.mark.parametrize("file", ["tool.py", "tool/__main__.py"])
def test_a_module_that_is_run_is_named(file: str) -> None:
    assert files_in("it ended with:\n+ python3 -m tool in.txt", [file, "other.py"]) == [file]
    assert files_in("it ended with:\n+ python3 -m tools in.txt", [file, "other.py"]) == []


def test_the_last_named_file_is_tried_again_before_its_tests_and_these_before_others() -> None:
    failure = 'File "a.py", line 1\nFile "tests/test_a.py", line 3\nimport pkg.core'
    files = ["pkg/core.py", "a.py", "tests/test_a.py", "b.py"]
    assert files_in(failure, files) == ["pkg/core.py", "tests/test_a.py", "a.py"]
    tried: Counter[str] = Counter()
    order = []
    for _ in range(6):
        order.append(next_file(failure, files, tried))
        tried[order[-1]] += 1
    core, test = "pkg/core.py", "tests/test_a.py"
    assert order == [core, core, test, core, test, core]
    tried.update([core, test, test])
    assert next_file(failure, files, tried) == "a.py"
    assert next_file("nothing is named", files, tried) == ""


def test_what_is_called_like_the_test_comes_first() -> None:
    failure = "FAIL: test_one (tests.test_words.WordsTest.test_one)"
    files = ["pkg/lines.py", "pkg/words.py", "pkg/__init__.py", "tests/test_words.py"]
    assert next_file(failure, files, Counter()) == "pkg/words.py"
    failure = 'File "pkg/words.py", line 1\nFile "pkg/__init__.py", line 1\nFAIL: test_one'
    assert next_file(failure, files, Counter()) == "pkg/words.py"


async def test_a_file_is_written_without_its_text_in_view_and_then_with_it(desk: Desk) -> None:
    wrong = "def add(a, b=0):\n    return a - b\n"
    lines = [
        plan("adder.py", "main.py"),
        f"{wrong}```\n",
        "from adder import add\n\nassert add(1, 2) == 3, 'adder.py is wrong'\n```\n",
        "    return a - b\n```\n",
        "def add(a, b=0):\n    return a + b\n```\n",
    ]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert (ended.stop, desk.read("adder.py")) == (
        "check_passed", "def add(a, b=0):\n    return a + b\n",
    )  # fmt: skip
    assert "that is what it was before" in [e.text for e in desk.shown(Notice)]
    without, with_it = desk.given(-2), desk.given(-1)
    assert "return a - b" in with_it and "return a - b" not in without
    assert "It defines: def add(a, b=0)." in without
    first, second = (asked.request.sampling for asked in desk.engine.asked[-2:])
    assert first.temperature > 0 and second.temperature > 0


MODULE = (
    "def half(a):\n    return a // 2\n\n\ndef add(a, b):\n    return b[a]\n\n\n"
    "def twice(a):\n    return a * 2\n"
)
USE = "from adder import add, twice\n\nassert twice(2) == 4\nassert add(1, 2) == 3\n```\n"


async def test_only_the_function_that_fails_is_written_again(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    lines = [files, f"{MODULE}```\n", USE, "    return a + b\n```\n"]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    assert desk.read("adder.py") == MODULE.replace("b[a]", "a + b")
    assert "Write the function `add` of `adder.py` anew" in desk.given(-1)
    assert desk.given(-1).endswith("def twice(a):\n    return a * 2\n\n\ndef add(a, b):\n")
    assert "b[a]\n\n" not in desk.given(-1)


async def test_every_third_time_the_whole_file_is(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    wrong = [f"    return b[a + {n}]\n```\n" for n in range(2)]
    lines = [files, f"{MODULE}```\n", USE, *wrong, USE, "    return a // 2\n```\n"]
    with pytest.raises(IngleError, match="the script is at its end"):
        await desk.do(lines, TASK, check=CHECK, tries=3)
    given = [desk.given(n) for n in range(3, 7)]
    assert ["the function `add`" in text for text in given] == [True, True, False, False]
    assert "Write `main.py` anew, the whole file" in given[2]
    assert "Write `adder.py` anew, the whole file" in given[3]


async def test_a_file_without_an_end_does_not_take_all_the_time(desk: Desk) -> None:
    endless = "".join(f"assert add({n}, 0) == {n}\n" for n in range(4000))
    lines = [
        plan("adder.py", "main.py"),
        "def add(a, b):\n    return a - b\n```\n",
        "from adder import add\n\nassert add(1, 2) == 3\n```\n",
        f"from adder import add\n{endless}```\n",
        "from adder import add\n\nassert add(1, 2) == -1\n```\n",
    ]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert ended.check_passed
    assert ended.usage.generated < 2_000


def test_where_a_file_is_missing_its_tests_come_first() -> None:
    failure = (
        "ERROR: test_a (tests.test_tool.T.test_a)\n  tool.py\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'"
    )
    files = ["tool.py", "tests/test_tool.py"]
    assert next_file(failure, files, Counter()) == "tests/test_tool.py"
    assert next_file(failure.replace("No such", "Any"), files, Counter()) == "tool.py"


async def test_tests_are_told_to_write_what_they_read(desk: Desk) -> None:
    lines = [
        plan("tool.py", "test_tool.py"),
        "def read(path):\n    return open(path).read()\n```\n",
        "import tool\n\nassert tool.read(f'{1}.csv') == ''\n```\n",
        "import tool\n\nopen('1.csv', 'w').close()\nassert tool.read('1.csv') == ''\n```\n",
    ]
    ended = await desk.do(lines, TASK, check="python3 test_tool.py", tries=3)
    assert ended.check_passed
    told = "There is no 1.csv: a test that reads it has to write it first."
    assert told in desk.given(-1)


async def test_a_function_is_written_several_times_at_once(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    several = [f"    return {it}\n```\n" for it in ("b[a]", "a * b", "a + b", "b +")]
    lines = [files, f"{MODULE}```\n", USE, *several]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3, branches=4)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    assert desk.read("adder.py") == MODULE.replace("b[a]", "a + b")
    made = [call.arguments["path"] for call in desk.shown(CallMade)]
    assert made == ["adder.py", "main.py", "adder.py"]
    assert [check.passed for check in desk.shown(CheckEnded)] == [False, True]


async def test_where_none_of_several_is_better_the_file_stays(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    same = ["    return b[a]\n```\n"] * 2
    wrong = ["    return b +\n```\n"] * 2
    right = ["    return a + b\n```\n"] * 2
    lines = [files, f"{MODULE}```\n", USE, *same, *wrong, USE, "    return a // 2\n```\n", *right]
    with pytest.raises(IngleError):
        await desk.do(lines, TASK, check=CHECK, tries=3, branches=2)
    said = [e.text for e in desk.shown(Notice)]
    assert said.count("none of 2 others is better") == 2


async def test_what_fails_later_is_better(desk: Desk) -> None:
    tests = (
        "It(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(0, 0), 0)\n"
        "        self.assertEqual(add(1, 2), 3)\n"
    )
    code = "def add(a, b):\n    return {}\n```\n"
    several = [f"    return {it}\n```\n" for it in ("9", "a - b", "8", "7")]
    lines = [plan("adder.py", "tests/test_adder.py"), code.format("5"), f"{tests}```\n", *several]
    with pytest.raises(IngleError):
        await desk.do(
            lines, TASK, check="python3 -m unittest discover -s tests -t .", tries=3, branches=4
        )
    assert desk.read("adder.py") == "def add(a, b):\n    return a - b\n"


async def test_what_never_ends_is_worse_than_what_fails(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    several = [f"    {it}\n```\n" for it in ("while True: pass", "return a + b")]
    lines = [files, f"{MODULE}```\n", USE, *several]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3, branches=2)
    assert (ended.stop, ended.check_passed) == ("check_passed", True)
    assert [check.passed for check in desk.shown(CheckEnded)] == [False, True]


async def test_what_needs_a_package_that_is_not_there_is_worse(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    needs = "    import pandas_of_nobody\n    return 3\n```\n"
    right = "    return a + b\n```\n"
    ended = await desk.do([files, f"{MODULE}```\n", USE, needs, right], TASK, check=CHECK, tries=3)
    assert ended.check_passed
    assert "that was worse: adder.py as before" in [e.text for e in desk.shown(Notice)]
    assert "There is none of these packages, and none can be installed: pandas_of_nobody." in (
        desk.given(-1)
    )


async def test_a_package_that_is_not_there_is_not_tried_again(desk: Desk) -> None:
    files = plan("adder.py", "main.py")
    needs = "    import pandas_of_nobody\n    return {}\n```\n"
    right = MODULE.replace("b[a]", "a + b").removeprefix("def half(a):\n")
    lines = [files, f"{MODULE}```\n", USE, needs.format(3), needs.format(4), USE, f"{right}```\n"]
    ended = await desk.do(lines, TASK, check=CHECK, tries=3)
    assert ended.check_passed
    said = [e.text for e in desk.shown(Notice)]
    assert "adder.py was not taken: it imports pandas_of_nobody, which is not there" in said


async def test_where_the_tests_pass_main_is_mended(desk: Desk) -> None:
    main = "def main():\n    print('{}', add(1, 2))\n"
    code = f"def add(a, b):\n    return a + b\n\n\n{main}"
    tests = "A(unittest.TestCase):\n    def test_add(self):\n        assert add(1, 2) == 3\n```\n"
    files = plan("adder.py", "test_adder.py")
    lines = [files, code.format("It is") + "```\n", tests, "    print(add(1, 2))\n```\n"]
    check = "python3 -m unittest test_adder && ls test_adder.py && python3 -m adder | grep -x 3"
    ended = await desk.do(lines, TASK, check=check, tries=3)
    assert ended.check_passed
    assert "the function `main`" in desk.given(-1)
    assert "What the grep was given, and found nothing right in:\nIt is 3" in desk.given(-1)
    assert [e.text for e in desk.shown(Notice)][-1] == "the check fails: mending adder.py"
