"""Repositories in every state: the model gets a clear text, and nothing breaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.tools.git.conftest import Desk
from tools.git.config import names_a_program

READS = ["status", "diff", "log", "show", "branch"]


async def every_action(desk: Desk) -> list[str]:
    texts = []
    for action in (*READS, "blame", "add", "commit", "restore"):
        result = await desk.call(action, path="f.txt", message="x")
        assert not result.ok
        texts.append(result.text)
    return texts


async def test_no_repository(desk: Desk) -> None:
    assert all("no git repository" in text for text in await every_action(desk))


async def test_a_repository_above_the_workspace(new_desk: Callable[[str], Desk]) -> None:
    new_desk("above").begin()
    desk = new_desk("above/inner")
    assert all("above the workspace" in text for text in await every_action(desk))


async def test_bare(desk: Desk) -> None:
    desk.git("init", "-q", "--bare")
    assert all("bare" in text for text in await every_action(desk))


async def test_bare_by_its_configuration(desk: Desk) -> None:
    desk.begin()
    desk.git("config", "core.bare", "true")
    assert all("bare" in text for text in await every_action(desk))


async def test_before_the_first_commit(desk: Desk) -> None:
    desk.git("init", "-q", "-b", "main")
    desk.git("config", "user.name", "U")
    desk.git("config", "user.email", "u@example.org")
    desk.put("f.txt", "x\n")
    assert "No commits yet on main" in (await desk.call("status")).text
    assert (await desk.call("branch")).text == "* main (no commit yet)"
    for action in ("log", "show", "blame", "restore"):
        result = await desk.call(action, path="f.txt")
        assert not result.ok and "no commit yet" in result.text
    assert not (await desk.call("commit", message="x")).ok
    assert (await desk.call("add", path="f.txt")).ok
    assert "+x" in (await desk.call("diff")).text
    assert (await desk.call("branch", rev="start")).ok
    assert (await desk.call("commit", message="First")).ok
    assert desk.git("log", "--format=%s %D").strip() == "First HEAD -> start"


async def test_a_detached_head(desk: Desk) -> None:
    desk.begin()
    desk.git("checkout", "-q", "--detach")
    assert "## HEAD (no branch)" in (await desk.call("status")).text
    desk.put("f.txt", "two\n")
    assert (await desk.call("commit", path="f.txt", message="Two")).ok
    assert desk.git("log", "-1", "--format=%s", "HEAD").strip() == "Two"
    assert desk.git("log", "-1", "--format=%s", "main").strip() == "first"


async def test_a_merge_under_way(desk: Desk) -> None:
    desk.begin()
    desk.git("checkout", "-qb", "other")
    desk.put("f.txt", "theirs\n")
    desk.git("commit", "-qam", "theirs")
    desk.git("checkout", "-q", "main")
    desk.put("f.txt", "ours\n")
    desk.git("commit", "-qam", "ours")
    with pytest.raises(Exception, match="merge"):
        desk.git("merge", "other")
    assert "a merge is under way" in (await desk.call("status")).text
    result = await desk.call("commit", path="f.txt", message="x")
    assert not result.ok and "a merge is under way" in result.text
    assert not (await desk.call("branch", rev="new")).ok


async def test_a_linked_worktree(new_desk: Callable[[str], Desk]) -> None:
    main = new_desk("main")
    main.begin()
    main.git("worktree", "add", "-q", "../linked")
    desk = new_desk("linked")
    desk.put("f.txt", "two\n")
    assert " M f.txt" in (await desk.call("status")).text
    assert "+two" in (await desk.call("diff")).text


async def test_a_submodule(new_desk: Callable[[str], Desk]) -> None:
    other = new_desk("other")
    other.begin()
    desk = new_desk("project")
    desk.begin()
    desk.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.root), "sub")
    desk.git("commit", "-qm", "sub")
    (desk.root / "sub/f.txt").write_text("changed\n")
    assert (await desk.call("status")).text == (
        "## main\nnothing changed\n[submodules are not looked into]"
    )
    assert (await desk.call("add", path=".")).text == "nothing new in ."
    inside = new_desk("project/sub")
    assert all("outside of the workspace" in text for text in await every_action(inside))


async def test_sha256(desk: Desk) -> None:
    desk.begin("--object-format=sha256")
    desk.put("f.txt", "two\n")
    assert "+two" in (await desk.call("diff")).text
    assert (await desk.call("commit", path="f.txt", message="Two")).ok
    assert len(desk.git("rev-parse", "HEAD").strip()) == 64
    assert (await desk.call("restore", path="f.txt", rev="HEAD~1")).ok is False
    desk.saw("f.txt")
    assert (await desk.call("restore", path="f.txt", rev="HEAD~1")).ok


async def test_without_an_identity(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.begin()
    for name in ("user.name", "user.email"):
        desk.git("config", "--unset", name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    desk.put("f.txt", "two\n")
    result = await desk.call("commit", path="f.txt", message="x")
    assert not result.ok and "user.name" in result.text


async def test_the_users_own_identity(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.begin()
    for name in ("user.name", "user.email"):
        desk.git("config", "--unset", name)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\n\tname = At Home\n\temail = home@example.org\n"
        f'[includeIf "gitdir:{desk.root}/"]\n\tpath = work\n'
    )
    (home / "work").write_text("[user]\n\temail = work@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    desk.put("f.txt", "two\n")
    assert (await desk.call("commit", path="f.txt", message="x")).ok
    assert desk.git("show", "-s", "--format=%an %ae").strip() == "At Home work@example.org"


async def test_a_lock_left_behind(desk: Desk) -> None:
    desk.begin()
    desk.put("f.txt", "two\n")
    desk.put(".git/index.lock", "")
    assert " M f.txt" in (await desk.call("status")).text
    result = await desk.call("add", path="f.txt")
    assert not result.ok and "index.lock" in result.text


@pytest.mark.parametrize("broken", ["config", "HEAD", "index"])
async def test_a_broken_repository(desk: Desk, broken: str) -> None:
    desk.begin()
    (desk.root / ".git" / broken).write_text("[[[ no\n")
    results = [await desk.call(action) for action in READS]
    assert not all(result.ok for result in results)
    assert all(result.ok or len(result.text) > 20 for result in results)


def test_every_setting_of_this_git_that_names_a_program_is_known(desk: Desk) -> None:
    """`git help -c` lists the settings; those with such a name and no program are listed here."""
    harmless = {"column.clean", "commit.cleanup", "fetch.", "diff.<driver>.cachetextconv"}
    words = ("command", "cmd", "program", "helper", "textconv", "clean", "smudge", "process",
             "editor", "pager", "askpass", "hookspath", "external", "fsmonitor", "vcs")  # fmt: skip
    listed = desk.git("help", "-c").split()
    suspects = [key for key in listed if key.lower().endswith(words) and "." in key]
    assert len(suspects) > 20
    missed = [key for key in suspects if not names_a_program(key)]
    assert set(missed) <= harmless
