"""A hub on this machine: answers HEAD as Hugging Face does, and GET with ranges and faults."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import huggingface_hub
import pytest
from huggingface_hub import constants
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from agent.models.catalogue import CatalogueEntry

FILE = "model-Q4_K_M.gguf"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry_for(data: bytes, **changes: object) -> CatalogueEntry:
    """A catalogue entry whose file is `data`."""
    fields: dict[str, object] = {
        "name": "tiny",
        "family": "qwen2.5",
        "context": 64,
        "size": len(data),
        "sha256": sha256(data),
        "licence": "MIT",
        "repo": "maker/tiny-GGUF",
        "file": FILE,
        "sources": ("hf",),
    }
    return CatalogueEntry(**(fields | changes))  # type: ignore[arg-type]


@dataclass
class Hub:
    """What it serves, the faults it has, and what it was asked."""

    data: bytes
    declared: str = ""
    break_after: list[int] = field(default_factory=list)  # bytes of each next GET, then it closes
    ranges: bool = True
    elsewhere: str = ""  # where the file's bytes are, such as another host
    status: int = 200
    size: int = 0  # what is declared, if not the truth
    renamed_to: str = ""
    gets: list[str] = field(default_factory=list)  # the Range of each GET
    seen: list[tuple[str, str]] = field(default_factory=list)  # (path, authorization)

    def head(self, request: Request) -> Response:
        self.seen.append((request.path, request.headers.get("authorization", "")))
        if self.status != 200:
            return Response(status=self.status)
        if self.renamed_to and self.renamed_to not in request.path:
            new = f"/{self.renamed_to}/resolve/main/{FILE}"
            return Response(status=307, headers={"location": new})
        return Response(
            status=302,
            headers={
                "location": f"{self.elsewhere}/store/{FILE}",
                "x-repo-commit": "c" * 40,
                "x-linked-etag": f'"{self.declared or sha256(self.data)}"',
                "x-linked-size": str(self.size or len(self.data)),
            },
        )

    def get(self, request: Request) -> Response:
        self.seen.append((request.path, request.headers.get("authorization", "")))
        asked = request.headers.get("range", "")
        self.gets.append(asked)
        found = re.fullmatch(r"bytes=(\d+)-", asked)
        start = int(found[1]) if found and self.ranges else 0
        body = self.data[start:]
        headers = {"content-length": str(len(body))}
        if start:
            headers["content-range"] = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
        if self.break_after:
            body = body[: self.break_after.pop(0)]
        return Response(iter([body]), status=206 if start else 200, headers=headers)


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Run the hub; yields its endpoint."""
    server = HTTPServer(host="127.0.0.1", threaded=True)
    server.expect_request(re.compile(r"/.+/resolve/main/.+")).respond_with_handler(hub.head)
    server.expect_request(f"/store/{FILE}").respond_with_handler(hub.get)
    server.expect_request(re.compile("/api/models/.+")).respond_with_handler(
        lambda _: Response(
            f'[{{"path": "README.md"}}, {{"path": "{FILE}"}}]', mimetype="application/json"
        )
    )
    server.start()
    try:
        yield server.url_for("").rstrip("/")
    finally:
        server.clear()
        server.stop()


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Point huggingface_hub at `endpoint` as HF_ENDPOINT does at its import."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    # The shared client keeps connections and proxies of the test before.
    huggingface_hub.close_session()


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
