"""Whoever can write into git's folder runs code at the user's next git command."""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC221

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.shell import run_command
from tools.workspace import PathRefused

BYPASSES = [
    "echo x > {git}/hooks/pre-commit",
    "echo '[core]' >> {git}/config",
    "git config core.fsmonitor /tmp/evil",
    "echo x > {git}/c2 && mv {git}/c2 {git}/config",
    "echo /tmp/evil > {git}/commondir",
    "echo x > {git}/config.worktree",
    "mkdir -p {git}/info && echo x > {git}/info/attributes",
    "mv {git} {git}2; mkdir -p {git}/hooks; echo x > {git}/hooks/pre-commit",
    "rm -rf {git}; mkdir -p {git}/hooks; echo x > {git}/hooks/pre-commit",
    "ln -s {git} link; echo x > link/hooks/pre-commit",
    "chmod 777 {git}/config",
    "cd / && mv {root} {root}2 && mkdir -p {root}/.git && echo x > {root}/.git/config",
    "umount {git}; umount -l {git}; echo x >> {git}/config",
    "mount -o remount,rw,bind {git}; echo x >> {git}/config",
]


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files below a folder, with their modes and bytes."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(f.relative_to(folder)): (f.stat().st_mode, f.read_bytes()) for f in files}


def init(root: Path, *options: str) -> None:
    subprocess.run(["git", "init", "-q", *options], cwd=root, check=True)


async def attacked(context: ToolContext, git: Path, command: str) -> bool:
    """Whether the command changed the folder; the workspace is put back afterwards."""
    root = context.workspace.root
    copy = root.parent / "copy"
    shutil.copytree(root, copy, symlinks=True)
    before = state(git)
    await run_command(command.format(git=git, root=root), context, 60)
    changed = state(git) != before
    for folder in root.parent.glob("project*"):
        shutil.rmtree(folder)
    copy.rename(root)
    return changed


@pytest.mark.parametrize("command", BYPASSES)
async def test_the_git_folder_cannot_be_changed(
    unconfined: ToolContext, confined: ToolContext, root: Path, command: str
) -> None:
    init(root)
    assert await attacked(unconfined, root / ".git", command)
    assert not await attacked(confined, root / ".git", command)


@pytest.mark.parametrize(
    "command",
    [
        *BYPASSES[:3],
        "mv deep deep2; mkdir -p {git}; echo x > {git}/config",
        "mv deep/er deep/er2; mkdir -p {git}; echo x > {git}/config",
    ],
)
async def test_a_git_folder_deeper_in_the_workspace_cannot_be_changed(
    unconfined: ToolContext, confined: ToolContext, root: Path, command: str
) -> None:
    (root / "deep/er").mkdir(parents=True)
    init(root, "--separate-git-dir=deep/er/store")
    git = root / "deep/er/store"
    assert await attacked(unconfined, git, command)
    assert not await attacked(confined, git, command)


@pytest.mark.parametrize("command", ["echo gitdir: evil > .git", "rm .git", "mv .git x"])
async def test_the_file_that_points_to_the_git_folder_cannot_be_changed(
    unconfined: ToolContext, confined: ToolContext, root: Path, command: str
) -> None:
    init(root, "--separate-git-dir=store")
    assert await attacked(unconfined, root, command)
    await run_command(command, confined, 60)
    assert (root / ".git").read_text().startswith("gitdir: ")
    assert "evil" not in (root / ".git").read_text()


async def test_a_made_up_git_file_shows_no_folder_of_the_user(
    unconfined: ToolContext, confined: ToolContext, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ground / "home/.ssh"
    store.mkdir(parents=True)
    (store / "id_rsa").write_text("the secret")
    (store / "commondir").write_text(".")
    monkeypatch.setenv("HOME", str(ground / "home"))
    command = f"echo 'gitdir: {store}' > .git; cat {store}/id_rsa"
    assert "the secret" in (await run_command(command, unconfined, 60)).text
    assert "the secret" not in (await run_command(command, confined, 60)).text


@pytest.mark.parametrize(
    "command",
    [
        "echo evil > {git}/lib/module.py",
        "mv envs envs2; mkdir -p {git}/lib; echo evil > {git}/lib/module.py",
    ],
)
async def test_the_agents_own_installation_cannot_be_changed(
    unconfined: ToolContext,
    confined: ToolContext,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    venv = root / "envs/venv"
    (venv / "lib").mkdir(parents=True)
    (venv / "lib/module.py").write_text("good")
    monkeypatch.setattr(sys, "prefix", str(venv))
    assert await attacked(unconfined, venv, command)
    assert not await attacked(confined, venv, command)


@pytest.mark.parametrize(
    ("key", "value", "file"),
    [
        ("core.hooksPath", ".husky", ".husky/pre-commit"),
        ("core.hooksPath", '"tools/git hooks"', "tools/git hooks/pre-commit"),
        ("include.path", "../.gitconfig", ".gitconfig"),
        ("includeIf.onbranch:*.path", "../config/git.inc", "config/git.inc"),
        ("core.fsmonitor", "./watch.sh", "watch.sh"),
        ("filter.x.clean", "python3 tools/clean.py %f", "tools/clean.py"),
        ("diff.x.textconv", "sh ./tools/show.sh", "tools/show.sh"),
        ("alias.x", "", ".git/hooks/pre-commit"),
    ],
)
async def test_what_gits_configuration_names_in_the_workspace_cannot_be_changed(
    unconfined: ToolContext, confined: ToolContext, root: Path, key: str, value: str, file: str
) -> None:
    """The user lets git run a file of the project: at their next git command it would be evil."""
    init(root)
    if value:
        subprocess.run(["git", "config", key, value.strip('"')], cwd=root, check=True)
    else:
        (root / "team").mkdir()
        shutil.rmtree(root / ".git/hooks")
        (root / ".git/hooks").symlink_to("../team")
    place = (root / file).resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("good")
    above = place.parent.relative_to(root)
    for command in (
        f"echo evil > {str(place)!r}",
        f"mv {str(place)!r} x; echo evil > {str(place)!r}",
        f"mv {str(above)!r} y; mkdir -p {str(above)!r}; echo evil > {str(place)!r}",
    ):
        await run_command(command, confined, 60)
        assert place.read_text() == "good"
    with pytest.raises(PathRefused):
        confined.workspace.resolve_for_writing(str(place.relative_to(root)))
    fine = "mkdir -p src tools2; echo x > src/a.py; echo x > tools2/clean.py; echo fine"
    assert (await run_command(fine, confined, 60)).text == "fine\n"
    await run_command(f"echo evil > {str(place)!r}", unconfined, 60)
    assert place.read_text() == "evil\n", "the attack works without the sandbox"
