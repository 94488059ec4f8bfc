"""Prompts of MCP servers as slash commands: `/server:prompt`, with its values behind it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.commands.base import Actions, Command, Outcome
from agent.errors import UsageError
from agent.ui.repl.host import Message

if TYPE_CHECKING:
    from agent.mcp.contents import PromptInfo
    from agent.mcp.manager import Manager


def prompt_commands(manager: Manager) -> list[Command]:
    """The prompts of all servers that are connected now."""
    from agent.mcp.contents import prompts

    return [_command(manager, one) for one in prompts(manager)]


def named(manager: Manager, name: str) -> Command | None:
    """The command of `server:prompt` where that server is not ready, or has not told it yet."""
    server, sign, prompt = name.partition(":")
    if not sign or server not in manager.names:
        return None

    async def run(chat: Actions, argument: str) -> Outcome:
        from agent.mcp.contents import prompts_of

        found = [one for one in await prompts_of(manager, server) if one.name == prompt]
        if not found:
            raise UsageError(f"the MCP server {server} has no prompt {prompt!r}")
        return await _command(manager, found[0]).run(chat, argument)

    return Command(name, "", "", run)


def _command(manager: Manager, info: PromptInfo) -> Command:
    async def run(_chat: Actions, argument: str) -> Outcome:
        from agent.mcp.contents import prompt

        values = values_of(info.arguments, argument)
        return Message(await prompt(manager, info.server, info.name, values))

    pattern = " ".join(n[:-1] if n.endswith("*") else f"[{n}]" for n in info.arguments)
    about = " ".join(info.description.split())[:120]
    return Command(f"{info.server}:{info.name}", pattern, f"{about} ({info.server})", run)


def values_of(names: Sequence[str], typed: str) -> dict[str, str]:
    """The values of a prompt: `name=value`, or in their order, the last one with all that is left.

    A name with * behind it is needed. Raises UsageError.
    """
    plain = [name.rstrip("*") for name in names]
    try:
        words = shlex.split(typed)
    except ValueError as error:
        raise UsageError(f"a quotation mark is open: {typed}") from error
    values: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        left = [other for other in plain if other not in values]
        if sign and name in plain:
            values[name] = value
        elif left:
            values[left[0]] = word
        elif plain:
            values[plain[-1]] += f" {word}"
        else:
            raise UsageError("this prompt takes no values")
    if missing := [n[:-1] for n in names if n.endswith("*") and n[:-1] not in values]:
        raise UsageError(f"it needs a value for {', '.join(missing)}")
    return values
