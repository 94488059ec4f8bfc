"""`code_search`, `code_definition`, `code_references` for the agent itself, in its own process.

Nothing of the index is imported before the first call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tools.base import Arguments, Tool, ToolContext, ToolResult, failed

if TYPE_CHECKING:
    from mcp_servers.code_search.service import CodeSearch


class SearchArguments(Arguments):
    query: str
    limit: int = Field(default=8, ge=1, le=20)


class NameArguments(Arguments):
    name: str


class CodeTools:
    """The search of one conversation.

    `root` is the project, by default the workspace of the call: a copy of a workspace would be
    indexed anew. `open_search` makes the search for a root at the first call; the default reads the
    environment.
    """

    def __init__(
        self, root: Path | None = None, open_search: Callable[[Path], CodeSearch] | None = None
    ):
        self._root = root
        self._open = open_search or from_env
        self._searches: dict[Path, CodeSearch] = {}

    def tools(self) -> tuple[Tool[SearchArguments], Tool[NameArguments], Tool[NameArguments]]:
        """The tools as objects."""
        return (
            Tool("code_search", "Find code and docs by words or an error text.", SearchArguments,
                 self._search),
            Tool("code_definition", "Show where a name is defined.", NameArguments,
                 self._definition),
            Tool("code_references", "List the lines that use a name.", NameArguments,
                 self._references),
        )  # fmt: skip

    async def _search(self, arguments: SearchArguments, context: ToolContext) -> ToolResult:
        from mcp_servers.code_search.show import show_found

        def work(search: CodeSearch) -> str:
            return show_found(arguments.query, search.search(arguments.query, arguments.limit))

        return await self._call(context, work)

    async def _definition(self, arguments: NameArguments, context: ToolContext) -> ToolResult:
        from mcp_servers.code_search.show import show_definitions

        return await self._call(context, lambda s: show_definitions(s.definition(arguments.name)))

    async def _references(self, arguments: NameArguments, context: ToolContext) -> ToolResult:
        from mcp_servers.code_search.show import show_uses

        return await self._call(context, lambda s: show_uses(*s.references(arguments.name)))

    async def _call(self, context: ToolContext, work: Callable[[Any], str]) -> ToolResult:
        from mcp_servers.code_search.service import SearchError

        root = self._root or context.workspace.root
        if root not in self._searches:
            self._searches[root] = self._open(root)
        try:
            text = await asyncio.to_thread(work, self._searches[root])
        except SearchError as error:
            return failed(str(error))
        return ToolResult(context.output.cut(text, "code_search"))


def from_env(root: Path) -> CodeSearch:
    """The search of a project with the user's cache, and the embedding model if one is named."""
    from mcp_servers.code_search.service import CodeSearch
    from mcp_servers.code_search.settings import cache_folder, embedding_model

    def open_embedder() -> Any:
        path = embedding_model()
        if path is None:
            return None
        from mcp_servers.code_search.embedding import load_embedder

        return load_embedder(path)

    return CodeSearch(root, cache_folder(), open_embedder)
