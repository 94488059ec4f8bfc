"""The help of every command, in terminals of 80 and of 40 columns."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pexpect
import pytest

from agent.cli.main import COMMANDS, cli

AGENT = str(Path(sys.executable).with_name("agent"))
WIDTHS = (80, 40)


def shown(columns: int, *words: str) -> list[str]:
    child = pexpect.spawn(
        AGENT, [*words, "--help"], dimensions=(24, columns), encoding="utf-8", timeout=None,
        env={"PATH": "/usr/bin:/bin", "HOME": "/proc/nobody", "TERM": "xterm"},
    )  # fmt: skip
    text = child.read().replace("\r", "")
    child.close()
    assert child.exitstatus == 0, text
    return text.splitlines()


def names() -> list[tuple[str, ...]]:
    """Every command and every one below it."""
    found: list[tuple[str, ...]] = [()]
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
    return found


@pytest.mark.parametrize("words", names(), ids=" ".join)
def test_it_fits_and_says_what_everything_is(words: tuple[str, ...]) -> None:
    for columns in WIDTHS:
        lines = shown(columns, *words)
        assert max(map(len, lines)) <= columns, lines
        rows = "\n".join(lines).partition("\nCommands:\n")[2]
        assert "..." not in rows
        assert lines[0].startswith("Usage: agent")


def test_every_option_of_do_has_its_words() -> None:
    command = cli.get_command(click.Context(cli), "do")
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_a_pipe_gets_eighty_columns() -> None:
    import subprocess

    done = subprocess.run([AGENT, "do", "--help"], capture_output=True, text=True, check=True)
    assert 60 < max(map(len, done.stdout.splitlines())) <= 80
