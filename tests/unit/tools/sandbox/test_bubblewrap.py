from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox import bubblewrap
from tools.sandbox.bubblewrap import Bubblewrap, find_program
from tools.sandbox.probe import find_sandbox
from tools.shell import CommandOutcome, run_command
from tools.workspace import Workspace


async def confined(root: Path, command: str) -> CommandOutcome:
    context = ToolContext(Workspace(root), find_sandbox("bubblewrap"), OutputStore(None))
    return await run_command(command, context, 60)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_only_a_program_of_root_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_program() == "/usr/bin/bwrap"
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o777)
    monkeypatch.setattr(bubblewrap, "PROGRAMS", (str(fake),))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_program() is None


async def test_git_can_be_read(root: Path) -> None:
    git(root, "init", "-q")
    (root / "a.txt").write_text("x\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    (root / "a.txt").write_text("y\n")
    outcome = await confined(root, "git status --short && git log --format=%s && git diff")
    assert outcome.exit_code == 0
    assert outcome.text.startswith(" M a.txt\nfirst\n")
    assert "+y" in outcome.text


async def test_git_can_be_read_in_a_worktree_of_a_hidden_repository(
    root: Path, tmp_path: Path
) -> None:
    main = tmp_path / "main"
    main.mkdir()
    git(main, "init", "-q")
    git(main, "commit", "-q", "--allow-empty", "-m", "first")
    git(main, "worktree", "add", "-q", str(root / "tree"))
    outcome = await confined(root / "tree", f"git log --format=%s; ls {main}")
    assert outcome.text.startswith("first\n")
    assert "cannot access" not in outcome.text
    assert (await confined(root / "tree", f"touch {main}/.git/x")).exit_code == 1


async def test_a_workspace_without_git_may_get_one(root: Path) -> None:
    outcome = await confined(root, "git init -q . && git status --short --branch")
    assert outcome.exit_code == 0
    assert (root / ".git/HEAD").exists()


async def test_nothing_is_left_in_the_workspace_by_the_mounts(
    root: Path, content: Callable[[], list[str]]
) -> None:
    (root / ".git").mkdir()
    assert (await confined(root, "true")).exit_code == 0
    assert content() == [".git"]


async def test_python_runs_even_when_it_lives_in_the_home(root: Path) -> None:
    program = Path(sys.base_prefix) / "bin/python3"
    outcome = await confined(root, f"{program} -c 'import json; print(json.dumps([1]))'")
    assert (outcome.exit_code, outcome.text) == (0, "[1]\n")


@pytest.mark.parametrize("where", ["home", "tmp"])
async def test_workspaces_in_hidden_folders_are_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    home = tmp_path / "home"
    project = home / "work/project" if where == "home" else tmp_path / "project"
    project.mkdir(parents=True)
    (home / "work/other").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    outcome = await confined(project, f"echo x > file; cat file; ls {home}/work")
    assert outcome.text.startswith("x\n")
    assert "other" not in outcome.text
    assert (project / "file").read_text() == "x\n"


async def test_the_home_can_be_written_and_is_forgotten(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    outcome = await confined(
        root, "mkdir -p ~/.cache/x && echo 1 > ~/.cache/x/y && cat ~/.cache/x/y"
    )
    assert outcome.text == "1\n"
    assert list((tmp_path / "home").iterdir()) == []


async def test_programs_of_the_path_in_the_home_run_and_its_secrets_stay_hidden(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for folder in ("bin", "venv/bin", ".cargo/bin"):
        (home / folder).mkdir(parents=True)
        script = home / folder / folder.replace("/", "-").strip(".")
        script.write_text('#!/bin/sh\necho "$0 ran"; cat "${0%/*}/../note" 2>&1\n')
        script.chmod(0o755)
    (home / "venv/pyvenv.cfg").write_text("")
    (home / "venv/note").write_text("of the venv\n")
    (home / "note").write_text("secret\n")
    (home / ".cargo/note").write_text("secret\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/bin:{home}/venv/bin:{home}/.cargo/bin:{home}:/usr/bin:/bin")
    outcome = await confined(root, "bin; venv-bin; cargo-bin")
    assert outcome.text.count(" ran\n") == 3
    assert "of the venv" in outcome.text
    assert "secret" not in outcome.text


async def test_a_command_has_no_capabilities(root: Path) -> None:
    outcome = await confined(root, "grep Cap /proc/self/status | cut -f 2 | sort -u")
    assert outcome.text == f"{0:016x}\n"


def test_an_old_bubblewrap_gets_no_option_that_it_does_not_know(root: Path) -> None:
    assert "--disable-userns" in Bubblewrap("/usr/bin/bwrap").launch("true", root).argv
    assert "--disable-userns" not in Bubblewrap("/usr/bin/bwrap", True).launch("true", root).argv
