from __future__ import annotations

import os
from pathlib import Path

from tools.base import ToolContext, ToolResult
from tools.output import OutputStore
from tools.read import ReadArguments, run_read


async def read(
    context: ToolContext, path: str, first: int = 1, last: int | None = None
) -> ToolResult:
    return await run_read(ReadArguments(path=path, first_line=first, last_line=last), context)


async def test_a_file_comes_under_a_line_that_names_it(context: ToolContext, root: Path) -> None:
    (root / "a.py").write_text("x = 1\n\ny = 2\n")
    result = await read(context, "a.py")
    assert result.text == "a.py lines 1-3 of 3\nx = 1\n\ny = 2"
    assert result.ok
    assert context.workspace.overwrite_refusal(root / "a.py") == ""


async def test_a_range_of_lines_is_what_was_asked_for(context: ToolContext, root: Path) -> None:
    (root / "a").write_text("1\n2\n3\n4\n")
    assert (await read(context, "a", 2, 3)).text == "a lines 2-3 of 4\n2\n3"
    assert (await read(context, "a", 3, 99)).text == "a lines 3-4 of 4\n3\n4"


async def test_lines_outside_of_the_file_are_refused(context: ToolContext, root: Path) -> None:
    (root / "a").write_text("1\n2\n")
    assert (await read(context, "a", 3)).text == "a has only 2 lines"
    result = await read(context, "a", 2, 1)
    assert not result.ok
    assert result.text == "last_line 1 is before first_line 2"


async def test_a_long_file_can_be_read_to_its_end_piece_by_piece(
    context: ToolContext, root: Path
) -> None:
    lines = [f"line {number}" for number in range(5000)]
    (root / "long").write_text("\n".join(lines))
    seen: list[str] = []
    while len(seen) < len(lines):
        text = (await read(context, "long", len(seen) + 1)).text
        assert len(text) < context.output.limit + 100
        head, *body = text.split("\n")
        if body[-1].startswith("["):
            assert body.pop() == f"[read on with first_line={len(seen) + len(body) + 1}]"
        assert head == f"long lines {len(seen) + 1}-{len(seen) + len(body)} of 5000"
        seen += body
    assert seen == lines


async def test_a_line_longer_than_all_room_is_cut_and_said(
    context: ToolContext, root: Path
) -> None:
    (root / "min.js").write_text("x" * 10_000 + "\nend\n")
    text = (await read(context, "min.js")).text
    assert "x" * 6000 + "\n[line 1 has 10,000 characters and is cut]" in text
    assert text.endswith("[read on with first_line=2]")


async def test_an_empty_file_is_named_as_such(context: ToolContext, root: Path) -> None:
    (root / "a").write_text("")
    result = await read(context, "a")
    assert (result.ok, result.text) == (True, "a is empty")


async def test_windows_newlines_are_not_shown(context: ToolContext, root: Path) -> None:
    (root / "a").write_bytes(b"1\r\n2\r\n")
    assert "\r" not in (await read(context, "a")).text


async def test_a_binary_file_is_named_with_its_size(context: ToolContext, root: Path) -> None:
    (root / "a.png").write_bytes(b"\x89PNG\0" * 500)
    result = await read(context, "a.png")
    assert result.text == "a.png is binary: it has NUL bytes (2,500 bytes)"
    assert not result.ok
    assert not context.workspace.was_read(root / "a.png")


async def test_a_missing_file_suggests_the_nearest_names(context: ToolContext, root: Path) -> None:
    (root / "src").mkdir()
    for name in ("src/parser.py", "src/lexer.py", "README.md"):
        (root / name).write_text("")
    assert "did you mean src/parser.py?" in (await read(context, "parser.py")).text
    assert "did you mean src/lexer.py" in (await read(context, "src/lexr.py")).text
    assert (await read(context, "zzz")).text == "zzz does not exist"


async def test_a_folder_sends_to_list(context: ToolContext, root: Path) -> None:
    (root / "src").mkdir()
    result = await read(context, "src")
    assert (result.ok, result.text) == (False, "src is a folder: use list")


async def test_a_pipe_is_refused_and_does_not_block(context: ToolContext, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert (await read(context, "pipe")).text == "pipe is no regular file"


async def test_a_path_below_a_file_or_too_long_is_an_answer(
    context: ToolContext, root: Path
) -> None:
    (root / "a").write_text("")
    assert not (await read(context, "a/b")).ok
    assert "File name too long" in (await read(context, "x" * 300)).text


async def test_kept_output_can_be_read_on_whatever_its_bytes(
    context: ToolContext, tmp_path: Path
) -> None:
    store = OutputStore(tmp_path / "output", limit=300)
    spool = store.spool("shell")
    spool.feed(b"".join(b"%d \0\xff\n" % number for number in range(1000)))
    assert "first_line=" in spool.finish()
    kept = next((tmp_path / "output").iterdir())
    result = await read(context, str(kept), 500, 501)
    assert result.text == f"{kept} lines 500-501 of 1000\n499 \0\ufffd\n500 \0\ufffd"
