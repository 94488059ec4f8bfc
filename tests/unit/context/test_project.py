"""Which files are shown: those that are named, whole, within the budget."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.context.project import (
    CHARS_PER_TOKEN,
    MOST_FILES,
    choose,
    list_files,
    rank,
    read_shown,
)
from tools.workspace import Workspace


def put(root: Path, **files: str) -> list[str]:
    names = []
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        names.append(path.relative_to(root).as_posix())
    return sorted(names)


def best(files: list[str], task: str, failure: str = "") -> list[str]:
    return [file for score, file in rank(files, task, failure) if score]


def test_what_the_task_names_comes_before_what_failed() -> None:
    files = ["a.py", "b.py", "c.py", "test_b.py", "lib/d.py"]
    failure = '  File "/work/project/lib/d.py", line 3\nE  AssertionError in c.py'
    assert best(files, "repair b.py, please", failure) == ["b.py", "c.py", "lib/d.py", "test_b.py"]


@pytest.mark.parametrize(
    "task", ["fix src/calc.py", "fix calc.py", "fix `calc.py`.", "the file src/calc.py: wrong"]
)
def test_a_file_may_be_named_in_several_ways(task: str) -> None:
    assert rank(["src/calc.py", "src/other.py"], task, "")[0] == (4, "src/calc.py")


def test_files_of_the_same_name_are_related() -> None:
    files = ["calc.py", "tests/test_calc.py", "other.py"]
    assert best(files, "calc.py is wrong") == ["calc.py", "tests/test_calc.py"]
    assert best(files, "test_calc.py fails") == ["tests/test_calc.py", "calc.py"]
    assert best(files, "nothing is named") == []


@given(st.lists(st.text(min_size=1, max_size=12), max_size=12), st.text(), st.text())
def test_any_names_and_any_text_can_be_ranked(files: list[str], task: str, failure: str) -> None:
    ranked = rank(files, task, failure)
    assert sorted(file for _, file in ranked) == sorted(files)
    scores = [score for score, _ in ranked]
    assert scores == sorted(scores, reverse=True)


def test_a_small_project_is_shown_whole(tmp_path: Path) -> None:
    files = put(tmp_path, a_py="x = 1\n", lib__b_py="y = 2\n")
    shown = choose(Workspace(tmp_path), files, "do something", "", 1000)
    assert {(s.path, s.text) for s in shown} == {("a.py", "x = 1\n"), ("lib/b.py", "y = 2\n")}


def test_of_a_large_project_only_what_is_named_is_shown(tmp_path: Path) -> None:
    files = put(tmp_path, **{f"m{i}_py": "x = 1\n" for i in range(50)})
    workspace = Workspace(tmp_path)
    shown = choose(workspace, files, "look at m7.py and m9.py", "", 1000)
    assert sorted(s.path for s in shown) == ["m7.py", "m9.py"]
    assert choose(workspace, files, "look around", "", 1000) == []


def test_what_matters_most_comes_last(tmp_path: Path) -> None:
    files = put(tmp_path, a_py="1\n", b_py="2\n", test_a_py="3\n")
    shown = choose(Workspace(tmp_path), files, "fix a.py", "E in b.py", 1000)
    assert [s.path for s in shown] == ["test_a.py", "b.py", "a.py"]


def test_what_is_shown_may_be_overwritten(tmp_path: Path) -> None:
    files = put(tmp_path, a_py="x\n", **{f"m{i}_py": "x = 1\n" for i in range(50)})
    workspace = Workspace(tmp_path)
    choose(workspace, files, "fix a.py", "", 1000)
    assert workspace.was_read(tmp_path / "a.py")
    assert not workspace.was_read(tmp_path / "m1.py")


def test_what_is_too_long_is_neither_shown_nor_taken_as_read(tmp_path: Path) -> None:
    files = put(tmp_path, a_py="x" * 5000, b_py="y")
    workspace = Workspace(tmp_path)
    assert [s.path for s in choose(workspace, files, "fix a.py and b.py", "", 1000)] == ["b.py"]
    assert not workspace.was_read(tmp_path / "a.py")


def test_only_text_is_shown(tmp_path: Path) -> None:
    (tmp_path / "nul.py").write_bytes(b"x\0y")
    (tmp_path / "latin.py").write_bytes(b"\xe4")
    (tmp_path / "empty.py").write_bytes(b"\n \n")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "link.py").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "fifo.py")
    names = ["nul.py", "latin.py", "empty.py", "folder.py", "link.py", "fifo.py", "gone.py"]
    assert choose(Workspace(tmp_path), names, " ".join(names), "", 1000) == []
    assert read_shown(Workspace(tmp_path), "../x", 1000) is None


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=10),
    tokens=st.integers(0, 1500),
    named=st.booleans(),
)
@settings(max_examples=40)
def test_the_budget_is_never_exceeded(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], tokens: int, named: bool
) -> None:
    root = tmp_path_factory.mktemp("project")
    files = put(root, **{f"m{i}_py": "äx"[i % 2] * size for i, size in enumerate(sizes)})
    task = " ".join(files) if named else ""
    shown = choose(Workspace(root), files, task, "", tokens)
    assert sum(len(s.text) for s in shown) <= tokens * CHARS_PER_TOKEN
    assert len({s.path for s in shown}) == len(shown)
    for item in shown:
        assert (root / item.path).read_text() == item.text


async def test_ignored_files_and_gits_own_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, a_py="x", build__b_py="y", lib__c_py="z")
    (tmp_path / ".gitignore").write_text("build/\n*.log\n")
    (tmp_path / "x.log").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("x")
    assert await list_files(tmp_path) == [".gitignore", "a.py", "lib/c.py"]


async def test_a_huge_project_is_bounded(tmp_path: Path) -> None:
    for i in range(MOST_FILES + 200):
        (tmp_path / f"f{i:05}").touch()
    files = await list_files(tmp_path)
    assert files == [f"f{i:05}" for i in range(MOST_FILES)]


async def test_an_empty_folder(tmp_path: Path) -> None:
    assert await list_files(tmp_path) == []
    assert choose(Workspace(tmp_path), [], "task", "", 1000) == []
