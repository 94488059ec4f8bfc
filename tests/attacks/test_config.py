"""A cloned repository that brings configuration along: it can only make things stricter.

Each test first shows that the same text works where it may stand, in the user's own file.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.cli.permissions import find_rights
from agent.config import Folders
from agent.errors import ConfigError
from agent.policy.trust import look, record
from agent.settings import Loaded, load_settings


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / ".ingle").mkdir(parents=True)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    config = tmp_path / "home/config"
    config.mkdir(parents=True)
    return Folders(config, tmp_path / "home/cache", tmp_path / "home/state", tmp_path / "models")


def as_user(text: str, folders: Folders, clone: Path) -> Loaded:
    path = folders.config / "config.toml"
    path.write_text(text)
    try:
        return load_settings(folders, clone, {})
    finally:
        path.unlink()


def as_project(text: str, folders: Folders, clone: Path) -> Loaded:
    (clone / ".ingle/config.toml").write_text(text)
    return load_settings(folders, clone, {})


@pytest.mark.parametrize(
    "text",
    [
        "[model]\nname = '/tmp/evil.gguf'",
        "[hooks]\nbefore_tool = ['touch /tmp/x']",
        "[hooks]\nturn_end = ['touch /tmp/x']",
        "[permissions]\nallow = ['shell', 'mail__send']",
        "[sandbox]\nmode = 'off'",
        "[web]\nfetch = true",
        "[ui]\ntheme = '/tmp/x'",
        "[prices]\ninput = 9.0",
    ],
)
def test_nothing_is_loosened_or_started(text: str, folders: Folders, clone: Path) -> None:
    nothing = load_settings(folders, clone, {})
    control = as_user(text, folders, clone)
    assert (control.settings, control.rules) != (nothing.settings, nothing.rules)

    record(clone, folders.state, trusted=True)
    loaded = as_project(text, folders, clone)
    assert (loaded.settings, loaded.rules) == (nothing.settings, nothing.rules)
    assert len(loaded.notices) == 1


@pytest.mark.parametrize("line", ["INGLE_SANDBOX=off", "INGLE_MODEL=/tmp/evil.gguf"])
def test_a_dotenv_file_is_never_read(
    line: str, folders: Folders, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone)
    name, _, value = line.partition("=")
    nothing = load_settings(folders, clone, {})
    assert load_settings(folders, clone, {name: value}) != nothing
    for place in (".env", ".ingle/.env", ".envrc", ".env.local"):
        (clone / place).write_text(f"{line}\nexport {line}\n")
    assert load_settings(folders, clone, {}) == nothing
    assert name not in os.environ


@pytest.mark.parametrize("kind", ["file", "folder", "outside folder"])
def test_a_linked_configuration_is_not_read(kind: str, folders: Folders, clone: Path) -> None:
    """A link could show a file of the user's in an error, or change behind the trust."""
    text = "check = 'the secret'\nbad line"
    secret = clone.parent / "secret/config.toml"
    secret.parent.mkdir()
    secret.write_text(text)
    with pytest.raises(ConfigError):
        as_project(text, folders, clone)  # the control: it would be read
    (clone / ".ingle/config.toml").unlink()
    if kind == "file":
        (clone / ".ingle/config.toml").symlink_to(secret)
    elif kind == "folder":
        (clone / ".ingle").rmdir()
        (clone / "other").mkdir()
        (clone / "other/config.toml").write_text(text)
        (clone / ".ingle").symlink_to("other")
    else:
        (clone / ".ingle").rmdir()
        (clone / ".ingle").symlink_to(secret.parent)
    with pytest.raises(ConfigError, match="is a link") as caught:
        load_settings(folders, clone, {})
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be trusted"):
        record(clone, folders.state, trusted=True)


@pytest.mark.parametrize("kind", ["fifo", "large", "device"])
def test_a_configuration_that_is_no_file_does_not_hang(
    kind: str, folders: Folders, clone: Path
) -> None:
    path = clone / ".ingle/config.toml"
    path.write_text("check = 'x'")
    assert load_settings(folders, clone, {}).check == "x"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(b"#" * 10_000_000)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="is not read"):
        load_settings(folders, clone, {})


def test_the_check_of_a_clone_is_not_run(folders: Folders, clone: Path) -> None:
    (clone / ".ingle/config.toml").write_text("check = 'touch /tmp/x'")
    found = find_rights(folders, clone)
    assert found.check == ""
    assert "not trusted" in found.notices[0]
    record(clone, folders.state, trusted=True)
    assert find_rights(folders, clone).check == "touch /tmp/x"


def test_trust_ends_when_the_configuration_changes(folders: Folders, clone: Path) -> None:
    path = clone / ".ingle/config.toml"
    path.write_text("check = 'make test'")
    record(clone, folders.state, trusted=True)
    assert find_rights(folders, clone).check == "make test"
    path.write_text("check = 'touch /tmp/x'")
    assert find_rights(folders, clone).check == ""


def test_trust_does_not_come_along_with_a_folder(folders: Folders, clone: Path) -> None:
    (clone / ".ingle/config.toml").write_text("check = 'make test'")
    record(clone, folders.state, trusted=True)
    assert look(clone, folders.state).trusted
    moved = clone.rename(clone.parent / "moved")
    assert look(moved, folders.state).state == "unknown"
    # Another repository in the same place.
    (clone / ".ingle").mkdir(parents=True)
    (clone / ".ingle/config.toml").write_text("check = 'touch /tmp/x'")
    assert look(clone, folders.state).state == "unknown"
    # A link to a trusted folder is that folder; the other way round it is not.
    clone.joinpath("link").symlink_to(moved)
    assert look(clone.joinpath("link").resolve(), folders.state).state == "unknown"


def test_a_record_inside_the_folder_counts_for_nothing(folders: Folders, clone: Path) -> None:
    (clone / ".ingle/config.toml").write_text("check = 'touch /tmp/x'")
    inside = clone / "state"
    record(clone, folders.state, trusted=True)
    inside.mkdir()
    (inside / "trust.json").write_bytes((folders.state / "trust.json").read_bytes())
    assert look(clone, folders.state).trusted
    assert look(clone, inside).state == "unknown"
    with pytest.raises(ConfigError, match="cannot be trusted"):
        record(clone, inside, trusted=True)
