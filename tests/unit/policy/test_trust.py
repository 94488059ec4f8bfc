"""Trust of a folder: by its real path and by what its configuration says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.policy.trust import configuration, forget, look, record


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".ingle").mkdir(parents=True)
    (folder / ".ingle/config.toml").write_text('check = "make test"\n')
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_unknown_then_trusted_then_forgotten(root: Path, state: Path) -> None:
    assert look(root, state).state == "unknown"
    record(root, state, trusted=True)
    assert look(root, state).trusted
    assert (state / "trust.json").stat().st_mode & 0o077 == 0
    assert forget(root, state)
    assert look(root, state).state == "unknown"
    assert not forget(root, state)


def test_a_no_is_kept_too(root: Path, state: Path) -> None:
    record(root, state, trusted=False)
    assert look(root, state).state == "refused"


@pytest.mark.parametrize(
    "name", [".ingle/config.toml", ".mcp.json", ".ingle/mcp.json", ".ingle/commands/a/b.md"]
)
def test_a_change_makes_it_unknown_again(root: Path, state: Path, name: str) -> None:
    record(root, state, trusted=True)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.read_text() + "#" if path.exists() else "{}")
    assert look(root, state).state == "unknown"


def test_other_files_do_not_matter(root: Path, state: Path) -> None:
    record(root, state, trusted=True)
    (root / "main.py").write_text("x = 1\n")
    assert look(root, state).trusted


def test_names_and_contents_cannot_be_shifted(root: Path) -> None:
    folder = root / ".ingle/commands"
    folder.mkdir()
    (folder / "a").write_text("b\0c")
    one = configuration(root)[0]
    (folder / "a").write_text("b")
    (folder / "b").write_text("c")
    assert configuration(root)[0] != one


def test_a_folder_without_configuration_can_be_trusted(tmp_path: Path, state: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    record(folder, state, trusted=True)
    assert look(folder, state).trusted
    assert look(folder, state).files == ()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', '{"%s": true}', "\x00"])
def test_a_broken_record_is_none(root: Path, state: Path, text: str) -> None:
    state.mkdir()
    (state / "trust.json").write_text(text.replace("%s", str(root)))
    assert look(root, state).state == "unknown"
    record(root, state, trusted=True)
    assert look(root, state).trusted


def test_only_true_is_yes(root: Path, state: Path) -> None:
    record(root, state, trusted=True)
    entries = json.loads((state / "trust.json").read_text())
    entries[str(root)]["trusted"] = "yes"
    (state / "trust.json").write_text(json.dumps(entries))
    assert not look(root, state).trusted


@pytest.mark.parametrize("kind", ["link", "fifo", "large", "folder link"])
def test_what_cannot_be_looked_at_cannot_be_trusted(root: Path, state: Path, kind: str) -> None:
    path = root / ".mcp.json"
    if kind == "link":
        path.symlink_to(root / ".ingle/config.toml")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(b" " * 1_000_001)
    else:
        (root / ".ingle/commands").symlink_to(root)
    assert look(root, state).digest == ""
    with pytest.raises(ConfigError, match="cannot be trusted"):
        record(root, state, trusted=True)
