"""`python -m mcp_servers.code_search [ROOT]`: the server on stdin and stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stdin ends; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mcp_servers.code_search",
        description="Search in a project for an MCP client, on stdin and stdout.",
    )
    parser.add_argument("root", nargs="?", type=Path, default=Path(), help="the project's folder")
    root: Path = parser.parse_args(arguments).root
    if not root.is_dir():
        print(f"error: {root} is not a folder", file=sys.stderr)
        return 2

    from mcp_servers.code_search.server import code_search_server

    code_search_server(root).run("stdio")
    return 0


if __name__ == "__main__":
    sys.exit(main())
