"""Settings of the web server as values, from the environment of its process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcp_servers.web.addresses import Policy, parse_local


@dataclass(frozen=True)
class Limits:
    """Bounds of one fetch. Sizes are in bytes, times in seconds, `window` in characters.

    `raw` is what comes over the network, `decoded` what it unpacks to, `text` the characters that
    are kept of a page; `extract_cpu_s` is the time of the process that reads it.
    """

    raw: int = 10 * 2**20
    decoded: int = 20 * 2**20
    text: int = 1_000_000
    connect_s: float = 10.0
    read_s: float = 15.0
    total_s: float = 30.0
    extract_cpu_s: float = 15.0
    extract_s: float = 60.0
    pdf_pages: int = 200
    window: int = 8_000


@dataclass(frozen=True)
class Settings:
    """Which provider searches, what may be fetched without a question, where pages are kept.

    `sites` are host patterns (`docs.python.org`, `*.readthedocs.io`). Without a `cache` folder
    nothing is kept.
    """

    searxng_url: str = ""
    brave_key: str = ""
    offline: bool = False
    sites: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    cache: Path | None = None
    limits: Limits = field(default_factory=Limits)


def from_env(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the variables describe; docs/web.md lists them.

    Raises:
        ValueError: a variable cannot be understood; the text names it.
    """
    try:
        local = parse_local(environment.get("INGLE_WEB_LOCAL", ""))
    except ValueError as error:
        raise ValueError(f"INGLE_WEB_LOCAL: {error}") from error
    searxng = environment.get("INGLE_SEARXNG_URL", "").strip().rstrip("/")
    if searxng and not searxng.startswith(("http://", "https://")):
        raise ValueError("INGLE_SEARXNG_URL: write an address such as http://localhost:8888")
    sites = environment.get("INGLE_WEB_ALLOW", "").split(",")
    return Settings(
        searxng_url=searxng,
        brave_key=environment.get("INGLE_BRAVE_KEY", "").strip(),
        offline=environment.get("INGLE_OFFLINE", "").lower() not in ("", "0", "false", "no"),
        sites=tuple(site.strip().lower() for site in sites if site.strip()),
        policy=Policy(local),
        cache=_cache_folder(environment),
    )


def _cache_folder(environment: Mapping[str, str]) -> Path | None:
    base = environment.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "ingle" / "web"
    try:
        return Path.home() / ".cache" / "ingle" / "web"
    except RuntimeError:
        return None
