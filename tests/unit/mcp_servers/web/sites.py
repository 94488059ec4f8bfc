"""Real servers on loopback that say whatever a test wants, byte for byte."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from mcp_servers.web.addresses import Policy
from mcp_servers.web.client import Resolver

Answer = Callable[[socket.socket, str], None]
"""Writes an answer to a connection whose request (head only) was read."""


@dataclass
class Site:
    """A server; `requests` has the head of each request, `names` the host names of TLS."""

    host: str
    port: int
    answers: dict[str, bytes | Answer]
    requests: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def opened(self) -> Policy:
        """The policy of a user who opened this very server, and nothing else."""
        return Policy(frozenset({(self.host, self.port)}))


def page(
    body: bytes | str, kind: str = "text/html; charset=utf-8", status: str = "200 OK", **more: str
) -> bytes:
    """A whole answer; `more` are headers, with _ for -."""
    data = body.encode() if isinstance(body, str) else body
    headers = {"content-type": kind, "content-length": str(len(data)), "connection": "close"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in headers.items() if v), "", ""]
    return "\r\n".join(lines).encode() + data


def redirect(to: str) -> bytes:
    return page("", status="302 Found", location=to)


@contextmanager
def serving(
    answers: dict[str, bytes | Answer],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Site]:
    """Serve `answers` by path ('*' is any other)."""
    listener = socket.create_server((host, port))
    site = Site(host, listener.getsockname()[1], answers)

    def handle(connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError), connection:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := connection.recv(65_536)):
                    return
                head += data
            site.requests.append(head.decode("latin-1"))
            path = head.split(b" ")[1].decode()
            answer = answers.get(path, answers.get("*", page("none", status="404 Not Found")))
            if callable(answer):
                answer(connection, path)
            else:
                connection.sendall(answer)
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: site.names.append(name)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def names(**addresses: str | list[str]) -> Resolver:
    """A resolver that knows these names (with _ for .); a list is one answer after the other, the
    last one for ever. Addresses are their own."""
    left = {
        k.replace("_", "."): [v] if isinstance(v, str) else list(v) for k, v in addresses.items()
    }

    async def look_up(host: str, _port: int) -> list[str]:
        answers = left.get(host, [host])
        return [answers.pop(0) if len(answers) > 1 else answers[0]]

    return look_up
