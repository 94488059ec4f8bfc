"""The only place that opens connections: httpx, to addresses that were checked.

The name is looked up once, every address is checked, and the connection goes to one of those very
addresses: a second lookup could say something else (DNS rebinding).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

import httpx

from mcp_servers.web.addresses import Policy
from mcp_servers.web.errors import WebError
from mcp_servers.web.settings import Limits
from mcp_servers.web.urls import port_of
from tools.lookup import MOST_ADDRESSES, look_up

Resolver = Callable[[str, int], Awaitable[list[str]]]
AGENT = "ingle/0.1 (reads one page for its user)"


class PinnedTransport(httpx.AsyncBaseTransport):
    """Looks a host up, checks what it finds, and connects to that.

    Raises WebError for an address that `policy` does not allow.
    """

    def __init__(self, policy: Policy, resolver: Resolver, verify: ssl.SSLContext | None = None):
        self._policy = policy
        self._resolver = resolver
        # No connection is kept: the next name behind the same address needs its own certificate.
        self._plain = httpx.AsyncHTTPTransport(
            verify=verify or httpx.create_ssl_context(),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        addresses = await self._checked(host, port_of(request.url))
        for address in addresses[:-1]:
            try:
                return await self._send(request, host, address)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if is_about_certificate(error):
                    raise
        return await self._send(request, host, addresses[-1])

    async def aclose(self) -> None:
        await self._plain.aclose()

    async def _checked(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise WebError(
                f"the name {host} cannot be looked up: is it right, and is this machine online?"
            ) from error
        for address in found:
            if not self._policy.allows(address, port):
                raise WebError(
                    f"{host} is at {address} port {port}, which is not of the public internet: "
                    "pages of this machine and its network are not fetched"
                )
        if not found:
            raise WebError(f"the name {host} has no address")
        return found[:MOST_ADDRESSES]

    async def _send(self, request: httpx.Request, host: str, address: str) -> httpx.Response:
        # The Host header stands in the request already; the certificate is that of the name.
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._plain.handle_async_request(pinned)


def stranger_client(
    policy: Policy,
    limits: Limits,
    resolver: Resolver = look_up,
    verify: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """A client for pages that anybody may have named."""
    return httpx.AsyncClient(
        transport=PinnedTransport(policy, resolver, verify),
        timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
        follow_redirects=False,
        trust_env=False,
        headers={
            "User-Agent": AGENT,
            "Accept": "text/html, text/plain;q=0.9, application/json;q=0.9, application/pdf;q=0.8,"
            " */*;q=0.1",
            "Accept-Encoding": "gzip, deflate",
        },
    )


def provider_client(limits: Limits) -> httpx.AsyncClient:
    """A client for a search service that the user named: it may be on this machine."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
        headers={"User-Agent": AGENT, "Accept": "application/json"},
    )


def is_about_certificate(error: BaseException) -> bool:
    """Whether an error of a connection is that the certificate is not valid."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
