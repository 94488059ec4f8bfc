"""Search: one function, three providers.

The user's SearXNG, else Brave with the user's key, else ddgs, which needs neither. Where the
chosen one fails nobody else is asked: who runs an instance of his own does not want another.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx

from mcp_servers.web.clean import visible
from mcp_servers.web.client import provider_client
from mcp_servers.web.errors import WebError
from mcp_servers.web.settings import Limits, Settings
from mcp_servers.web.urls import parse, secret_in

BRAVE = "https://api.search.brave.com/res/v1/web/search"
LONGEST_QUERY = 400
MOST_RESULTS = 20
MOST_ANSWER = 4 * 2**20
OFFLINE = "INGLE_OFFLINE is set, so nothing is asked of the web: answer without it"


@dataclass(frozen=True)
class Result:
    """One hit. `date` is as the provider gives it, "" where it gives none."""

    title: str
    url: str
    snippet: str
    source: str = ""
    date: str = ""


Rows = Sequence[dict[str, Any]]
DdgsText = Callable[[str, int], Rows]


async def search(
    query: str, limit: int, settings: Settings, *, brave: str = BRAVE, ddgs: DdgsText | None = None
) -> list[Result]:
    """At most `limit` results.

    Raises:
        WebError: nothing could be asked; the text says what to do.
    """
    query = " ".join(query.split())
    if not query:
        raise WebError("the query is empty: write some words to search for")
    if len(query) > LONGEST_QUERY:
        raise WebError(f"the query has more than {LONGEST_QUERY} characters: use fewer words")
    if kind := secret_in(query):
        raise WebError(f"the query has a secret in it ({kind}): it is not sent")
    if settings.offline:
        raise WebError(OFFLINE)
    limit = max(1, min(limit, MOST_RESULTS))
    if settings.searxng_url:
        found = await _searxng(query, settings)
    elif settings.brave_key:
        found = await _brave(query, limit, settings, brave)
    else:
        found = await _ddgs(query, limit, ddgs or _ask_ddgs)
    usable = [result for result in found if _is_fetchable(result.url)]
    return list({result.url: result for result in reversed(usable)}.values())[::-1][:limit]


async def _searxng(query: str, settings: Settings) -> list[Result]:
    what = f"the SearXNG at {settings.searxng_url}"
    data = await _get_json(
        what, settings.limits, f"{settings.searxng_url}/search", {"q": query, "format": "json"},
        {403: "it does not give JSON: add json to search.formats in its settings.yml"},
    )  # fmt: skip
    return [
        _result(row, "url", "content", source=row.get("engine"), date=row.get("publishedDate"))
        for row in _rows(data, "results")
    ]


async def _brave(query: str, limit: int, settings: Settings, address: str) -> list[Result]:
    wrong_key = "is INGLE_BRAVE_KEY right?"
    data = await _get_json(
        "Brave", settings.limits, address, {"q": query, "count": str(limit)},
        {401: wrong_key, 403: wrong_key, 422: wrong_key},
        {"X-Subscription-Token": settings.brave_key},
    )  # fmt: skip
    web = data.get("web") if isinstance(data, dict) else None
    return [
        _result(
            row,
            "url",
            "description",
            source=(row.get("profile") or {}).get("name"),
            date=row.get("page_age") or row.get("age"),
        )
        for row in _rows(web, "results")
    ]


async def _ddgs(query: str, limit: int, ask: DdgsText) -> list[Result]:
    from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException

    try:
        rows = await asyncio.to_thread(ask, query, limit)
    except RatelimitException as error:
        raise _too_many("the keyless search") from error
    except TimeoutException as error:
        raise WebError("the keyless search did not answer: is this machine online?") from error
    except DDGSException as error:
        text = str(error)
        if "No results" in text:
            return []
        if re.search(r"\b(202|429)\b|ratelimit", text, re.IGNORECASE):
            raise _too_many("the keyless search") from error
        raise WebError(
            "the keyless search could not be reached: is this machine online? "
            "(INGLE_SEARXNG_URL or INGLE_BRAVE_KEY choose another one)"
        ) from error
    return [
        _result(row, "href", "body", source=row.get("source"), date=row.get("date")) for row in rows
    ]


def _ask_ddgs(query: str, limit: int) -> Rows:
    from ddgs import DDGS

    with DDGS(timeout=10) as found:
        rows: Rows = found.text(query, max_results=limit)
        return rows


def _too_many(what: str) -> WebError:
    return WebError(
        f"{what} says that there were too many requests: wait some minutes, or set "
        "INGLE_SEARXNG_URL or INGLE_BRAVE_KEY"
    )


async def _get_json(
    what: str,
    limits: Limits,
    url: str,
    query: dict[str, str],
    reasons: dict[int, str],
    headers: dict[str, str] | None = None,
) -> Any:
    try:
        async with (
            asyncio.timeout(limits.total_s),
            provider_client(limits) as client,
            client.stream("GET", url, params=query, headers=headers) as response,
        ):
            if response.status_code == 429:
                raise _too_many(what)
            if response.status_code != 200:
                reason = reasons.get(response.status_code, "try again later")
                raise WebError(f"{what} answers {response.status_code}: {reason}")
            body = bytearray()
            async for piece in response.aiter_bytes(65_536):
                body += piece
                if len(body) > MOST_ANSWER:
                    raise WebError(f"{what} answers with too much")
            return json.loads(body)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise WebError(f"{what} did not answer in time: is it running?") from error
    except httpx.HTTPError as error:
        raise WebError(f"{what} cannot be reached ({error}): is this machine online?") from error
    except ValueError as error:
        raise WebError(f"{what} answers with something that is no JSON: is it one?") from error


def _rows(data: Any, name: str) -> list[dict[str, Any]]:
    rows = data.get(name) if isinstance(data, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _result(row: dict[str, Any], url: str, snippet: str, *, source: Any, date: Any) -> Result:
    return Result(
        _line(row.get("title"), 200),
        str(row.get(url) or ""),
        _line(row.get(snippet), 500),
        _line(source, 60),
        _line(date, 40),
    )


def _line(value: Any, most: int) -> str:
    """One line of plain text out of what a provider gives, which may have tags in it."""
    text = unescape(re.sub(r"</?[a-zA-Z][^<>]{0,100}>", "", str(value or "")))
    text = " ".join(visible(text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _is_fetchable(url: str) -> bool:
    try:
        parse(url)
    except WebError:
        return False
    return True
