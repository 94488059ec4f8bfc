from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tools.code.walk import File, is_binary, read, walk
from tools.ripgrep import SearchFailed

from .conftest import Write


def paths(root: Path, **options: object) -> list[str]:
    return [file.path for file in walk(root, **options).files]  # type: ignore[arg-type]


def test_files_of_known_languages_come_sorted_with_size_and_time(root: Path, write: Write) -> None:
    write({"b.py": "x = 1\n", "a/z.rs": "", "data.csv": "1,2", ".github/make.py": ""})
    found = walk(root)
    assert [file.path for file in found.files] == [".github/make.py", "a/z.rs", "b.py"]
    about = (root / "b.py").stat()
    assert found.files[2] == File("b.py", 6, about.st_mtime_ns, "python")
    assert found.stopped == ""
    assert "data.csv" in paths(root, known_only=False)


def test_ignored_files_and_git_s_own_are_left_out(root: Path, write: Write) -> None:
    write(
        {
            ".gitignore": "build/\n*.gen.py\n!keep.gen.py\n",
            "sub/.gitignore": "local.py\n",
            **dict.fromkeys(
                ("a.py", "b.gen.py", "keep.gen.py", "build/c.py", "sub/local.py", ".git/hook.py"),
                "",
            ),
        }
    )
    assert paths(root) == ["a.py", "keep.gen.py"]


def test_links_are_not_followed_so_that_loops_end(root: Path, write: Write, tmp_path: Path) -> None:
    write({"sub/a.py": ""})
    (tmp_path / "outside.py").write_text("secret = 1")
    (root / "sub" / "loop").symlink_to(root)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.py").write_text("secret = 2")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "self").symlink_to("self")
    (root / "file.py").symlink_to(tmp_path / "outside.py")
    assert paths(root) == ["sub/a.py"]


def test_a_large_tree_is_cut_at_the_same_files_each_time_and_says_so(
    root: Path, write: Write
) -> None:
    write({f"{n % 7}/f{n:03}.py": "" for n in range(300)})
    found = walk(root, most=100)
    assert len(found.files) == 100
    assert found.stopped == "stopped after 100 files"
    assert walk(root, most=100) == found
    assert walk(root, most=300).stopped == ""


def test_out_of_time_says_so(root: Path, write: Write) -> None:
    write({"a.py": ""})
    assert walk(root, seconds=0).stopped.startswith("stopped after 0 s")


def test_large_files_pipes_and_odd_names_are_left_out(root: Path, write: Write) -> None:
    write({"large.py": "x" * 101, "fits.py": "x" * 100, "new\nline.py": ""})
    os.mkfifo(root / "pipe.py")
    (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.py"))).write_text("")
    assert paths(root, largest=100) == ["fits.py", "new\nline.py"]


def test_reading_takes_what_is_there_now(root: Path, write: Write) -> None:
    write({"a.py": "one", "b.py": "two", "c.py": "three", "d.py": b"\0\1", "e.py": "x" * 200})
    files = {file.path: file for file in walk(root).files}
    (root / "a.py").write_text("one more")
    (root / "b.py").unlink()
    (root / "c.py").unlink()
    (root / "c.py").mkdir()
    assert read(root, files["a.py"]) == b"one more"
    assert read(root, files["b.py"]) is None
    assert read(root, files["c.py"]) is None
    assert read(root, files["d.py"]) is None
    assert read(root, files["e.py"], largest=199) is None


def test_a_file_that_became_a_link_or_a_pipe_is_not_read(
    root: Path, write: Write, tmp_path: Path
) -> None:
    write({"a.py": "", "b.py": ""})
    link, pipe = walk(root).files
    (tmp_path / "secret").write_text("secret")
    (root / "a.py").unlink()
    (root / "a.py").symlink_to(tmp_path / "secret")
    (root / "b.py").unlink()
    os.mkfifo(root / "b.py")
    assert read(root, link) is None
    assert read(root, pipe) is None


def test_text_is_told_from_binary_as_git_does() -> None:
    assert is_binary(b"a\0b")
    assert not is_binary(b"x" * 8000 + b"\0")


def test_a_root_that_is_gone_is_an_os_error(root: Path) -> None:
    shutil.rmtree(root)
    with pytest.raises(OSError, match="No such file"):
        walk(root)


def test_without_ripgrep_it_says_what_to_install(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.code.walk.find_rg", lambda: None)
    with pytest.raises(SearchFailed, match="pip install ripgrep"):
        walk(root)
