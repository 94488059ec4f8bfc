"""`web_search` and `web_fetch` for the agent itself, in its own process.

Nothing of the web is imported before the first call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pydantic import Field

from mcp_servers.web.errors import WebError
from tools.base import Arguments, Tool, ToolContext, ToolResult, failed

if TYPE_CHECKING:
    from mcp_servers.web.session import WebSession

Ask = Callable[[str], Awaitable[bool]]
"""Asks a person whether a URL may be fetched."""
NOT_FETCHED = (
    "this URL came neither from the user nor from a search, so it is not fetched without their "
    "consent: search for the page, or ask the user for it"
)


class SearchArguments(Arguments):
    query: str
    limit: int = Field(default=5, ge=1, le=20)


class FetchArguments(Arguments):
    url: str
    first_line: int = Field(default=1, ge=1)


class Web:
    """The web of one conversation. Without `ask`, URLs that nobody gave out are refused.

    `open_session` makes the session at the first call; the default reads the environment.
    """

    def __init__(
        self, ask: Ask | None = None, open_session: Callable[[], WebSession] | None = None
    ):
        self._ask = ask
        self._open = open_session or _from_env
        self._session: WebSession | None = None
        self._heard: list[str] = []

    def hear(self, text: str) -> None:
        """What the user wrote: the URLs in it may be fetched."""
        if "://" in text:
            self._heard.append(text)

    def tools(self) -> tuple[Tool[SearchArguments], Tool[FetchArguments]]:
        """The tools as objects."""
        return (
            Tool("web_search", "Search the web.", SearchArguments, self._search),
            Tool("web_fetch", "Read a web page as text.", FetchArguments, self._fetch),
        )

    async def _search(self, arguments: SearchArguments, _context: ToolContext) -> ToolResult:
        try:
            from mcp_servers.web.show import show_results

            found = await self._ready().search(arguments.query, arguments.limit)
            return ToolResult(show_results(arguments.query, found))
        except WebError as error:
            return failed(str(error))

    async def _fetch(self, arguments: FetchArguments, context: ToolContext) -> ToolResult:
        try:
            from mcp_servers.web.show import show_page
            from mcp_servers.web.urls import shown

            session = self._ready()
            url = session.address(arguments.url)
            if not session.known.has(url):
                if self._ask is None or not await self._ask(shown(url)):
                    return failed(NOT_FETCHED)
                session.known.add(str(url))
            window = min(context.output.limit, session.settings.limits.window)
            return ToolResult(show_page(await session.page(url), arguments.first_line, window))
        except WebError as error:
            return failed(str(error))

    def _ready(self) -> WebSession:
        if self._session is None:
            try:
                self._session = self._open()
            except ValueError as error:
                raise WebError(str(error)) from error
        for text in self._heard:
            self._session.known.add_text(text)
        self._heard.clear()
        return self._session


def _from_env() -> WebSession:
    from mcp_servers.web.session import WebSession
    from mcp_servers.web.settings import from_env

    return WebSession(from_env())
