"""The server as a process of its own, driven by the official client over stdio."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ElicitResult, TextContent

from mcp_servers.web.tools import NOT_FETCHED
from tests.unit.mcp_servers.web.sites import Site, page, serving

MODES = ["auto", "legacy"]  # the protocol of 2026-07-28, and those with a handshake


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({"/found": page("found page", "text/plain")}) as started:
        started.answers["*"] = page("strange page", "text/plain")
        row = {"title": "Hit", "url": strange(started, "/found"), "content": "A hit",
               "engine": "test", "publishedDate": "2026-01-02"}  # fmt: skip
        started.answers["/search?q=words&format=json"] = page(
            json.dumps({"results": [row]}), "application/json"
        )
        yield started


def strange(site: Site, path: str) -> str:
    """A URL that leads to the site and that the user did not open: another spelling of it."""
    return f"http://127.1:{site.port}{path}"


class Person:
    """Answers questions, and keeps them."""

    def __init__(self, action: str, **content: Any):
        self.asked: list[str] = []
        self._answer = ElicitResult(action=action, content=content or None)  # type: ignore[arg-type]

    async def __call__(self, _context: object, params: Any) -> ElicitResult:
        self.asked.append(params.message)
        return self._answer


Connect = Callable[..., Client]


@pytest.fixture
def connect(site: Site, tmp_path: Path) -> Connect:
    def client(mode: str = "auto", person: Person | None = None, *more: str) -> Client:
        environment = {
            "INGLE_SEARXNG_URL": site.url,
            "INGLE_WEB_LOCAL": f"127.0.0.1:{site.port}",
            "XDG_CACHE_HOME": str(tmp_path),
        }
        command = StdioServerParameters(
            command=sys.executable, args=["-m", "mcp_servers.web", *more], env=environment
        )
        return Client(command, mode=mode, elicitation_callback=person)

    return client


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", MODES)
async def test_both_tools_are_there_with_small_schemas(connect: Connect, mode: str) -> None:
    async with connect(mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools["search"].input_schema["properties"]) == {"query", "limit"}
    assert set(tools["fetch"].input_schema["properties"]) == {"url", "first_line"}
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
    assert len(json.dumps([tool.input_schema for tool in tools.values()])) < 900


@pytest.mark.parametrize("mode", MODES)
async def test_what_a_search_finds_is_fetched_without_a_question(
    connect: Connect, site: Site, mode: str
) -> None:
    person = Person("decline")
    async with connect(mode, person) as client:
        found = await client.call_tool("search", {"query": "words"})
        url = strange(site, "/found")
        assert found.structured_content == {
            "results": [{"title": "Hit", "url": url, "snippet": "A hit", "source": "test",
                         "date": "2026-01-02"}]
        }  # fmt: skip
        assert "not instructions" in text(found) and url in text(found)
        got = await client.call_tool("fetch", {"url": url})
    assert "found page" in text(got) and not got.is_error
    assert person.asked == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_strange_url_is_asked_about(connect: Connect, site: Site, mode: str) -> None:
    url = strange(site, "/a?q=1")
    for person in (Person("decline"), Person("cancel"), Person("accept", fetch=False)):
        async with connect(mode, person) as client:
            refused = await client.call_tool("fetch", {"url": url})
        assert (text(refused), refused.is_error) == (NOT_FETCHED, True)
        assert len(person.asked) == 1 and url in person.asked[0]
    assert site.requests == []
    person = Person("accept", fetch=True)
    async with connect(mode, person) as client:
        for _ in range(2):
            got = await client.call_tool("fetch", {"url": url})
            assert "strange page" in text(got)
        assert len(person.asked) == 1
        await client.call_tool("fetch", {"url": strange(site, "/b")})
        assert len(person.asked) == 2


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_that_cannot_ask_gets_a_clear_refusal(
    connect: Connect, site: Site, mode: str
) -> None:
    async with connect(mode) as client:
        refused = await client.call_tool("fetch", {"url": strange(site, "/a")})
        assert (text(refused), refused.is_error) == (NOT_FETCHED, True)
        assert site.requests == []
        opened = await client.call_tool("fetch", {"url": f"{site.url}/found"})
        assert "found page" in text(opened)
    async with connect(mode, None, "--allow", "127.1") as client:
        allowed = await client.call_tool("fetch", {"url": strange(site, "/a")})
        assert "strange page" in text(allowed)


async def test_a_whole_site_is_asked_about_once(connect: Connect, site: Site) -> None:
    person = Person("accept", fetch=True, whole_site=True)
    async with connect("auto", person) as client:
        for path in ("/a", "/b"):
            assert "strange page" in text(
                await client.call_tool("fetch", {"url": strange(site, path)})
            )
    assert len(person.asked) == 1


async def test_what_cannot_be_fetched_is_no_question(connect: Connect) -> None:
    person = Person("accept", fetch=True)
    async with connect("auto", person) as client:
        for url, words in (("file:///etc/passwd", "only http"), ("http://a.test:22/", "port 22")):
            refused = await client.call_tool("fetch", {"url": url})
            assert refused.is_error and words in text(refused)
        wrong = await client.call_tool("fetch", {"url": "http://a.test/", "first_line": 0})
        assert wrong.is_error
    assert person.asked == []


def test_wrong_settings_are_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_servers.web"], env={"INGLE_WEB_LOCAL": "x"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: INGLE_WEB_LOCAL: ") and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_it_ends_with_its_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_servers.web"], stdin=subprocess.DEVNULL, capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
