"""Lists that come in pages, all of them with an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types
from mcp import Client

MOST_PAGES = 200
MOST_ITEMS = 2_000


async def all_tools(client: Client) -> list[mcp_types.Tool]:
    """The tools of a server; of two with one name the first."""
    found: list[mcp_types.Tool] = await all_pages(client.list_tools, "tools")
    return list({tool.name: tool for tool in reversed(found)}.values())[::-1]


async def all_pages(ask: Callable[..., Awaitable[Any]], field: str) -> list[Any]:
    """The items of all pages, at most :data:`MOST_ITEMS`; a cursor that comes again ends it."""
    items: list[Any] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await ask(cursor=cursor)
        items += getattr(page, field)
        cursor = page.next_cursor
        if cursor is None or cursor in seen or len(items) >= MOST_ITEMS:
            break
        seen.add(cursor)
    return items[:MOST_ITEMS]


def with_defaults(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A person's answer to a form, with the form's own defaults where it says nothing."""
    declared = schema.get("properties", {})
    defaults = {
        name: field["default"]
        for name, field in declared.items()
        if isinstance(field, dict) and "default" in field
    }
    return {**defaults, **answer}
