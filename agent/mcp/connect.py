"""What needs the SDK: connections to entries, and calls with their results as text.

Imported late, since the SDK takes half a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import mcp_types
from mcp import MCPError

from agent.mcp.pins import LONGEST_DESCRIPTION, ToolDeclaration
from tools.base import ToolContext, ToolResult, failed
from tools.mcp.connection import Connection, Hooks, backoff, nobody
from tools.mcp.entry import Entry, StdioEntry
from tools.mcp.log import ServerLog
from tools.mcp.reasons import Unavailable, reason_of
from tools.mcp.results import result_text
from tools.mcp.stdio import End, Launch, stdio_transport

if TYPE_CHECKING:
    from agent.config import Folders
    from agent.mcp.manager import Surroundings
    from tools.mcp.oauth import Person


def log_of(folders: Folders, name: str) -> ServerLog:
    """The log of a server."""
    return ServerLog(folders.state / "mcp" / "logs" / f"{name}.log")


def connection(
    entry: Entry,
    around: Surroundings,
    changed: Callable[[], None],
    person: Person | None = None,
) -> Connection:
    """A connection that is not started yet; `changed` is called when the tools are known.

    `person` can sign in where the server wants that.
    """
    log = log_of(around.folders, entry.name)

    def open_process(end: End) -> Any:
        assert isinstance(entry, StdioEntry)
        launch = Launch((entry.command, *entry.args), entry.env, entry.cwd or around.project)
        return stdio_transport(launch, around.environment, around.spawner(entry), log, end)

    def open_address(_end: End) -> Any:
        from tools.mcp.http import http_transport

        assert not isinstance(entry, StdioEntry)
        return http_transport(entry, around.folders.state / "mcp" / "auth", person, log.note)

    hooks = Hooks(
        lambda _name: changed(), around.elicit or nobody, around.backoff or backoff
    )  # fmt: skip
    opener = open_process if isinstance(entry, StdioEntry) else open_address
    return Connection(entry, opener, log, hooks)


def declarations(tools: Sequence[mcp_types.Tool]) -> list[ToolDeclaration]:
    """The tools of a listing, as they are pinned."""
    return [
        ToolDeclaration(
            tool.name,
            (tool.description or tool.title or "")[:LONGEST_DESCRIPTION],
            _plain(tool.input_schema),
            bool(tool.annotations and tool.annotations.read_only_hint),
        )
        for tool in tools
    ]


def _plain(schema: Any) -> Any:
    """A schema of a reasonable size; a larger one cannot be used and is not worth keeping."""
    try:
        return schema if len(json.dumps(schema)) <= 100_000 else True
    except (ValueError, RecursionError):
        return True


async def run_tool(
    connection: Connection,
    tool: str,
    arguments: dict[str, Any],
    context: ToolContext,
    *,
    blocked: Callable[[], str],
    progress: Callable[[str, float, float | None, str], None],
) -> ToolResult:
    """Run a tool of a server; what goes wrong is a text for the model.

    `blocked` is asked when the server is there and before it is called, and again for a result that
    came from a server whose tools changed during the call.
    """

    tell = progress

    async def report(progress: float, total: float | None, message: str | None) -> None:
        tell(connection.name, progress, total, message or "")

    try:
        await connection.ready()
        if why := blocked():
            return failed(why)
        result = await connection.call(tool, arguments, report)
    except Unavailable as error:
        return failed(f"the server {connection.name} cannot be used: {error}")
    except MCPError as error:
        if error.code == mcp_types.REQUEST_TIMEOUT:
            limit = f"{connection.entry.call_s:g} s"
            return failed(f"the server {connection.name} did not answer within {limit}")
        return failed(f"the server {connection.name} refused: {_line(error.message)}")
    except Exception as error:  # noqa: BLE001 - a result that the SDK cannot make sense of
        text = f"the server {connection.name} sent a result that breaks its own rules"
        return failed(f"{text}: {reason_of(error)}")
    text = context.output.cut(result_text(result), connection.name)
    return ToolResult(text, ok=not result.is_error)


def _line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 1000 else f"{text[:1000]}..."
