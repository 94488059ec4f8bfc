"""The same two tools inside the agent's process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_servers.web.session import WebSession
from mcp_servers.web.settings import Settings
from mcp_servers.web.tools import NOT_FETCHED, Ask, FetchArguments, SearchArguments, Web
from tests.unit.mcp_servers.web.sites import Site, names, page, serving
from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.workspace import Workspace


@pytest.fixture
def site() -> Iterator[Site]:
    text = "\n".join(f"line {number}" for number in range(500))
    with serving({"*": page(text, "text/plain")}) as started:
        yield started


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    return ToolContext(Workspace(tmp_path), Off(), OutputStore(None, 1_000))


def web(site: Site, ask: Ask | None = None) -> Web:
    settings = Settings(policy=site.opened, searxng_url=site.url)
    return Web(ask, lambda: WebSession(settings, resolver=names(site_test=site.host)))


async def test_what_the_user_named_is_fetched_a_window_at_a_time(
    site: Site, context: ToolContext
) -> None:
    here = web(site)
    _, fetch = here.tools()
    url = f"http://site.test:{site.port}/page"
    assert (await fetch.run(FetchArguments(url=url), context)).text == NOT_FETCHED
    assert site.requests == []
    here.hear(f"What does {url} say?")
    got = await fetch.run(FetchArguments(url=url), context)
    assert got.ok and "line 0\n" in got.text and len(got.text) < 1_500
    more = await fetch.run(FetchArguments(url=url, first_line=400), context)
    assert "line 399\n" in more.text
    past = await fetch.run(FetchArguments(url=url, first_line=501), context)
    assert not past.ok and "only 500 lines" in past.text


async def test_the_user_is_asked_about_other_urls(site: Site, context: ToolContext) -> None:
    asked: list[str] = []

    async def ask(url: str) -> bool:
        asked.append(url)
        return url.endswith("yes")

    _, fetch = web(site, ask).tools()
    base = f"http://site.test:{site.port}"
    for path, ok in (("/yes", True), ("/yes", True), ("/no", False), ("/no", False)):
        assert (await fetch.run(FetchArguments(url=base + path), context)).ok is ok
    assert asked == [f"{base}/yes", f"{base}/no", f"{base}/no"]


async def test_errors_are_results(
    site: Site, context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, fetch = web(site).tools()
    assert "no JSON" in (await search.run(SearchArguments(query="x"), context)).text
    assert "only http" in (await fetch.run(FetchArguments(url="ftp://x"), context)).text
    monkeypatch.setenv("INGLE_WEB_LOCAL", "wrong")
    search, _ = Web().tools()
    assert "INGLE_WEB_LOCAL" in (await search.run(SearchArguments(query="x"), context)).text


def test_nothing_of_the_web_is_imported_for_the_tools_alone() -> None:
    code = (
        "import sys, mcp_servers.web.tools as t; t.Web().tools(); "
        "print(sorted({'httpx', 'mcp', 'trafilatura', 'ddgs', 'pypdf', 'lxml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
