"""Gets the bytes behind a URL: bounded in size, time and redirects, checked at every step."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message

import httpx

from mcp_servers.web.addresses import Policy
from mcp_servers.web.client import Resolver, is_about_certificate, stranger_client
from mcp_servers.web.decoding import Unpacker, too_large
from mcp_servers.web.errors import WebError
from mcp_servers.web.settings import Limits
from mcp_servers.web.urls import check, parse, shown
from tools.lookup import look_up

MOST_REDIRECTS = 5
_REASONS = {
    401: "it wants a login",
    402: "it wants to be paid",
    403: "the site refuses programs, or this page is not public",
    404: "there is no such page: search for it",
    410: "the page is gone: search for it",
    429: "the site says that there were too many requests: try again later",
    451: "it is blocked for legal reasons",
}


@dataclass(frozen=True)
class Download:
    """`url` is where the redirects led to; `cache_control` is that header in lower case."""

    url: str
    data: bytes
    media_type: str
    charset: str
    cache_control: str


async def download(
    url: httpx.URL,
    policy: Policy,
    limits: Limits,
    *,
    resolver: Resolver = look_up,
    verify: ssl.SSLContext | None = None,
) -> Download:
    """The body behind `url`.

    Raises:
        WebError: it may not be reached, cannot be reached, is too large or takes too long.
    """
    try:
        async with (
            asyncio.timeout(limits.total_s),
            stranger_client(policy, limits, resolver, verify) as client,
        ):
            return await _follow(client, url, policy, limits)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise WebError(
            f"{url.host} did not answer in time ({limits.total_s:g} seconds): try another page"
        ) from error
    except httpx.HTTPError as error:
        raise WebError(_why(url, error)) from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise WebError(f"{url.host} sent an address that is none: {error}") from error


async def _follow(
    client: httpx.AsyncClient, url: httpx.URL, policy: Policy, limits: Limits
) -> Download:
    for _ in range(MOST_REDIRECTS + 1):
        check(url, policy)
        async with client.stream("GET", url) as response:
            if not response.has_redirect_location:
                return await _read(response, url, limits)
            url = parse(str(url.join(response.headers["location"])))
    raise WebError(f"the page redirects more than {MOST_REDIRECTS} times")


async def _read(response: httpx.Response, url: httpx.URL, limits: Limits) -> Download:
    if response.status_code != 200:
        reason = _REASONS.get(response.status_code, "try again later, or search for another page")
        raise WebError(f"{shown(url)} answers {response.status_code}: {reason}")
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.raw:
        raise too_large(limits.raw)
    unpacker = Unpacker(response.headers.get("content-encoding", ""), limits.decoded)
    raw = 0
    async for piece in response.aiter_raw():
        raw += len(piece)
        if raw > limits.raw:
            raise too_large(limits.raw)
        unpacker.feed(piece)
    media_type, charset = _content_type(response.headers.get("content-type", ""))
    control = response.headers.get("cache-control", "").lower()
    return Download(str(url), bytes(unpacker.data), media_type, charset, control)


def _content_type(header: str) -> tuple[str, str]:
    """The media type in lower case, "" where there is none, and the charset."""
    if not header.strip():
        return "", ""
    message = Message()
    message["content-type"] = header[:200].replace("\n", " ").replace("\r", " ")
    return message.get_content_type(), str(message.get_param("charset") or "")


def _why(url: httpx.URL, error: httpx.HTTPError) -> str:
    with suppress(RuntimeError):
        url = error.request.url  # of the redirect that failed, if it was one
    if is_about_certificate(error):
        return f"the certificate of {url.host} is not valid ({error}): it is not read"
    if isinstance(error, httpx.ConnectError):
        return f"{url.host} cannot be reached ({error}): is this machine online?"
    return f"{url.host} broke the connection off ({error or type(error).__name__}): try again"
