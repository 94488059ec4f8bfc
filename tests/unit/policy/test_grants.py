"""What a person allows while the agent runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.policy.grants import Grants, keep, load
from agent.policy.rules import Rule, parse_rule
from agent.policy.verdict import Decision


def rule(text: str) -> Rule:
    return parse_rule(text, Decision.ALLOW)


def test_for_the_session_nothing_is_written(tmp_path: Path) -> None:
    grants = Grants(tmp_path / "config")
    assert grants.add("shell(make test)", for_good=False) == ""
    assert grants.rules == [rule("shell(make test)")]
    assert not (tmp_path / "config").exists()


def test_for_good_is_there_the_next_time(tmp_path: Path) -> None:
    grants = Grants(tmp_path / "config")
    texts = ["shell(git commit -m 'a \"b\" ü')", "edit(src/a.py)", "mail__send"]
    for text in [*texts, texts[0]]:
        assert grants.add(text, for_good=True) == ""
    assert load(tmp_path / "config") == tuple(rule(text) for text in texts)
    file = tmp_path / "config/permissions.toml"
    assert tomllib.loads(file.read_text("utf-8"))["allow"] == texts
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o077 == 0


def test_the_users_own_file_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "config.toml"
    own.write_text("# mine\n")
    Grants(tmp_path).add("mail__send", for_good=True)
    assert own.read_text() == "# mine\n"


def test_without_a_folder_it_holds_for_the_session(tmp_path: Path) -> None:
    grants = Grants(None)
    assert "this session only" in grants.add("mail__send", for_good=True)
    (tmp_path / "file").write_text("")
    assert "this session only" in Grants(tmp_path / "file").add("mail__send", for_good=True)
    assert grants.rules == [rule("mail__send")]


@pytest.mark.parametrize("text", ["allow = 1", "allow = [", "allow = ['x y']", "allow = [[]]"])
def test_a_broken_file_is_named_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "permissions.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"permissions\.toml"):
        load(tmp_path)
    with pytest.raises(ConfigError):
        keep(tmp_path, rule("mail__send"))
    assert path.read_text() == text
