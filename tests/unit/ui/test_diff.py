from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agent.ui.diff import count_changes, read_diff
from agent.ui.repl.cards import diff_lines
from agent.ui.repl.paint import Painter

BEFORE = "-- a comment\nselect 1;\n++ odd\n" + "x;\n" * 20 + "last;\n"
AFTER = "select 2;\n++ more\n" + "x;\n" * 20 + "end;\n"


@pytest.fixture
def diff(tmp_path: Path) -> str:
    """What git says of a changed, a new, a renamed, a deleted and a binary file."""

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@x", *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    for name, text in {"a b.sql": BEFORE, "old.txt": "same\n" * 9, "gone.txt": "1\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "z.bin").write_bytes(b"\0\1")
    git("add", "-A")
    git("commit", "-qm", "one")
    (tmp_path / "a b.sql").write_text(AFTER)
    (tmp_path / "old.txt").rename(tmp_path / "new.txt")
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "born.py").write_text("def f():\n    pass")
    (tmp_path / "z.bin").write_bytes(b"\0\2")
    git("add", "-A")
    return git("diff", "--cached", "-M")


def test_every_file_is_named_once_and_every_line_is_there(diff: str) -> None:
    lines = read_diff(diff)
    files = [line.text for line in lines if line.kind == "file"]
    assert files == ["a b.sql", "born.py", "gone.txt", "new.txt", "z.bin"]
    changed = [f"{line.sign}{line.text}" for line in lines if line.sign in "+-"]
    assert changed == [
        "--- a comment", "-select 1;", "-++ odd", "+select 2;", "+++ more", "-last;", "+end;",
        "+def f():", "+    pass", "-1",
    ]  # fmt: skip
    assert count_changes(diff) == (5, 5)
    notes = [line.text for line in lines if line.kind == "note"]
    assert notes == [
        "\\ No newline at end of file", "deleted file mode 100644", "similarity index 100%",
        "rename from old.txt", "rename to new.txt", "Binary files a/z.bin and b/z.bin differ",
    ]  # fmt: skip


def test_the_card_of_a_diff_has_names_lines_and_the_cut_between_hunks(diff: str) -> None:
    lines, is_cut = diff_lines(Painter(60, colour=False), diff, 200)
    assert not is_cut
    assert lines[:5] == ["    a b.sql", "    --- a comment", "    -select 1;", "    -++ odd",
                         "    +select 2;"]  # fmt: skip
    assert lines.count("    ⋮") == 1
    assert not any("index " in line and "similarity" not in line for line in lines)
    short, is_cut = diff_lines(Painter(60, colour=False), diff, 3)
    assert is_cut and len(short) == 3 and short[-1].endswith("more lines")


def test_one_file_in_plain_form_is_not_named() -> None:
    plain = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n"
    lines, _ = diff_lines(Painter(60, colour=False), plain, 9)
    assert lines == ["    -a", "    +b"]
    two = plain + plain.replace("x.py", "y.py")
    lines, _ = diff_lines(Painter(60, colour=False), two, 9)
    assert lines == ["    x.py", "    -a", "    +b", "    y.py", "    -a", "    +b"]


def test_lines_without_any_header() -> None:
    assert [(line.sign, line.text) for line in read_diff("-a\n+b\n c")] == [
        ("-", "a"), ("+", "b"), (" ", "c"),
    ]  # fmt: skip
    assert read_diff("") == []
