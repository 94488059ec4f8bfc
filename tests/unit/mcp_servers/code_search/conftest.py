"""Real folders, grammars, ripgrep, SQLite and child processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcp_servers.code_search.index import Index
from mcp_servers.code_search.service import CodeSearch

Write = Callable[[dict[str, str | bytes]], None]
Names = Callable[..., list[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder.resolve()


@pytest.fixture
def write(root: Path) -> Write:
    """Write files of the project: path -> text or bytes."""

    def to(files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return to


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def search(root: Path, cache: Path) -> CodeSearch:
    return CodeSearch(root, cache)


@pytest.fixture
def index(root: Path, cache: Path) -> Iterator[Index]:
    with Index(root, cache) as opened:
        yield opened


@pytest.fixture
def names(search: CodeSearch) -> Names:
    """The qualified names that a query finds, best first."""

    def found(query: str, limit: int = 10) -> list[str]:
        return [hit.row.qualified for hit in search.search(query, limit).hits]

    return found
