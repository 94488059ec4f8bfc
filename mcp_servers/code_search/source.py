"""The text of chunks, read from the files as they are."""

from __future__ import annotations

from pathlib import Path

from mcp_servers.code_search.documents import LARGEST_TEXT
from mcp_servers.code_search.store import Row
from tools.code.walk import File, read
from tools.text import split_lines


def lines_of(root: Path, path: str) -> list[str]:
    """The lines of a file of the project; none when it is gone."""
    data = read(root, File(path, 0, 0, ""), LARGEST_TEXT)
    return split_lines(data.decode("utf-8", "replace")) if data is not None else []


def source_of(root: Path, row: Row) -> str:
    """The text of a chunk; of a page of a PDF its beginning."""
    if row.kind == "page":
        return row.docstring
    return "\n".join(lines_of(root, row.path)[row.first_line - 1 : row.last_line])
