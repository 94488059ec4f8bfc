"""`python -m mcp_servers.web`: the server on stdin and stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stdin ends; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mcp_servers.web",
        description="Web search and fetch for an MCP client, on stdin and stdout.",
    )
    parser.add_argument(
        "--allow", metavar="HOST", action="append", default=[],
        help="fetch from this host (such as *.readthedocs.io) without a question",
    )  # fmt: skip
    given = parser.parse_args(arguments)

    from mcp_servers.web.server import web_server
    from mcp_servers.web.session import WebSession
    from mcp_servers.web.settings import from_env

    try:
        settings = from_env()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    sites = (*settings.sites, *(host.lower() for host in given.allow))
    web_server(WebSession(replace(settings, sites=sites))).run("stdio")
    return 0


if __name__ == "__main__":
    sys.exit(main())
