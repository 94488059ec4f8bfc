"""URLs: which ones can be fetched at all, and which ones somebody has vouched for.

A model that reads a stranger's page can be talked into fetching `https://stranger/?q=<what it
knows>`. So a URL has to come from the user or from a search result; for any other one the user is
asked first.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

import httpx

from mcp_servers.web.addresses import Policy
from mcp_servers.web.errors import WebError

LONGEST = 2_000
MOST_KNOWN = 10_000
_IN_TEXT = re.compile(r"https?://[^\s<>\"'`\\]+", re.IGNORECASE)
_UNUSUAL = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


def parse(text: str) -> httpx.URL:
    """The URL that `text` is, without its fragment.

    Raises:
        WebError: it is none that can be fetched.
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise WebError(f"the URL has {len(text):,} characters, and at most {LONGEST:,} are sent")
    if _UNUSUAL.search(text):
        raise WebError("the URL has a space, a backslash or a control character in it: encode it")
    try:
        url = httpx.URL(text)
        _ = url.host  # decodes the name, which may be none
        if port_of(url) > 65535:
            raise ValueError("there is no such port")
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise WebError(f"{text[:200]!r} is no URL: {error}") from error
    if url.scheme not in ("http", "https"):
        raise WebError(f"{text[:200]!r}: only http:// and https:// are fetched")
    if not url.host:
        raise WebError(f"{text[:200]!r} has no host")
    if url.userinfo:
        raise WebError("the URL has a user name or a password in it: these are not sent")
    return url.copy_with(fragment=None)


def check(url: httpx.URL, policy: Policy) -> None:
    """Raises WebError where the URL's port may not be reached, or where it carries a secret."""
    if not policy.allows_port(port_of(url)):
        raise WebError(f"port {port_of(url)} is not fetched from: only 80 and 443 are")
    if kind := secret_in(str(url)):
        raise WebError(f"the URL has a secret in it ({kind}): it is not sent")


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def shown(url: httpx.URL) -> str:
    """The URL for a person: its host as it is asked for, so that no letter looks like another."""
    host = url.raw_host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{host}{port}{url.raw_path.decode('ascii')}"


class Known:
    """The URLs that the user or a search gave out, and the sites that the user opened."""

    def __init__(self, sites: Iterable[str] = (), policy: Policy | None = None):
        self._sites = set(sites)
        self._policy = policy or Policy()
        self._keys: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Take a URL; what is none is ignored."""
        try:
            key = _key(parse(text))
        except WebError:
            return
        self._keys[key] = None
        if len(self._keys) > MOST_KNOWN:
            del self._keys[next(iter(self._keys))]

    def add_text(self, text: str) -> None:
        """Take every URL in what the user wrote, with and without the stop behind it."""
        for found in _IN_TEXT.findall(text):
            self.add(found)
            self.add(found.rstrip(".,;:!?)]}*_"))

    def add_site(self, host: str) -> None:
        self._sites.add(host.lower())

    def has(self, url: httpx.URL) -> bool:
        host = url.raw_host.decode("ascii").lower()
        return (
            _key(url) in self._keys
            or self._policy.is_local(host, port_of(url))
            or any(fnmatch.fnmatchcase(host, site) for site in self._sites)
        )


def _key(url: httpx.URL) -> str:
    """What two spellings of a URL have in common; http and https are one."""
    port = "" if port_of(url) in (80, 443) else f":{url.port}"
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    return f"{host}{port}{url.raw_path.decode('ascii').rstrip('/')}"


def secret_in(text: str) -> str:
    """What kind of secret is in the text; "" where none is."""
    from tools.secrets import contains_secret  # compiles its patterns

    return contains_secret(text)
