"""What one process knows of the web: which URLs were given out, and what was read."""

from __future__ import annotations

import ssl
import time

import httpx

from mcp_servers.web.cache import Cache, Page, lifetime
from mcp_servers.web.client import Resolver
from mcp_servers.web.download import download
from mcp_servers.web.errors import WebError
from mcp_servers.web.extract import extract
from mcp_servers.web.search import OFFLINE, Result, search
from mcp_servers.web.settings import Settings
from mcp_servers.web.urls import Known, check, parse, port_of
from tools.lookup import look_up


class WebSession:
    """Searches and pages for one user. `known` is what may be fetched without a question."""

    def __init__(
        self,
        settings: Settings,
        *,
        resolver: Resolver = look_up,
        verify: ssl.SSLContext | None = None,
    ):
        self.settings = settings
        self.known = Known(settings.sites, settings.policy)
        self._resolver = resolver
        self._verify = verify
        self._cache = Cache(settings.cache)

    async def search(self, query: str, limit: int) -> list[Result]:
        """Raises WebError."""
        results = await search(query, limit, self.settings)
        for result in results:
            self.known.add(result.url)
        return results

    def address(self, url: str) -> httpx.URL:
        """The URL, if it can be fetched at all. Raises WebError."""
        if self.settings.offline:
            raise WebError(OFFLINE)
        parsed = parse(url)
        check(parsed, self.settings.policy)
        return parsed

    async def page(self, url: httpx.URL) -> Page:
        """What is there, as text; whether it may be fetched was asked before. Raises WebError."""
        asked = str(url)
        if (kept := self._cache.get(asked)) is not None:
            return kept
        limits = self.settings.limits
        got = await download(
            url, self.settings.policy, limits, resolver=self._resolver, verify=self._verify
        )
        found = await extract(got.data, got.media_type, got.charset, got.url, limits)
        page = Page(got.url, found.text, found.title, found.date, found.note, time.time())
        # What runs on this machine changes while it is worked on.
        local = any(
            self.settings.policy.is_local(u.host, port_of(u)) for u in (url, httpx.URL(got.url))
        )
        if not local:
            self._cache.put(asked, page, lifetime(got.cache_control))
        return page
