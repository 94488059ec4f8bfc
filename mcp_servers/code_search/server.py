"""Search in a project as an MCP server: `search`, `definition`, `references`, `outline`."""

# No `from __future__ import annotations`: the SDK reads the types of functions inside a function.

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from mcp_servers.code_search.ranking import Hit
from mcp_servers.code_search.service import CodeSearch, Found, SearchError
from mcp_servers.code_search.show import (
    show_definitions,
    show_found,
    show_uses,
    summary,
    uri,
)
from mcp_servers.code_search.tools import from_env

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
INSTRUCTIONS = (
    "Searches one project: its code by definitions, its documents by sections. `search` takes "
    "words, names, an error message or a whole bug report. A result's uri can be "
    "read as a resource."
)


class FoundChunk(BaseModel):
    """One result; lines from 1, both inclusive (of a PDF: its page)."""

    path: str
    first_line: int
    last_line: int
    kind: str
    name: str
    signature: str
    summary: str
    why: str
    uri: str


class Results(BaseModel):
    """What a search found, best first; `note` says what was not looked at."""

    results: list[FoundChunk]
    note: str


def code_search_server(root: Path, search: CodeSearch | None = None) -> MCPServer:
    """The server for the project at `root`; without a search, one from the environment."""
    project = search or from_env(root)
    server = MCPServer(
        "ingle-code-search", title="Code search", instructions=INSTRUCTIONS,
        version=version("ingle"), log_level="WARNING",
    )  # fmt: skip
    _add_search(server, project)
    _add_names(server, project)
    _add_resources(server, project)
    return server


def _add_search(server: MCPServer, project: CodeSearch) -> None:
    @server.tool(
        description="Find code and documents by words, names or an error text.", annotations=READS
    )
    async def search(
        query: str, limit: Annotated[int, Field(ge=1, le=50)] = 8
    ) -> Annotated[CallToolResult, Results]:
        try:
            found = await asyncio.to_thread(project.search, query, limit)
        except SearchError as error:
            return _error(str(error))
        return CallToolResult(
            content=[TextContent(text=show_found(query, found))],
            structured_content=_results(found).model_dump(),
        )


def _add_names(server: MCPServer, project: CodeSearch) -> None:
    @server.tool(description="Show where a name (Cart.add) is defined.", annotations=READS)
    async def definition(name: str) -> CallToolResult:
        try:
            return _text(show_definitions(await asyncio.to_thread(project.definition, name)))
        except SearchError as error:
            return _error(str(error))

    @server.tool(description="List the lines that use a name.", annotations=READS)
    async def references(name: str) -> CallToolResult:
        try:
            return _text(show_uses(*await asyncio.to_thread(project.references, name)))
        except SearchError as error:
            return _error(str(error))

    @server.tool(
        description="Map of the project, of a folder, or of a file's definitions.",
        annotations=READS,
    )
    async def outline(path: str = "") -> CallToolResult:
        try:
            return _text(await asyncio.to_thread(project.outline, path))
        except SearchError as error:
            return _error(str(error))


def _add_resources(server: MCPServer, project: CodeSearch) -> None:
    @server.resource(
        "code://{+path}#{name}", name="chunk", mime_type="text/plain",
        description="The text of a definition (code://src/cart.py#Cart.add) or of a section.",
    )  # fmt: skip
    async def chunk(path: str, name: str) -> str:
        try:
            return await asyncio.to_thread(project.chunk, path, name)
        except SearchError as error:
            raise ResourceError(str(error)) from error


def _results(found: Found) -> Results:
    return Results(results=[_chunk(hit) for hit in found.hits], note=found.note)


def _chunk(hit: Hit) -> FoundChunk:
    row = hit.row
    return FoundChunk(
        path=row.path, first_line=row.first_line, last_line=row.last_line, kind=row.kind,
        name=row.qualified, signature=row.signature, summary=summary(row), why="; ".join(hit.why),
        uri=uri(row),
    )  # fmt: skip


def _text(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


def _error(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
