"""An MCP server over HTTP for programs of this machine: loopback, a token, no browser."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.errors import UsageError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises UsageError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise UsageError(f"port {port} cannot be used: {error.strerror}: take another") from error
    return listener


class Guard:
    """Lets a request through that has the token and comes from no browser's page.

    A page of the web can make a browser send requests to this machine; it can neither read the
    token nor hide its Origin, and a name that it had pointed here shows in Host.
    """

    def __init__(self, app: ASGIApp, port: int, token: str):
        self._app = app
        self._hosts = {f"{HOST}:{port}".encode(), f"localhost:{port}".encode()}
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status = self._refusal(scope) if scope["type"] == "http" else 403
        if status:
            await _answer(send, status)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> int:
        """The status to refuse with; 0 lets it through."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        if len(headers.get(b"host", [])) != 1 or headers[b"host"][0].lower() not in self._hosts:
            return 421
        origins = {b"http://" + host for host in self._hosts}
        if any(origin.lower() not in origins for origin in headers.get(b"origin", [])):
            return 403
        given = headers.get(b"authorization", [b""])[0]
        kind, _, token = given.partition(b" ")
        if kind.lower() != b"bearer" or not secrets.compare_digest(token, self._token):
            return 401
        return 0


async def _answer(send: Send, status: int) -> None:
    text = {401: b"a token is needed", 403: b"not for browsers", 421: b"wrong host"}[status]
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def serve_http(server: MCPServer, port: int, ready: Callable[[str, str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address and the token. Raises UsageError."""
    import uvicorn

    listener = bind(port)
    number = listener.getsockname()[1]
    token = secrets.token_urlsafe(32)
    app = Guard(server.streamable_http_app(host=HOST), number, token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    with listener:
        ready(f"http://{HOST}:{number}/mcp", token)
        await uvicorn.Server(config).serve(sockets=[listener])
