"""What an HTTP server's answers and addresses may be: bounded, as they are, where they seem to be.

A body that is not a stream of events is read whole by the SDK, and one that is packed can be a
thousand times as large as what comes over the network. A name can lead somewhere else each time it
is looked up (DNS rebinding); so it is looked up here, and the connection goes to what was checked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from tools.lookup import MOST_ADDRESSES, look_up

LARGEST_BODY = 32_000_000  # bytes


class Refused(httpx2.StreamError):
    """A body that is not read; the text says why."""


class _Bounded(httpx2.AsyncByteStream):
    """A body with an end."""

    def __init__(self, inner: httpx2.AsyncByteStream, problem: str):
        self._inner = inner
        self._problem = problem

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._problem:
            raise Refused(self._problem)
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > LARGEST_BODY:
                raise Refused(f"it sent more than {LARGEST_BODY // 1_000_000} MB in one answer")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


async def bound(response: httpx2.Response) -> None:
    """For `event_hooks`: the body of a response is bounded, and is what came over the network.

    An endless stream of events is what it should be; of that each event is bounded by the SDK.
    """
    kind = response.headers.get("content-type", "").lower()
    packed = response.headers.get("content-encoding", "identity").lower() != "identity"
    problem = "it sent a packed answer, which it was not asked for" if packed else ""
    if problem or not kind.startswith("text/event-stream"):
        inner = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _Bounded(inner, problem)


class Checked(httpx2.AsyncBaseTransport):
    """Connects to names that do not lead to this machine; `localhost` and addresses may."""

    def __init__(self) -> None:
        # One for each name: two names on one address must not share a certificate.
        self._plain: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        if host == "localhost" or host.endswith(".localhost") or _address(host):
            return await self._transport(host).handle_async_request(request)
        addresses = await _checked(host, request)
        for address in addresses[:-1]:
            try:
                return await self._send(request, host, address)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._send(request, host, addresses[-1])

    async def aclose(self) -> None:
        for transport in self._plain.values():
            await transport.aclose()

    def _transport(self, host: str) -> httpx2.AsyncHTTPTransport:
        if host not in self._plain:
            self._plain[host] = httpx2.AsyncHTTPTransport()
        return self._plain[host]

    async def _send(self, request: httpx2.Request, host: str, address: str) -> httpx2.Response:
        # The Host header stands in the request already; the certificate is that of the name.
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._transport(host).handle_async_request(pinned)


def transport_for(url: str) -> Checked | None:
    """How to get there; None where the environment names a proxy, which looks names up itself."""
    parts = urlsplit(url)
    proxied = parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
    return None if proxied else Checked()


async def _checked(host: str, request: httpx2.Request) -> list[str]:
    """The addresses of a name. Raises httpx2.ConnectError."""
    try:
        addresses = (await look_up(host, request.url.port or 0))[:MOST_ADDRESSES]
    except (OSError, UnicodeError) as error:
        text = f"the name {host} cannot be looked up"
        raise httpx2.ConnectError(text, request=request) from error
    for text in addresses:
        known = _address(text)
        if known is None or known.is_loopback or known.is_link_local or known.is_unspecified:
            raise httpx2.ConnectError(
                f"the name {host} leads to {text}, which is this machine: write the address "
                "itself if that is meant",
                request=request,
            )
    return addresses


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
