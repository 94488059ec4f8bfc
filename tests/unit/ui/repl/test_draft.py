"""From what is typed to a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import UsageError
from agent.ui.repl.draft import Pastes, message, names, split_command
from agent.ui.repl.paths import PathIndex


def test_short_pastes_stand_as_they_are_and_long_ones_by_their_size() -> None:
    pastes = Pastes()
    assert pastes.add("two\r\nlines") == "two\nlines"
    first, second = pastes.add("a\n" * 1234), pastes.add("b\n" * 1234)
    assert (first, second) == ("[pasted 1,234 lines]", "[pasted 1,234 lines, 2]")
    assert pastes.add("a\n" * 1234) == first
    used = pastes.used(f"see {second} [pasted 9 lines]")
    assert [(p.label, p.text) for p in used] == [(second, "b\n" * 1234)]


@pytest.mark.parametrize(
    ("draft", "found"),
    [
        ("@a.py and (@b/c.py)", ["a.py", "b/c.py)"]),
        ('@"with space.txt"', ["with space.txt"]),
        ("mail me@home.org, a@b", []),
        ("no @ alone", []),
    ],
)
def test_names_behind_an_at_sign(draft: str, found: list[str]) -> None:
    assert names(draft) == found


def test_files_are_attached_once_and_decorators_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "folder").mkdir()
    made = message("@a.py, @a.py. @property in @folder/", Pastes(), tmp_path)
    assert made.files == (tmp_path / "a.py",)


@pytest.mark.parametrize("name", ["gone.py", "pic.PNG", "blob"])
def test_what_cannot_be_attached_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "blob").write_bytes(b"a\0b")
    (tmp_path / "pic.PNG").write_bytes(b"text")
    with pytest.raises(UsageError, match=name):
        message(f"see @{name}", Pastes(), tmp_path)


@pytest.mark.parametrize(
    ("draft", "found"),
    [
        ("/help", ("help", "")),
        ("/compact  the tests\nand docs ", ("compact", "the tests\nand docs")),
        ("/usr/bin/env fails", None),
        ("say /help", None),
        ("/", None),
    ],
)
def test_commands(draft: str, found: tuple[str, str] | None) -> None:
    assert split_command(draft) == found


def test_fuzzy_paths() -> None:
    index = PathIndex(["src/app/main.py", "src/maintain.txt", "README.md", "docs/domain/name.md"])
    assert index.find("main")[0] == "src/app/main.py"
    assert index.find("SAMP")[0] == "src/app/main.py"
    assert index.find("src/")[0] == "src/"
    assert "docs/" in index.find("")
    assert index.find("zzz") == []
    assert len(set(index.find("a"))) == len(index.find("a"))
