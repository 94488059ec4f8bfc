"""Colours by what they mean. A theme is data: a name for each style, and one for code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

from agent.errors import ConfigError, IngleError, UsageError

# What the terminal itself calls its colours, so that a theme fits whatever the user has chosen.
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_NAMES = {
    "": "",
    **{name: str(30 + n) for n, name in enumerate(_COLOURS)},
    **{f"bright-{name}": str(90 + n) for n, name in enumerate(_COLOURS)},
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "reverse": "7",
}
_TOOLKIT = {
    **{name: f"ansi{name}" for name in _COLOURS},
    **{f"bright-{name}": f"ansibright{name}" for name in _COLOURS},
    "white": "ansigray",
    "bright-white": "ansiwhite",
}
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Theme:
    """Each value is some words such as `bold bright-blue` or `#ff8800`; `code` is a pygments style.

    The names red, green, yellow, cyan, dim and bold are those of :mod:`agent.ui.calls`.
    """

    name: str = "dark"
    red: str = "red"
    green: str = "green"
    yellow: str = "yellow"
    cyan: str = "cyan"
    dim: str = "dim"
    bold: str = "bold"
    user: str = "bold cyan"
    code: str = "ansi_dark"


THEMES = {
    "dark": Theme(),
    "light": Theme(
        "light", yellow="magenta", cyan="blue", user="bold blue", code="ansi_light"
    ),
    "plain": Theme("plain", "", "", "", "", "", "", "bold", "bw"),
}  # fmt: skip


def find_theme(name: str, folder: Path) -> Theme:
    """A theme by name: one of ours, or `folder`/NAME.toml.

    Raises:
        UsageError: there is none.
        ConfigError: its file cannot be used.
    """
    path = folder / f"{name}.toml"
    if not re.fullmatch(r"[\w-]{1,40}", name) or (name not in THEMES and not path.is_file()):
        raise UsageError(f"there is no theme {name!r}: there are {', '.join(names(folder))}")
    return load_theme(path) if path.is_file() else THEMES[name]


def theme_or_default(name: str, folder: Path) -> tuple[Theme, str]:
    """The theme, and what is wrong where it had to be the default."""
    try:
        return find_theme(name, folder), ""
    except IngleError as error:
        return THEMES["dark"], str(error)


def names(folder: Path) -> list[str]:
    """All themes that can be chosen."""
    try:
        own = sorted(path.stem for path in folder.glob("*.toml"))
    except OSError:
        own = []
    return [*THEMES, *(name for name in own if name not in THEMES)]


def load_theme(path: Path) -> Theme:
    """A theme of the user. Raises ConfigError with the file and what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the theme {path} cannot be used: {error}") from error
    known = {item.name for item in fields(Theme)} - {"name"}
    for key, value in data.items():
        if key not in known or not isinstance(value, str):
            raise ConfigError(
                f"the theme {path} cannot be used: {key!r} is none of {sorted(known)}"
            )
        if key != "code":
            _checked(path, value)
    return replace(THEMES["dark"], name=path.stem, **data)


def _checked(path: Path, value: str) -> None:
    for word in value.split():
        if word not in _NAMES and not _HEX.fullmatch(word):
            raise ConfigError(f"the theme {path} cannot be used: {word!r} is no colour")


def sgr(value: str) -> str:
    """The parameters of an SGR sequence for `bold cyan`; '' for no style."""
    return ";".join(filter(None, (_code(word) for word in value.split())))


def _code(word: str) -> str:
    if _HEX.fullmatch(word):
        red, green, blue = (int(word[i : i + 2], 16) for i in (1, 3, 5))
        return f"38;2;{red};{green};{blue}"
    return _NAMES[word]


def toolkit(value: str) -> str:
    """The same for prompt-toolkit: `bold ansicyan`."""
    return " ".join(_TOOLKIT.get(word, word) for word in value.split())
