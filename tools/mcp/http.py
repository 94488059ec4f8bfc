"""Streamable HTTP with the SDK's transport; redirects stay on the server's own origin there.

Without a proxy names are looked up and checked here (:mod:`tools.mcp.guard`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from tools.mcp.entry import HttpEntry
from tools.mcp.guard import bound, transport_for
from tools.mcp.oauth import Person, provider
from tools.mcp.reasons import reason_of

CONNECT_S = 30.0
LARGEST_EVENT = 32_000_000  # bytes


@asynccontextmanager
async def http_transport(
    entry: HttpEntry,
    auth_folder: Path,
    person: Person | None = None,
    tell: Callable[[str], None] = lambda _reason: None,
) -> AsyncIterator[Any]:
    """The streams to a server at an address; `tell` gets why a request could not be made.

    Without a `person` who can sign in, a server that wants that fails with a line that says so.
    """
    has_own = any(name.lower() == "authorization" for name in entry.headers)
    auth = None if has_own else provider(entry, auth_folder, person)
    # A stream may be silent for as long as a call may take.
    timeout = httpx2.Timeout(CONNECT_S, read=max(entry.call_s, CONNECT_S))
    headers = {**entry.headers, "Accept-Encoding": "identity"}
    async with (
        _Client(
            tell,
            headers=headers,
            timeout=timeout,
            auth=auth,
            transport=transport_for(entry.url),
            event_hooks={"response": [bound]},
        ) as client,
        streamable_http_client(
            entry.url, http_client=client, max_sse_event_size=LARGEST_EVENT
        ) as streams,
    ):
        yield streams


class _Client(httpx2.AsyncClient):
    """The SDK only logs what goes wrong with a request, and ends the connection."""

    def __init__(self, tell: Callable[[str], None], **settings: Any):
        super().__init__(**settings)
        self._tell = tell

    async def send(self, request: httpx2.Request, **settings: Any) -> httpx2.Response:
        try:
            return await super().send(request, **settings)
        except Exception as error:
            self._tell(reason_of(error))
            raise
