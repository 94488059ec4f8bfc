"""Resources and prompts of a session's servers as text, for ``@server:uri`` and slash commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.errors import UsageError
from agent.mcp.manager import Manager


@dataclass(frozen=True)
class PromptInfo:
    """A prompt of a server; `arguments` are the names of its values, with * behind needed ones."""

    server: str
    name: str
    description: str
    arguments: tuple[str, ...]


async def resource(manager: Manager, reference: str) -> str:
    """The text of ``server:uri``.

    Raises:
        UsageError: there is no such server, or it cannot hand the resource over; the text says why.
    """
    from tools.mcp.reasons import reason_of
    from tools.mcp.results import resource_text

    server, _, uri = reference.partition(":")
    connection = await manager.connection(server)
    try:
        result = await connection.read_resource(uri)
    except Exception as error:
        raise UsageError(f"@{reference} cannot be read: {reason_of(error)}") from error
    return "\n".join(map(resource_text, result.contents))


def prompts(manager: Manager) -> list[PromptInfo]:
    """The prompts of all servers that are connected now, as far as they are known."""
    return [
        _info(connection.name, one)
        for connection in manager.ready()
        for one in connection.prompt_list
    ]


async def prompts_of(manager: Manager, server: str) -> list[PromptInfo]:
    """The prompts of one server, which is waited for. Raises UsageError."""
    from tools.mcp.reasons import reason_of

    connection = await manager.connection(server)
    try:
        return [_info(server, one) for one in await connection.prompts()]
    except Exception as error:
        raise UsageError(f"the prompts of {server}: {reason_of(error)}") from error


def _info(server: str, one: Any) -> PromptInfo:
    arguments = tuple(f"{a.name}{'*' if a.required else ''}" for a in one.arguments or ())
    return PromptInfo(server, one.name, one.description or one.title or "", arguments)


async def prompt(manager: Manager, server: str, name: str, values: dict[str, str]) -> str:
    """A prompt with its values filled in. Raises UsageError."""
    from tools.mcp.reasons import reason_of
    from tools.mcp.results import prompt_text

    connection = await manager.connection(server)
    try:
        return prompt_text(await connection.prompt(name, values))
    except Exception as error:
        raise UsageError(f"the prompt {name} of {server}: {reason_of(error)}") from error
