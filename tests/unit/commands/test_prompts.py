"""Prompts of servers as slash commands, and what is typed behind them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from agent.commands.prompts import named, prompt_commands, values_of
from agent.errors import UsageError
from agent.mcp.settings import Configured
from agent.ui.repl.host import Message
from tests.mcp_servers_used_in_tests.use import PLAIN, around, managing

SERVER = Configured("plain", {"command": sys.executable, "args": [PLAIN]})
CHAT: Any = None


async def test_a_prompt_is_a_command(tmp_path: Path) -> None:
    async with managing([SERVER], around(tmp_path)) as manager:
        assert prompt_commands(manager) == [], "nothing is waited for"
        early = named(manager, "plain:review")
        assert early is not None
        assert await early.run(CHAT, "C") == Message("Review this C code.")
        [connection] = manager.ready()
        await connection.prompts()
        [command] = prompt_commands(manager)
        assert (command.name, command.argument) == ("plain:review", "language")
        assert command.help == "Review code. (plain)"
        assert await command.run(CHAT, "language=Rust") == Message("Review this Rust code.")
        with pytest.raises(UsageError, match="it needs a value for language"):
            await command.run(CHAT, "")
        missing = named(manager, "plain:nothing")
        assert missing is not None
        with pytest.raises(UsageError, match="plain has no prompt 'nothing'"):
            await missing.run(CHAT, "")
        assert named(manager, "other:review") is None
        assert named(manager, "review") is None


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("one two", {"a": "one", "b": "two"}),
        ("one two three", {"a": "one", "b": "two three"}),
        ("'one two' three", {"a": "one two", "b": "three"}),
        ("b=2 one", {"b": "2", "a": "one"}),
        ("one", {"a": "one"}),
        ("x=1 b=2", {"a": "x=1", "b": "2"}),
    ],
)
def test_values(typed: str, values: dict[str, str]) -> None:
    assert values_of(("a*", "b"), typed) == values


@pytest.mark.parametrize(
    ("names", "typed", "said"),
    [
        (("a*",), "", "it needs a value for a"),
        ((), "x", "this prompt takes no values"),
        (("a",), "'x", "a quotation mark is open"),
    ],
)
def test_values_that_are_missing(names: tuple[str, ...], typed: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        values_of(names, typed)
