"""Streamable HTTP with the SDK's transport; redirects stay on the server's own origin there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from tools.mcp.entry import HttpEntry
from tools.mcp.oauth import Person, provider

CONNECT_S = 30.0
LARGEST_EVENT = 32_000_000  # bytes


@asynccontextmanager
async def http_transport(
    entry: HttpEntry, auth_folder: Path, person: Person | None = None
) -> AsyncIterator[Any]:
    """The streams to a server at an address.

    Without a `person` who can sign in, a server that wants that fails with a line that says so.
    """
    has_own = any(name.lower() == "authorization" for name in entry.headers)
    auth = None if has_own else provider(entry, auth_folder, person)
    # A stream may be silent for as long as a call may take.
    timeout = httpx2.Timeout(CONNECT_S, read=max(entry.call_s, CONNECT_S))
    async with (
        httpx2.AsyncClient(headers=dict(entry.headers), timeout=timeout, auth=auth) as client,
        streamable_http_client(
            entry.url, http_client=client, max_sse_event_size=LARGEST_EVENT
        ) as streams,
    ):
        yield streams
