"""The whole way: a folder, its store, the outline."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.cachefile import CacheFailed
from tools.code import project as module
from tools.code.places import store_file
from tools.code.project import Project, outline_of
from tools.code.store import Store

from .conftest import Write

ROOT = Path(__file__).parents[4]
SHOP: dict[str, str | bytes] = {
    "core.py": "def open_store(path):\n    return path\n\ndef never_called():\n    pass\n",
    "user.py": "from core import open_store\n\ndef begin_work():\n    return open_store('a')\n",
    "other.go": "package other\n\nfunc Unrelated() {}\n",
    "notes.md": "# Notes\n",
    ".gitignore": "made/\n",
    "made/made.py": "def generated(): ...\n",
}


@pytest.fixture
def opened(root: Path, store: Path) -> Iterator[Project]:
    with Project(root, store) as project:
        yield project


def test_the_outline_shows_every_language_and_no_ignored_file(
    write: Write, opened: Project
) -> None:
    write(SHOP)
    assert opened.outline(1000) == (
        "core.py\n  1 def open_store(path)\n  4 def never_called()\nnotes.md\n  1 # Notes\n"
        "other.go\n  3 func Unrelated()\nuser.py\n  3 def begin_work()"
    )


def test_the_most_used_definition_is_the_last_to_go(write: Write, opened: Project) -> None:
    write(SHOP)
    assert opened.outline(60) == "core.py\n  1 def open_store(path)\n[3 more files]"


def test_what_is_asked_for_is_shown(write: Write, opened: Project) -> None:
    write(SHOP)
    assert "Unrelated" in opened.outline(60, ["other.go"])
    assert "begin_work" in opened.outline(60, ["begin the work"])


def test_the_bytes_stay_while_the_content_does(
    root: Path, write: Write, store: Path, tmp_path: Path
) -> None:
    write(SHOP)
    before = outline_of(root, store, 500)
    os.utime(root / "core.py", ns=(1, 1))
    (root / "made" / "more.py").write_text("def ignored(): ...")
    assert outline_of(root, store, 500) == before
    assert outline_of(root, tmp_path / "new.sqlite", 500) == before
    (root / "core.py").write_text("def renamed(path): ...")
    assert "renamed" in outline_of(root, store, 500)


def test_only_what_changed_is_read_again(root: Path, write: Write, opened: Project) -> None:
    write(SHOP)
    assert opened.refresh().changed == ("core.py", "notes.md", "other.go", "user.py")
    assert opened.refresh().changed == ()
    (root / "core.py").write_text("def changed_name(): ...\n")
    os.utime(root / "user.py", ns=(1, 1))
    (root / "other.go").unlink()
    found = opened.refresh()
    assert (found.changed, found.gone) == (("core.py",), ("other.go",))
    assert sorted(found.files) == ["core.py", "notes.md", "user.py"]
    assert opened.files_using("changed_name") == ["core.py"]
    assert opened.refresh().changed == ()


def test_symbols_come_from_the_store_the_second_time(
    write: Write, opened: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(SHOP)
    known = opened.refresh().files
    first = dict(opened.symbols([*known, "no/such.py", *known], known))
    assert sorted(first) == sorted(known)
    assert [each.name for each in first["core.py"].definitions] == ["open_store", "never_called"]
    monkeypatch.setattr(module, "parse_texts", None)
    assert dict(opened.symbols(known, known)) == first


def test_files_that_change_and_vanish_while_they_are_parsed_are_no_error(
    root: Path, write: Write, opened: Project
) -> None:
    write({f"f{n:02}.py": f"def before_{n}(): ...\n" for n in range(40)})
    known = opened.refresh().files
    (root / "f01.py").unlink()
    (root / "f02.py").write_text("def after(): ...\n")
    (root / "f03.py").write_bytes(b"\0\1\2")
    found = {}
    for path, symbols in opened.symbols(known, known):
        found[path] = [each.name for each in symbols.definitions]
        for later in range(30, 40):
            (root / f"f{later}.py").unlink(missing_ok=True)
    assert "f01.py" not in found
    assert "f03.py" not in found
    assert found["f02.py"] == ["after"]
    assert found["f20.py"] == ["before_20"]
    (root / "f02.py").write_text("def before_2(): ...\n")
    again = dict(opened.symbols(["f02.py"], opened.refresh().files))
    assert again["f02.py"].definitions[0].name == "before_2"


def test_a_store_that_breaks_while_it_is_used_is_built_again(
    root: Path, write: Write, store: Path
) -> None:
    write(SHOP)
    before = outline_of(root, store, 500)
    with contextlib.closing(sqlite3.connect(store)) as db:
        found = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outlines'")
        page = found.fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(store.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size  # what is read at opening is whole
    store.write_bytes(data)
    Store(store).close()
    assert not store.with_name("store.sqlite.broken").exists()
    assert outline_of(root, store, 500) == before
    assert store.with_name("store.sqlite.broken").exists()
    assert outline_of(root, store, 500) == before


def test_links_that_loop_end(root: Path, write: Write, opened: Project) -> None:
    write({"sub/a.py": "def only_one(): ...\n"})
    (root / "sub" / "up").symlink_to("..")
    (root / "self.py").symlink_to("self.py")
    assert opened.outline(500) == "sub/a.py\n  1 def only_one()"


def test_bad_files_do_not_keep_the_others_away(write: Write, opened: Project) -> None:
    write(
        {
            "good.py": "def good_one(): ...\n",
            "latin.py": b"def caf\xe9_au_lait(): ...\n",
            "deep.py": b"(" * 50_000,
            "binary.py": b"\0" * 100,
            "empty.py": b"",
            "million.py": b"x = 1\n" * 1_000_000,
            "lines.py": b"\n" * 500_000 + b"def last_one(): ...\n",
        }
    )
    text = opened.outline(500)
    assert "1 def good_one()" in text
    assert "1 def caf�_au_lait()" in text
    assert "500001 def last_one()" in text
    assert "binary.py" not in text
    assert "million.py" not in text, "too large"


def test_a_folder_without_code_has_no_outline(opened: Project) -> None:
    assert opened.outline(500) == ""


def test_out_of_time_the_rest_is_looked_at_next_time(
    write: Write, opened: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(SHOP)
    with monkeypatch.context() as patch:
        patch.setattr(module, "SCAN_S", -1.0)
        assert opened.refresh().stopped == "4 files not looked at yet"
        assert opened.outline(500) == "[4 files not looked at yet]"
    assert "open_store" in opened.outline(500)


def test_a_store_that_cannot_be_made_is_one_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheFailed, match="it can be deleted"):
        outline_of(root, tmp_path / "file" / "store.sqlite", 500)


OUTLINE = """
import sys
from pathlib import Path
from tools.code.project import outline_of
print(outline_of(Path(sys.argv[1]), Path(sys.argv[2]), 3000))
"""


def test_two_processes_that_begin_at_once_say_the_same(
    root: Path, write: Write, store: Path
) -> None:
    write({f"f{n:03}.py": f"def function_{n}():\n    function_{n // 3}()\n" for n in range(300)})
    command = [sys.executable, "-c", OUTLINE, str(root), str(store)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    first, second = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert first == second
    assert b"function_1()" in first


def test_each_project_has_a_store_of_its_own(tmp_path: Path, root: Path) -> None:
    assert store_file(tmp_path, root) == store_file(tmp_path, root / ".." / "project")
    assert store_file(tmp_path, root) != store_file(tmp_path, tmp_path)
