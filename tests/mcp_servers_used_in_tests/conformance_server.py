"""Our servers over HTTP, as the official conformance tests drive them: they send no token, so this
puts it in front of the guard that `agent mcp serve --http` has."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from agent.serve import Jobs, Terms, ingle_server
from agent.serve_http import Guard
from mcp_servers.code_search.server import code_search_server
from mcp_servers.web.server import web_server
from mcp_servers.web.session import WebSession
from mcp_servers.web.settings import from_env

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

NAMES = ("do", "web", "code-search")


def made(name: str, folder: Path) -> MCPServer:
    """A server of ours; no model is loaded, and nothing is asked of the web."""
    if name == "web":
        return web_server(WebSession(from_env({"INGLE_OFFLINE": "1"})))
    if name == "code-search":
        return code_search_server(folder)

    def no_model() -> Any:
        raise AssertionError("no task is given here")

    rights: Any = None
    return ingle_server(Jobs(no_model, Terms((folder,), None, rights, "off", "")))


@contextmanager
def serving_ours(name: str, folder: Path) -> Iterator[str]:
    """The address of a running server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        app = Guard(made(name, folder).streamable_http_app(host="127.0.0.1"), port, "token")

        async def with_token(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                token = (b"authorization", b"Bearer token")
                scope = {**scope, "headers": [*scope["headers"], token]}
            await app(scope, receive, send)

        config = uvicorn.Config(with_token, log_level="error", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join()
