from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.styles import Style

from agent.errors import ConfigError, UsageError
from agent.ui.repl.theme import THEMES, find_theme, names, sgr, theme_or_default, toolkit


def test_a_theme_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('red = "bold #ff8800"\n')
    theme = find_theme("mine", tmp_path)
    assert sgr(theme.red) == "1;38;2;255;136;0" and theme.green == "green"
    assert names(tmp_path) == [*THEMES, "mine"]


@pytest.mark.parametrize("text", ["red = ", 'red = "reddish"', 'rad = "red"', "red = 1"])
def test_a_theme_that_does_not_parse_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        find_theme("mine", tmp_path)
    theme, problem = theme_or_default("mine", tmp_path)
    assert theme is THEMES["dark"] and "mine.toml" in problem


@pytest.mark.parametrize("name", ["nosuch", "../etc", ""])
def test_there_is_no_such_theme(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="there is no theme"):
        find_theme(name, tmp_path)


@pytest.mark.parametrize(
    "value", ["black", "bright-black", "red", "bright-red", "white", "bright-white", "bold #a0b0c0"]
)
def test_prompt_toolkit_understands_every_colour(value: str) -> None:
    Style.from_dict({"x": toolkit(value)})
