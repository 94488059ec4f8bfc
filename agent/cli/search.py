"""`agent search`: find code and documents of a project."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mcp_servers.code_search.ranking import Hit
    from mcp_servers.code_search.service import CodeSearch


@click.command("search")
@click.argument("query")
@click.option("-d", "--dir", "folder", type=click.Path(path_type=Path), default=Path(),
              help="The project's folder.")  # fmt: skip
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each result.")
def search(query: str, folder: Path, limit: int, as_json: bool) -> None:
    """Find code and documents by words, names, an error message or a whole bug report.

    QUERY of "-" is read from stdin.
    """
    from agent.ui.escape import safe
    from mcp_servers.code_search.show import show_found

    if query == "-":
        query = sys.stdin.buffer.read().decode("utf-8", "replace")
    with open_search(folder) as project:
        found = project.search(query, limit)
    if as_json:
        for hit in found.hits:
            click.echo(json.dumps(_as_data(hit)))
        if found.note:
            click.echo(found.note, err=True)
        return
    click.echo(safe(show_found(query, found)), err=not found.hits)


@contextmanager
def open_search(folder: Path) -> Iterator[CodeSearch]:
    """The search of a folder, its errors as those of the command. Raises IngleError."""
    from agent.errors import IngleError
    from agent.job import open_workspace
    from mcp_servers.code_search.service import SearchError
    from mcp_servers.code_search.tools import from_env

    root = open_workspace(folder).root
    try:
        yield from_env(root)
    except SearchError as error:
        raise IngleError(str(error)) from error


def _as_data(hit: Hit) -> dict[str, object]:
    from mcp_servers.code_search.show import summary

    row = hit.row
    return {
        "path": row.path, "first_line": row.first_line, "last_line": row.last_line,
        "kind": row.kind, "name": row.qualified, "signature": row.signature,
        "summary": summary(row), "why": list(hit.why), "score": hit.score,
    }  # fmt: skip
