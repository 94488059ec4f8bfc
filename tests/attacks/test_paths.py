"""Ways out of the workspace through the arguments of the file and search tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.base import ToolContext, ToolResult
from tools.edit import EditArguments, run_edit
from tools.output import OutputStore
from tools.read import ReadArguments, run_read
from tools.ripgrep import find_rg
from tools.sandbox.off import Off
from tools.search import GrepArguments, ListArguments, run_grep, run_list
from tools.workspace import Workspace
from tools.write import WriteArguments, run_write

WAYS_OUT = ["../outside/secret.txt", "{outside}/secret.txt", "link/secret.txt", "file-link"]


@pytest.fixture
def links(root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside)
    (root / "file-link").symlink_to(outside / "secret.txt")


@pytest.fixture
def wide(ground: Path) -> ToolContext:
    """The control: a workspace in which the same files are inside."""
    return ToolContext(Workspace(ground), Off(), OutputStore(None))


def seen_from_above(way: str, outside: Path) -> str:
    """The same path for the wide workspace."""
    path = way.format(outside=outside)
    return path if path.startswith("/") else f"project/{path}"


async def use(tool: str, path: str, context: ToolContext) -> ToolResult:
    if tool == "read":
        return await run_read(ReadArguments(path=path), context)
    if tool == "write":
        return await run_write(WriteArguments(path=path, content="owned\n"), context)
    if tool == "edit":
        return await run_edit(EditArguments(path=path, old="the", new="owned"), context)
    if tool == "grep":
        return await run_grep(GrepArguments(pattern="secret", path=path), context)
    folder = path.removesuffix("/secret.txt")
    return await run_list(ListArguments(path=folder, glob="secret*"), context)


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("tool", ["read", "write", "edit", "grep", "list"])
async def test_no_path_leads_out(
    confined: ToolContext, wide: ToolContext, outside: Path, tool: str, way: str
) -> None:
    secret = outside / "secret.txt"
    for context in (wide, confined):
        # What was read before is no way around either.
        context.workspace.remember(secret, secret.read_bytes())
    result = await use(tool, way.format(outside=outside), confined)
    assert not result.ok
    assert "outside of the workspace" in result.text
    assert "the secret" not in result.text
    assert secret.read_text() == "the secret\n"

    control = await use(tool, seen_from_above(way, outside), wide)
    if tool == "list" and way == "file-link":
        assert "is a file" in control.text
    else:
        assert control.ok, control.text


@pytest.mark.usefixtures("links")
async def test_searching_the_workspace_follows_no_link_out(
    confined: ToolContext, wide: ToolContext
) -> None:
    assert "the secret" in (await run_grep(GrepArguments(pattern="secret"), wide)).text
    assert "no matches" in (await run_grep(GrepArguments(pattern="secret"), confined)).text
    assert "secret" not in (await run_list(ListArguments(), confined)).text


@pytest.mark.usefixtures("links")
async def test_a_new_file_is_not_made_through_a_link_out(
    confined: ToolContext, wide: ToolContext, root: Path, outside: Path
) -> None:
    (root / "dangling").symlink_to(outside / "new.txt")
    for way in ("link/new.txt", "dangling"):
        assert not (await use("write", way, confined)).ok
        assert not (outside / "new.txt").exists()
        assert (await use("write", f"project/{way}", wide)).ok
        (outside / "new.txt").unlink()


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "sub/../.git/config", "g/config"])
async def test_gits_folder_is_not_written(confined: ToolContext, root: Path, path: str) -> None:
    (root / "g").symlink_to(".git")
    (root / ".git/hooks").mkdir(parents=True)
    (root / "sub").mkdir()
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text("can be written")
    confined.workspace.remember((root / path).resolve(), b"can be written")
    result = await use("write", path, confined)
    assert "read-only for you" in result.text
    assert (root / path).read_text() == "can be written"


def make_evil(root: Path) -> None:
    """A program in the workspace that leaves a trace when it runs."""
    (root / "evil.sh").write_text('#!/bin/sh\ntouch "$(dirname "$0")/ran"\n')
    (root / "evil.sh").chmod(0o755)


def runs_evil(root: Path, *options: str) -> bool:
    """The control: whether plain rg runs the program."""
    command = [str(find_rg()), *options, "x", str(root)]
    subprocess.run(command, check=False, capture_output=True)
    ran = (root / "ran").exists()
    (root / "ran").unlink(missing_ok=True)
    return ran


async def test_no_argument_of_a_search_becomes_an_option_that_runs_a_program(
    confined: ToolContext, root: Path
) -> None:
    make_evil(root)
    (root / "a").write_text("x\n")
    option = f"--pre={root}/evil.sh"
    assert runs_evil(root, option)
    for arguments in (
        GrepArguments(pattern=option),
        GrepArguments(pattern="x", path=option),
        GrepArguments(pattern="x", glob=option),
        GrepArguments(pattern="x", glob=f"x {option}"),
    ):
        await run_grep(arguments, confined)
        assert not (root / "ran").exists()
    await run_list(ListArguments(path=option), confined)
    await run_list(ListArguments(glob=option), confined)
    assert not (root / "ran").exists()


async def test_no_settings_file_reaches_the_search(
    confined: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evil(root)
    (root / "rc").write_text(f"--pre={root}/evil.sh\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(root / "rc"))
    assert runs_evil(root)
    await run_grep(GrepArguments(pattern="x"), confined)
    assert not (root / "ran").exists()
