"""The address on loopback to which a browser comes back after a person has signed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult

from tools.mcp.oauth import Person

PATH = "/callback"
DONE = "You are signed in; this page can be closed."
LONGEST_HEAD = 32_768


@asynccontextmanager
async def browser(show: Callable[[str], Awaitable[None]], port: int = 0) -> AsyncIterator[Person]:
    """A person with a browser on this machine; `show` gets the address to open.

    The state that comes back is checked by the provider, so a request that somebody else makes to
    this port cannot sign anybody in.

    Raises:
        OSError: the port is taken.
    """
    arrived: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = _take(head.decode("latin-1").split(" ")[1], arrived)
            writer.write(answer.encode("latin-1", "replace"))
            await writer.drain()
        except (OSError, IndexError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=LONGEST_HEAD)
    try:
        bound = server.sockets[0].getsockname()[1]

        async def wait() -> AuthorizationCodeResult:
            return await arrived

        yield Person(f"http://127.0.0.1:{bound}{PATH}", show, wait)
    finally:
        server.close()
        arrived.cancel()


def _take(target: str, arrived: asyncio.Future[AuthorizationCodeResult]) -> str:
    """Note what the browser brings; the page to show."""
    parts = urlsplit(target)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if parts.path != PATH or not {"code", "error"} & set(query):
        return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    text = DONE
    if not arrived.done():
        if "error" in query:
            text = "It was not allowed; nothing was signed in."
            why = query.get("error_description") or query["error"]
            arrived.set_exception(OAuthFlowError(f"the sign-in was refused: {why}"))
        else:
            arrived.set_result(
                AuthorizationCodeResult(
                    code=query["code"], state=query.get("state"), iss=query.get("iss")
                )
            )
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}"
