"""Servers that a message names: ``@server`` lets the model call its tools, ``@server:uri`` shows it
what stands there. This costs the prompt nothing: all of it comes with the message."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.context.prompt import block
from agent.errors import UsageError
from agent.mcp.contents import resource
from agent.mcp.declare import tokens
from agent.mcp.late import HEAD, LateTools
from agent.mcp.manager import Manager
from agent.mcp.rank import rank
from agent.messages import ToolSpec
from tools.base import ToolContext

MOST = 8  # in a message
_MENTION = re.compile(r"(?<![\w@])@([A-Za-z0-9][\w-]{0,30})(?::(\S+)|(?!\.?[\w/-]|:\S))")
# Of ours, what `@name:something` is given to: the tool, and its argument.
_READERS = {"web": ("web_fetch", "url"), "code-search": ("code_search", "query")}


@dataclass(frozen=True)
class Around:
    """What mentions need of a session: `room` is in tokens, `chars` of one text that is shown.

    `allow` lets a tool of ours run without a question, since the user asked for it by name.
    """

    manager: Manager
    late: LateTools
    context: ToolContext
    room: int
    chars: int
    allow: Callable[[str], None]
    notice: Callable[[str], None]


async def mentioned(text: str, around: Around) -> str:
    """What a message brings along for the servers that it names; '' where it names none.

    What cannot be had is told to the user, and to the model in its place.
    """
    found = dict.fromkeys((m[1], (m[2] or "").rstrip(".,;!?)\"'")) for m in _MENTION.finditer(text))
    parts: list[str] = []
    for name, what in list(found)[:MOST]:
        if not around.manager.knows(name):
            continue
        try:
            parts.append(
                await (_shown(name, what, around) if what else _declared(name, text, around))
            )
        except UsageError as error:
            around.notice(str(error))
            parts.append(f"[{error}]")
    return "\n\n".join(part for part in parts if part)


async def _shown(name: str, what: str, around: Around) -> str:
    """What stands at a place of a server. Raises UsageError."""
    output = around.context.output.with_limit(around.chars)
    if name not in around.manager.ours:
        said = await resource(around.manager, f"{name}:{what}")
        return block(f"{name}:{what}", output.cut(said, name))
    wanted, argument = _READERS[name]
    tool = next(tool for tool in around.manager.ours[name] if tool.name == wanted)
    context = replace(around.context, output=output)
    result = await tool.run(tool.arguments.model_validate({argument: what}), context)
    if not result.ok:
        raise UsageError(f"@{name}:{what} cannot be read: {result.text}")
    return f"{name}:{what}\n{result.text}"


async def _declared(name: str, text: str, around: Around) -> str:
    """The tools of a server, as many as there is room for: first those that the words of the
    message fit, then those that only read. Raises UsageError."""
    manager = around.manager
    if name in manager.ours:
        tools = list(manager.ours[name])
        for tool in tools:
            around.allow(tool.name)
    else:
        await _there(manager, name)
        there = {key: one for key, one in manager.findable().items() if one.server == name}
        fitting = rank(_MENTION.sub("", text), {key: one.text for key, one in there.items()})
        rest = [one.make() for key, one in there.items() if key not in fitting]
        tools = [*(there[key].make() for key in fitting), *sorted(rest, key=lambda t: t.writes)]
    lines: list[str] = []
    left: list[str] = []
    room = around.room
    for tool in tools:
        if around.late.is_shown(tool.name):
            continue
        room -= tokens(ToolSpec(tool.name, tool.description, tool.parameters()))
        if room < 0 and lines:
            left.append(tool.name)
        else:
            lines.append(around.late.declare(tool))
    more = f"{name} has more: {', '.join(left[:30])}; find_tools shows them." if left else ""
    return "\n".join(part for part in (HEAD if lines else "", *lines, more, manager.notes([name]))
                     if part)  # fmt: skip


async def _there(manager: Manager, name: str) -> None:
    """Wait for a server. Raises UsageError."""
    from tools.mcp.reasons import Unavailable

    try:
        await (await manager.connection(name)).ready()
    except Unavailable as error:
        raise UsageError(f"the MCP server {name} cannot be used: {error}") from error
