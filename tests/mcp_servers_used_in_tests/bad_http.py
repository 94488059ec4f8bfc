"""A misbehaving server over HTTP, in a thread of the test: what it does with a call is its mode."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MB = 1_000_000


@dataclass
class Bad:
    """`url` is where it is, `seen` the paths and hosts that were asked for."""

    mode: str
    url: str = ""
    elsewhere: str = ""  # where a redirect leads
    seen: list[tuple[str, str]] = field(default_factory=list)
    written: int = 0  # bytes of bodies that went out


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bad: Bad

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._empty(405)

    do_DELETE = do_GET

    def do_POST(self) -> None:
        bad = self.bad
        bad.seen.append((self.path, self.headers["host"]))
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/mcp":
            self._empty(404)
            return
        request = json.loads(body)
        method = request.get("method")
        if "id" not in request:
            self._empty(202)
        elif bad.mode == "401":
            self._empty(401)
        elif bad.mode == "redirect-start":
            self._empty(307, location=bad.elsewhere)
        elif method == "initialize":
            self._answer(request, {
                "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                "serverInfo": {"name": "bad", "version": "1"},
            })  # fmt: skip
        elif method == "tools/list":
            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            self._answer(request, {"tools": [{"name": "echo", "inputSchema": schema}]})
        elif method == "tools/call":
            self._call(request)
        else:
            self._json({"jsonrpc": "2.0", "id": request["id"],
                        "error": {"code": -32601, "message": "no such method"}})  # fmt: skip

    def _call(self, request: dict[str, Any]) -> None:
        mode, text = self.bad.mode, request["params"]["arguments"]["text"]
        if text == "good" or mode == "good":
            self._answer(request, {"content": [{"type": "text", "text": "good"}]})
        elif mode == "endless":
            self._endless("application/json", b"x" * MB)
        elif mode == "endless-event":
            self._endless("text/event-stream", b"data: " + b"x" * MB)
        elif mode == "bomb":
            self._bomb()
        elif mode == "redirect":
            self._empty(307, location=self.bad.elsewhere)
        elif mode == "expired":
            self._empty(401)
        elif mode == "html":
            self._body(b"<h1>It works!</h1>", "text/html")
        elif mode == "error":
            self._empty(500)
        elif mode == "no-json":
            self._body(b"\xff\xfe{", "application/json")

    def _endless(self, kind: str, block: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        with suppress(OSError):
            for _ in range(1000):
                self.wfile.write(block)
                self.bad.written += len(block)
        self.close_connection = True

    def _bomb(self) -> None:
        packed = gzip.compress(b" " * 200 * MB, 1)
        self._body(packed, "application/json", **{"content-encoding": "gzip"})

    def _answer(self, request: dict[str, Any], result: dict[str, Any]) -> None:
        self._json({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def _json(self, value: dict[str, Any]) -> None:
        self._body(json.dumps(value).encode(), "application/json")

    def _body(self, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"content-type": kind, "content-length": str(len(body)),
                            **headers}.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)
        self.bad.written += len(body)

    def _empty(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def bad_server(mode: str, elsewhere: str = "") -> Iterator[Bad]:
    """A running server on loopback."""
    bad = Bad(mode, elsewhere=elsewhere)
    handler = type("BadHandler", (Handler,), {"bad": bad})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    bad.url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield bad
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
