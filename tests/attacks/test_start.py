"""Starting in a hostile clone: nothing that it brings along is run, before anybody has said yes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.mcp.manager import Manager
from agent.mcp.settings import configured, user_file
from tests.attacks.test_git_tool import (
    Hostile,
    conditionally_included_file,
    external_diff,
    fsmonitor,
    nested_repository,
    pager,
    process_filter,
    submodule,
    textconv,
    worktree_configuration,
)
from tests.mcp_servers_used_in_tests.use import RAW, around, folders, managing
from tests.turn.conftest import Desk

ATTACKS = [
    fsmonitor, textconv, external_diff, process_filter, pager, nested_repository, submodule,
    worktree_configuration, conditionally_included_file,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_a_session_in_a_hostile_repository_runs_nothing_of_it(
    root: Path, outside: Path, attack: Callable[[Hostile], Callable[[], object]]
) -> None:
    """The start, the choice of files, a task that changes one, the checkpoint before it, undo."""
    hostile = Hostile(root, outside)
    control = attack(hostile)
    control()
    assert hostile.sprung(), "the attack works on plain git"
    desk = Desk(root, outside / "state")
    lines = [desk.call("write", path="made.txt", content="x\n"), "Done."]
    ended = await desk.do(lines, "what is in f.txt?", sandbox="workspace")
    assert (ended.stop, desk.read("made.txt")) == ("answer", "x\n")
    assert not hostile.sprung()


def entry(mark: Path) -> dict[str, object]:
    return {"mcpServers": {"theirs": {"command": sys.executable,
                                      "args": [RAW, "exit-once", str(mark)]}}}  # fmt: skip


async def start(root: Path, base: Path) -> None:
    servers = [one for one in configured(folders(base), root) if one.source != "built in"]
    async with managing(servers, around(base)) as manager:
        assert isinstance(manager, Manager)
        await manager.settle()


@pytest.mark.parametrize("spread", [".mcp.json", ".ingle/mcp.json", "mcp.json", ".cursor/mcp.json",
                                    ".vscode/mcp.json", ".claude/settings.json"])  # fmt: skip
async def test_a_server_that_a_clone_brings_along_is_not_started(
    root: Path, outside: Path, tmp_path: Path, spread: str
) -> None:
    mark = outside / "mark"
    place = root / spread
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(entry(mark)))
    await start(root, tmp_path)
    assert not mark.exists()
    user_file(folders(tmp_path)).parent.mkdir(parents=True)
    user_file(folders(tmp_path)).write_text(json.dumps(entry(mark)))
    await start(root, tmp_path)
    assert mark.exists(), "the same entry works in the user's own file"
