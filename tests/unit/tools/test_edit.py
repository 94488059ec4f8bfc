from __future__ import annotations

from pathlib import Path

from tools.base import ToolContext, ToolResult
from tools.edit import EditArguments, run_edit

CODE = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"


async def edit(context: ToolContext, path: str, old: str, new: str) -> ToolResult:
    return await run_edit(EditArguments(path=path, old=old, new=new), context)


def seen(context: ToolContext, name: str, data: bytes) -> Path:
    """A file that the model has read."""
    path = context.workspace.root / name
    path.write_bytes(data)
    context.workspace.remember(path, data)
    return path


async def test_the_model_and_the_user_see_what_was_done(context: ToolContext) -> None:
    file = seen(context, "a.py", CODE.encode())
    result = await edit(context, "a.py", "    return 2\n", "    return 3\n")
    assert file.read_text() == CODE.replace("2", "3")
    assert result.text == (
        "edited a.py: +1 -1\n@@ -5,2 +5,2 @@\n def g():\n-    return 2\n+    return 3"
    )
    assert result.diff.startswith("--- a/a.py\n+++ b/a.py\n@@ -3,4 +3,4 @@\n")
    assert result.changed == ("a.py",)


async def test_a_guess_is_named(context: ToolContext) -> None:
    seen(context, "a.py", CODE.encode())
    result = await edit(context, "a.py", "return 2\n", "return 3\n")
    assert result.text.startswith("edited a.py: +1 -1 (whitespace ignored)\n")


async def test_edits_follow_each_other_without_reading_again(context: ToolContext) -> None:
    file = seen(context, "a", b"1\n2\n")
    assert (await edit(context, "a", "1\n", "one\n")).ok
    assert (await edit(context, "a", "2\n", "two\n")).ok
    assert file.read_text() == "one\ntwo\n"


async def test_a_file_that_was_not_read_or_has_changed_is_left_alone(
    context: ToolContext, root: Path
) -> None:
    (root / "a").write_text("1\n")
    assert "read it first" in (await edit(context, "a", "1\n", "2\n")).text
    seen(context, "a", b"1\n")
    (root / "a").write_text("1\n3\n")
    assert "changed since you read it" in (await edit(context, "a", "1\n", "2\n")).text
    assert (root / "a").read_text() == "1\n3\n"


async def test_a_refused_edit_changes_nothing_and_shows_the_real_lines(
    context: ToolContext,
) -> None:
    file = seen(context, "a.py", CODE.encode())
    result = await edit(context, "a.py", "def h():\n    return 2 + 2\n", "x\n")
    assert not result.ok
    assert result.text.startswith("a.py was not changed: old is not in the file.")
    assert result.text.endswith("lines 5-6:\ndef g():\n    return 2")
    assert (result.diff, result.changed) == ("", ())
    assert file.read_text() == CODE


async def test_the_bytes_around_an_edit_stay_as_they_are(context: ToolContext) -> None:
    file = seen(context, "a", b"\xef\xbb\xbf1\r\n2\r\n3")
    assert (await edit(context, "a", "2\n", "two\nzwei\n")).ok
    assert file.read_bytes() == b"\xef\xbb\xbf1\r\ntwo\r\nzwei\r\n3"
    file = seen(context, "mixed", b"1\n2\r\n3\n")
    assert (await edit(context, "mixed", "2\n", "two\n")).ok
    assert file.read_bytes() == b"1\ntwo\n3\n"


async def test_nothing_to_do_is_said(context: ToolContext) -> None:
    seen(context, "a.py", CODE.encode())
    assert (await edit(context, "a.py", "x", "x")).text.startswith("old and new are the same")
    result = await edit(context, "a.py", "return 1\n", "return 1")
    assert (result.ok, result.text) == (False, "a.py was not changed: it already reads so")


async def test_an_empty_file_takes_an_empty_old(context: ToolContext) -> None:
    file = seen(context, "a", b"")
    assert (await edit(context, "a", "", "x\n")).ok
    assert file.read_text() == "x\n"


async def test_a_missing_file_is_for_write(context: ToolContext) -> None:
    assert (await edit(context, "new.py", "", "x")).text == (
        "new.py does not exist\nTo create a file use write."
    )


async def test_a_binary_file_is_not_edited(context: ToolContext) -> None:
    seen(context, "a", b"\0")
    assert (await edit(context, "a", "x", "y")).text == (
        "a was not changed: binary: it has NUL bytes"
    )


async def test_a_long_diff_is_cut_for_the_model_only(context: ToolContext) -> None:
    seen(context, "a", b"1\n")
    new = "".join(f"{number}\n" for number in range(2000))
    result = await edit(context, "a", "1\n", new)
    assert len(result.text) < 2200
    assert result.text.endswith("[the rest of the diff is left out]")
    assert result.diff.count("\n+") > 1990
