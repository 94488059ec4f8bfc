"""Servers behind an address that break: a clear word, bounded memory, and the session goes on."""

from __future__ import annotations

import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.mcp.connect import run_tool
from tests.mcp_servers_used_in_tests.bad_http import MB, Bad, bad_server
from tests.mcp_servers_used_in_tests.use import around, context, using
from tools.mcp.connection import Connection
from tools.mcp.entry import HttpEntry
from tools.mcp.reasons import Unavailable


async def called(made: Connection, base: Path, text: str = "bad") -> Any:
    return await run_tool(
        made, "echo", {"text": text}, context(base), blocked=lambda: "", progress=lambda *_: None
    )


@asynccontextmanager
async def connected(bad: Bad, base: Path, url: str = "") -> AsyncIterator[Connection]:
    async with using(HttpEntry("bad", url or bad.url, start_s=20, call_s=20), around(base)) as made:
        yield made


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("endless", "it sent more than 32 MB in one answer"),
        ("endless-event", "SSE stream failed"),
        ("bomb", "it sent a packed answer, which it was not asked for"),
        ("html", "Unexpected content type: text/html"),
        ("error", "Server returned an error response"),
        ("no-json", "Failed to parse JSON response"),
        ("expired", "it wants a sign-in and lets no client register"),
    ],
)
async def test_a_call_that_goes_wrong(tmp_path: Path, mode: str, said: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with bad_server(mode) as bad:
        async with connected(bad, tmp_path) as made:
            result = await called(made, tmp_path)
            assert not result.ok
            assert said in result.text
            assert len(result.text) < 1500
            assert (await called(made, tmp_path, "good")).text == "good"
        assert bad.written < 150 * MB
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000, "KiB; an event and the copies that are made of it"


async def test_a_server_that_wants_a_sign_in(tmp_path: Path) -> None:
    with bad_server("401") as bad:
        async with connected(bad, tmp_path) as made:
            with pytest.raises(Unavailable, match="it wants a sign-in and lets no client register"):
                await made.ready()


@pytest.mark.parametrize("mode", ["redirect", "redirect-start"])
async def test_a_redirect_to_another_server_is_not_followed(tmp_path: Path, mode: str) -> None:
    with bad_server("good") as target, bad_server(mode, target.url) as bad:
        async with connected(bad, tmp_path) as made:
            result = await called(made, tmp_path)
            assert not result.ok
            assert f"Redirect to {target.url} not followed" in result.text
        assert target.seen == []
        async with httpx2.AsyncClient(follow_redirects=True) as plain:
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": {"name": "echo", "arguments": {"text": "bad"}}}  # fmt: skip
            await plain.post(bad.url, json=call)
        assert len(target.seen) == 1, "and a client that follows it gets there"


@pytest.fixture
def rebound(monkeypatch: pytest.MonkeyPatch) -> None:
    """All names lead to this machine, as a name does whose owner has changed its address."""
    real = socket.getaddrinfo

    def look_up(host: Any, *others: Any, **named: Any) -> Any:
        return real(
            "127.0.0.1" if host in ("tools.example", b"tools.example") else host, *others, **named
        )

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.usefixtures("rebound")
async def test_a_name_that_leads_to_this_machine(tmp_path: Path) -> None:
    with bad_server("good") as bad:
        url = bad.url.replace("127.0.0.1", "tools.example")
        async with connected(bad, tmp_path, url) as made:
            with pytest.raises(Unavailable, match=r"leads to 127\.0\.0\.1, which is this machine"):
                await made.ready()
        assert bad.seen == []
        async with httpx2.AsyncClient() as plain:
            await plain.post(url, json={"jsonrpc": "2.0", "method": "x"})
        assert bad.seen, "and a client that does not look gets there"


async def test_a_name_of_this_machine_may_be_meant(tmp_path: Path) -> None:
    with bad_server("good") as bad:
        url = bad.url.replace("127.0.0.1", "localhost")
        async with connected(bad, tmp_path, url) as made:
            assert (await called(made, tmp_path, "good")).text == "good"
