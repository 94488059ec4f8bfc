"""Where a check failed: made from real reports, and from lines as compilers write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.places import MOST, MOST_CHARS, places

TEST = "import unittest\nfrom calc import add\n\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n"  # noqa: E501
RUNNERS = {
    "pytest": ["-m", "pytest", "-p", "no:cacheprovider", "--rootdir=."],
    "short": ["-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "--tb=short"],
    "unittest": ["-m", "unittest"],
    "script": ["test_it.py"],
}


def report(folder: Path, runner: str, calc: str, test: str = TEST) -> str:
    (folder / "calc.py").write_text(calc)
    (folder / "test_it.py").write_text(test)
    done = subprocess.run(
        [sys.executable, *RUNNERS[runner]],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("runner", ["pytest", "unittest"])
def test_a_failed_assertion_is_at_its_line(tmp_path: Path, runner: str) -> None:
    ((file, line, message),) = places(
        report(tmp_path, runner, "def add(a, b):\n    return a - b\n"), tmp_path
    )
    assert (file, line) == ("test_it.py", 6)
    assert "-1 != 5" in message


@pytest.mark.parametrize("runner", ["pytest", "short", "unittest"])
def test_an_exception_is_where_it_was_raised(tmp_path: Path, runner: str) -> None:
    found = places(report(tmp_path, runner, "def add(a, b):\n    return {}[a]\n"), tmp_path)
    assert [(file, line) for file, line, _ in found] == [("calc.py", 2)]
    assert "KeyError: 2" in found[0][2]


def test_the_library_of_python_is_no_place(tmp_path: Path) -> None:
    out = report(tmp_path, "script", "", "import json\n\njson.loads('{')\n")
    assert [(file, line) for file, line, _ in places(out, tmp_path)] == [("test_it.py", 3)]


@pytest.mark.parametrize(
    "line",
    [
        "src/a.c:3:5: error: expected ';'",
        "src/a.c:3: error: expected ';'",
        "    src/a.c:3: got 1, want 2",
        "src/a.c(3,5): error TS2304: no such name",
        "error[E0308]: mismatched types\n  --> src/a.c:3:5",
        "./src/a.c:3:5 lint/rule message",
    ],
)
def test_lines_of_compilers(tmp_path: Path, line: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.c").touch()
    found = places(f"compiling\n{line}\nfailed\n", tmp_path)
    assert [(file, number) for file, number, _ in found] == [("src/a.c", 3)]


@pytest.mark.parametrize(
    "line",
    [
        "src/a.c:3:5: warning: unused",
        "missing.c:3:5: error: x",
        "../outside.c:3:5: error: x",
        "link.c:3:5: error: x",
        "src:3:5: error: x",
        "12:30:05 error",
        'File "src/a.c", line 3',
        "a\0b:3:5: error: x",
        f"{'a' * 5000}:3:5: error: x",
    ],
)
def test_what_is_no_place(tmp_path: Path, line: str) -> None:
    root = tmp_path / "root"
    (root / "src").mkdir(parents=True)
    (root / "src/a.c").touch()
    (tmp_path / "outside.c").touch()
    (root / "link.c").symlink_to(tmp_path / "outside.c")
    assert places(line, root) == ()


def test_bounds(tmp_path: Path) -> None:
    (tmp_path / "a.c").touch()
    out = "".join(f"a.c:{n}:1: error: {'x' * 3000}\n" for n in range(1, 500))
    found = places(out * 2, tmp_path)
    assert len(found) == MOST
    assert all(len(message) <= MOST_CHARS for _, _, message in found)
