"""Results as text for a model and for people: few lines each."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from mcp_servers.code_search.service import Definitions, Found, Use
from mcp_servers.code_search.store import Row

LONGEST = 160  # characters of a line
MOST_SOURCE = 60  # lines of a definition


def place(row: Row) -> str:
    """``src/cart.py:12-30``; of a PDF its page."""
    if row.kind == "page":
        return f"{row.path} page {row.first_line}"
    last = f"-{row.last_line}" if row.last_line > row.first_line else ""
    return f"{row.path}:{row.first_line}{last}"


def uri(row: Row) -> str:
    """The resource of a chunk."""
    return f"code://{quote(row.path)}#{quote(row.qualified)}"


def about(row: Row) -> str:
    """What it is, in a line: its signature with its type, or its title."""
    owner = row.qualified.rpartition(".")[0] if row.kind == "method" else ""
    text = row.signature or ("" if row.kind == "file" else row.qualified)
    return _short(f"{owner}: {text}" if owner else text or "(outside of definitions)")


def summary(row: Row) -> str:
    """The first line of what is written about it."""
    if row.kind == "heading":
        return ""
    return _short(row.docstring.strip().partition("\n")[0])


def show_found(query: str, found: Found) -> str:
    """``path:line signature``, the docstring's first line, why it was found."""
    if not found.hits:
        return _noted([f"nothing matches {_short(query)!r}: try other words"], found.note)
    lines = []
    for hit in found.hits:
        lines.append(f"{place(hit.row)} {about(hit.row)}")
        if text := summary(hit.row):
            lines.append(f"    {text}")
        lines.append(f"    [{_short('; '.join(hit.why))}]")
    return _noted(lines, found.note)


def show_definitions(found: Definitions) -> str:
    """The text of the first one, the places of the others."""
    first, *others = found.rows
    source = found.source.split("\n")
    lines = [place(first), *source[:MOST_SOURCE]]
    if len(source) > MOST_SOURCE:
        lines.append(f"[{len(source) - MOST_SOURCE} more lines]")
    if others:
        lines += ["also defined:", *(f"{place(row)} {about(row)}" for row in others)]
    return _noted(lines, found.note)


def show_uses(uses: Sequence[Use], more_files: int) -> str:
    """``path:line inside: text``."""
    lines = [
        _short(f"{use.path}:{use.line} {f'{use.inside}: ' if use.inside else ''}{use.text}")
        for use in uses
    ]
    return _noted(lines, f"{more_files} more files use it" if more_files else "")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _noted(lines: list[str], note: str) -> str:
    return "\n".join([*lines, *([f"[{note}]"] if note else [])])
