"""What each action of the git tool does."""

from __future__ import annotations

import json
import os

import pytest

from tests.unit.tools.git.conftest import Desk
from tools.git.tool import git_tool


async def test_status_names_the_branch_and_what_changed(desk: Desk) -> None:
    desk.begin()
    assert (await desk.call("status")).text == "## main\nnothing changed"
    desk.put("f.txt", "two\n")
    desk.put("ä new.txt", "x\n")
    assert (await desk.call("status")).text == '## main\n M f.txt\n?? "ä new.txt"'


async def test_diff_of_what_is_not_committed_and_of_revisions(desk: Desk) -> None:
    desk.begin()
    assert (await desk.call("diff")).text.startswith("no changes")
    desk.put("f.txt", "two\n")
    desk.git("add", "f.txt")
    assert "-one\n+two\n" in (await desk.call("diff")).text
    desk.git("commit", "-qm", "second")
    for rev in ("HEAD~1..HEAD", "HEAD~1", "main~1...main"):
        assert "-one\n+two\n" in (await desk.call("diff", rev=rev)).text
    assert "no changes" in (await desk.call("diff", rev="HEAD~1", path="g.txt")).text


async def test_log_show_and_blame(desk: Desk) -> None:
    desk.begin()
    desk.put("f.txt", "one\ntwo\n")
    desk.git("commit", "-qam", "second")
    lines = (await desk.call("log")).text.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["second", "first"]
    assert len((await desk.call("log", limit=1)).text.splitlines()) == 1
    assert "+two" in (await desk.call("show")).text
    assert (await desk.call("show", rev="HEAD~1", path="f.txt")).text == "one\n"
    first, second = (await desk.call("blame", path="f.txt")).text.splitlines()
    assert first.endswith("one") and second.endswith("two") and "A User" in second


async def test_a_commit_is_the_users_and_names_the_model(desk: Desk) -> None:
    desk.begin()
    desk.put("d/new.txt", "x\n")
    result = await desk.call("commit", path="d", message="Add a file\n\nIt is new.\n")
    assert result.ok and "d/new.txt" in result.text
    assert desk.git("show", "-s", "--format=%an <%ae> %cn%n%B").strip() == (
        "A User <user@example.org> A User\nAdd a file\n\nIt is new.\n\nAssisted-by: ingle (a-model)"
    )
    assert desk.git("status", "--porcelain") == ""
    assert "commit: Add a file" in desk.git("reflog")


async def test_the_trailer_joins_others(desk: Desk) -> None:
    desk.begin()
    desk.put("f.txt", "two\n")
    await desk.call("commit", path=".", message="Two\n\nFixes: 12")
    assert desk.git("show", "-s", "--format=%B").strip() == (
        "Two\n\nFixes: 12\nAssisted-by: ingle (a-model)"
    )


async def test_add_stages_new_changed_and_deleted_files(desk: Desk) -> None:
    desk.begin()
    desk.put("gone", "gone\n")
    desk.put(".gitignore", "*.log\n")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "second")
    (desk.root / "gone").unlink()
    desk.put("f.txt", "two\n")
    desk.put("new", "x")
    desk.put("x.log", "x")
    result = await desk.call("add", path=".")
    assert result.text == "staged: f.txt, gone, new"
    assert desk.git("diff", "--cached", "--name-status").split() == [
        *("M", "f.txt"), *("D", "gone"), *("A", "new"),
    ]  # fmt: skip
    assert (await desk.call("add", path=".")).text == "nothing new in ."


async def test_nothing_to_commit(desk: Desk) -> None:
    desk.begin()
    result = await desk.call("commit", message="x")
    assert not result.ok and "nothing is staged" in result.text
    assert not (await desk.call("commit", path=".")).ok
    assert desk.git("rev-list", "--count", "HEAD").strip() == "1"


async def test_a_new_branch(desk: Desk) -> None:
    desk.begin()
    assert (await desk.call("branch", rev="topic/one")).ok
    assert desk.git("symbolic-ref", "HEAD").strip() == "refs/heads/topic/one"
    assert desk.git("status", "--porcelain") == ""
    result = await desk.call("branch", rev="main")
    assert not result.ok and "already" in result.text
    text = (await desk.call("branch")).text
    assert "* topic/one" in text and "  main" in text
    for bad in ("a..b", "HEAD", "-D", "a b", "@{-1}", "x.lock"):
        assert not (await desk.call("branch", rev=bad)).ok


async def test_restore_brings_back_what_the_model_has_seen(desk: Desk) -> None:
    desk.begin()
    script = desk.put("run.sh", "#!/bin/sh\n")
    script.chmod(0o755)
    desk.git("add", "-A")
    desk.git("commit", "-qm", "second")
    desk.put("f.txt", "by the model\n")
    desk.saw("f.txt")
    script.unlink()
    result = await desk.call("restore", path=".")
    assert result.ok and set(result.changed) == {"f.txt", "run.sh"}
    assert "-by the model\n+one\n" in result.diff
    assert desk.git("status", "--porcelain") == ""
    assert os.access(script, os.X_OK)


async def test_restore_refuses_what_the_user_changed(desk: Desk) -> None:
    desk.begin()
    file = desk.put("f.txt", "by the user\n")
    result = await desk.call("restore", path="f.txt")
    assert not result.ok and "read it first" in result.text
    desk.saw("f.txt")
    file.write_text("by the user, later\n")
    assert not (await desk.call("restore", path="f.txt")).ok
    assert file.read_text() == "by the user, later\n"


async def test_restore_keeps_the_line_ends_that_a_checkout_gives(desk: Desk) -> None:
    desk.begin()
    desk.put(".gitattributes", "*.bat text eol=crlf\n")
    desk.put("x.bat", "one\r\ntwo\r\n")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "x")
    (desk.root / "x.bat").unlink()
    assert (await desk.call("restore", path="x.bat")).ok
    assert (desk.root / "x.bat").read_bytes() == b"one\r\ntwo\r\n"


@pytest.mark.parametrize("action", ["add", "commit", "restore"])
async def test_files_of_a_filter_are_left_to_the_user(desk: Desk, action: str) -> None:
    desk.begin()
    desk.put(".gitattributes", "*.bin filter=lfs\n")
    desk.put("x.bin", "pointer")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "x")
    desk.put("x.bin", "large")
    desk.saw("x.bin")
    result = await desk.call(action, path=".", message="x")
    assert not result.ok and "'lfs'" in result.text
    assert desk.git("rev-list", "--count", "HEAD").strip() == "2"
    assert desk.git("diff", "--cached", "--name-only") == ""
    assert (desk.root / "x.bin").read_text() == "large"


@pytest.mark.parametrize(
    "rev", ["nope", "--all", "HEAD:f.txt", "a b", ":/first", "HEAD^{/x}", "^HEAD"]
)
async def test_what_is_no_revision(desk: Desk, rev: str) -> None:
    desk.begin()
    for action in ("diff", "log", "show", "restore"):
        result = await desk.call(action, rev=rev, path="f.txt")
        assert not result.ok and repr(rev)[1:-1] in result.text


async def test_a_path_outside_or_inside_of_git(desk: Desk) -> None:
    desk.begin()
    for path in ("../x", "/etc/passwd", ".git/config"):
        assert not (await desk.call("restore", path=path)).ok
    for path in ("../x", "/etc/passwd"):
        for action in ("diff", "log", "show", "blame", "add"):
            result = await desk.call(action, path=path)
            assert not result.ok and "outside" in result.text


async def test_a_path_is_no_pattern(desk: Desk) -> None:
    desk.begin()
    desk.put("*.txt", "star\n")
    desk.put("g.txt", "x\n")
    assert (await desk.call("add", path="*.txt")).text == "staged: *.txt"


async def test_much_output_is_cut(desk: Desk) -> None:
    desk.begin()
    desk.put("f.txt", "x\n" * 6_000_000)
    result = await desk.call("diff")
    assert result.ok and len(result.text) < 20_000
    assert "narrow" in result.text


def test_the_schema_is_small() -> None:
    tool = git_tool()
    assert len(json.dumps(tool.parameters()) + tool.description) < 420
