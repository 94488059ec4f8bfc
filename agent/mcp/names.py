"""Names by which the model calls the tools of servers: ``server__tool``."""

from __future__ import annotations

import re
from collections.abc import Iterable

SERVER = re.compile(r"[a-z0-9](?:[a-z0-9-]|_(?!_)){0,30}", re.IGNORECASE)
LONGEST_TOOL = 96
BETWEEN = "__"


def is_server_name(name: str) -> bool:
    """Letters, digits, - and single _, none at the end: what comes before ``__`` is the server."""
    return SERVER.fullmatch(name) is not None and not name.endswith("_")


def tool_names(server: str, tools: Iterable[str]) -> dict[str, str]:
    """The server's own name of each tool, by the name that the model uses.

    Other characters than letters, digits, _ . - become _; of two tools whose names become the same
    only the first can be called.
    """
    found: dict[str, str] = {}
    for tool in tools:
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", tool)[:LONGEST_TOOL]
        if plain:
            found.setdefault(f"{server}{BETWEEN}{plain}", tool)
    return found
