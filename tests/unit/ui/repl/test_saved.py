"""One line of config.toml is changed, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.ui.repl.saved import save_ui


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[ui]\ntheme = "light"\n'),
        ("# mine\n[model]\nctx = 1\n", '# mine\n[model]\nctx = 1\n\n[ui]\ntheme = "light"\n'),
        ('[ui] # looks\ntheme="x" # old\nediting = "vi"\n\n[model]\n',
         '[ui] # looks\ntheme = "light"\nediting = "vi"\n\n[model]\n'),
        ('[ui]\nediting = "vi"\n[model]\ntheme = "no"\n',
         '[ui]\ntheme = "light"\nediting = "vi"\n[model]\ntheme = "no"\n'),
        ("[ui]", '[ui]\ntheme = "light"\n'),
    ],
)  # fmt: skip
def test_the_rest_stays_as_it_was(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "new" / "config.toml"
    if before:
        path.parent.mkdir()
        path.write_text(before, "utf-8")
        path.chmod(0o600)
    save_ui(path, "theme", "light")
    assert path.read_text("utf-8") == after
    assert tomllib.loads(after)["ui"]["theme"] == "light"
    assert not before or path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    "text", ["[ui", 'ui.theme = "x"\n', 'ui = { theme = "x" }\n', 'a = """\n[ui]\n"""\n']
)
def test_what_cannot_be_changed_safely_is_left_and_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r'write theme = "light" under \[ui\] in .*config\.toml'):
        save_ui(path, "theme", "light")
    assert path.read_text("utf-8") == text


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles" / "config.toml"
    real.write_text("", "utf-8")
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    save_ui(link, "theme", "light")
    assert link.is_symlink() and "light" in real.read_text("utf-8")
