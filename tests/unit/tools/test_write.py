from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.base import ToolContext, ToolResult
from tools.write import WriteArguments, run_write


async def write(context: ToolContext, path: str, content: str) -> ToolResult:
    return await run_write(WriteArguments(path=path, content=content), context)


async def test_a_new_file_is_made_with_its_folders(context: ToolContext, root: Path) -> None:
    result = await write(context, "a/b.py", "x\ny\n")
    assert (root / "a/b.py").read_text() == "x\ny\n"
    assert result.text == "wrote a/b.py: 2 lines, +2 -0"
    assert result.changed == ("a/b.py",)
    assert result.diff.endswith("@@ -0,0 +1,2 @@\n+x\n+y\n")


async def test_a_file_that_was_not_read_is_not_overwritten(
    context: ToolContext, root: Path
) -> None:
    (root / "a").write_text("old\n")
    result = await write(context, "a", "new\n")
    assert (result.ok, result.changed) == (False, ())
    assert "read it first" in result.text
    assert (root / "a").read_text() == "old\n"


async def test_a_file_changed_by_another_is_not_overwritten(
    context: ToolContext, root: Path
) -> None:
    await write(context, "a", "mine\n")
    (root / "a").write_text("theirs\n")
    assert "changed since you read it" in (await write(context, "a", "new\n")).text
    assert (root / "a").read_text() == "theirs\n"


async def test_what_the_model_wrote_it_may_overwrite(context: ToolContext, root: Path) -> None:
    await write(context, "a", "one\ntwo\n")
    result = await write(context, "a", "one\nthree\n")
    assert result.text == "wrote a: 2 lines, +1 -1"
    assert (root / "a").read_text() == "one\nthree\n"


async def test_the_same_content_again_is_no_success(context: ToolContext, root: Path) -> None:
    (root / "a").write_text("x\n")
    result = await write(context, "a", "x\n")
    assert not result.ok
    assert result.text == "no change: the file already has exactly this content"


async def test_the_newlines_of_the_file_are_kept(context: ToolContext, root: Path) -> None:
    data = b"\xef\xbb\xbfa\r\nb\r\n"
    (root / "a").write_bytes(data)
    context.workspace.remember(root / "a", data)
    await write(context, "a", "a\nc\n")
    assert (root / "a").read_bytes() == b"\xef\xbb\xbfa\r\nc\r\n"


async def test_a_binary_file_can_be_replaced_once_it_was_seen(
    context: ToolContext, root: Path
) -> None:
    (root / "a").write_bytes(b"\0")
    context.workspace.remember(root / "a", b"\0")
    assert (await write(context, "a", "text\n")).ok


@pytest.mark.parametrize("path", ["folder", "new/", "."])
async def test_a_folder_is_no_file_to_write(context: ToolContext, root: Path, path: str) -> None:
    (root / "folder").mkdir()
    result = await write(context, path, "x")
    assert (result.ok, result.text) == (False, f"{path} is a folder: give the path of a file")


async def test_what_the_system_refuses_is_told(
    context: ToolContext, root: Path, content: Callable[[], list[str]]
) -> None:
    (root / "file").write_text("")
    assert "was not written: " in (await write(context, "file/below", "x")).text
    assert "File name too long" in (await write(context, "x" * 300, "x")).text
    os.mkfifo(root / "pipe")
    assert "no regular file" in (await write(context, "pipe", "x")).text
    assert "surrogate" in (await write(context, "s", "\ud800")).text
    assert content() == ["file", "pipe"]
