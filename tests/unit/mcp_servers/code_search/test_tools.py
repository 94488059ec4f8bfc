"""The same search as tools inside the agent's process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcp_servers.code_search.service import CodeSearch
from mcp_servers.code_search.tools import CodeTools, NameArguments, SearchArguments
from tests.unit.mcp_servers.code_search.conftest import Write
from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.workspace import Workspace


@pytest.fixture
def context(root: Path) -> ToolContext:
    return ToolContext(Workspace(root), Off(), OutputStore(None, 1_000))


@pytest.fixture
def code(cache: Path) -> CodeTools:
    return CodeTools(open_search=lambda root: CodeSearch(root, cache))


async def test_the_workspace_is_searched(
    code: CodeTools, context: ToolContext, write: Write
) -> None:
    write({"a.py": "def walrus(x):\n    '''Big.'''\n", "b.py": "from a import walrus\nwalrus(1)\n"})
    search, definition, references = code.tools()
    found = await search.run(SearchArguments(query="walrus"), context)
    assert found.ok and found.text.startswith("a.py:1-2 def walrus(x)\n    Big.\n")
    shown = await definition.run(NameArguments(name="walrus"), context)
    assert shown.text == "a.py:1-2\ndef walrus(x):\n    '''Big.'''"
    used = await references.run(NameArguments(name="walrus"), context)
    assert used.text.split("\n") == ["b.py:1 from a import walrus", "b.py:2 walrus(1)"]


async def test_failures_are_results(code: CodeTools, context: ToolContext) -> None:
    search, definition, _ = code.tools()
    assert not (await search.run(SearchArguments(query=""), context)).ok
    missing = await definition.run(NameArguments(name="nothing"), context)
    assert not missing.ok and "'nothing'" in missing.text


async def test_a_long_definition_is_cut(
    code: CodeTools, context: ToolContext, write: Write
) -> None:
    body = "".join(f"    line_{n} = {n}  # {'x' * 80}\n" for n in range(200))
    write({"a.py": f"def walrus():\n{body}"})
    shown = await code.tools()[1].run(NameArguments(name="walrus"), context)
    assert shown.ok and len(shown.text) < 1_500


async def test_a_given_root_is_searched_instead_of_a_copy(
    cache: Path, root: Path, tmp_path: Path, write: Write
) -> None:
    write({"a.py": "def walrus():\n    pass\n"})
    copy = tmp_path / "copy"
    copy.mkdir()
    code = CodeTools(root, lambda root: CodeSearch(root, cache))
    context = ToolContext(Workspace(copy), Off(), OutputStore(None, 1_000))
    found = await code.tools()[0].run(SearchArguments(query="walrus"), context)
    assert found.text.startswith("a.py:1")


def test_nothing_heavy_is_imported_before_a_call() -> None:
    program = (
        "import sys; from mcp_servers.code_search.tools import CodeTools; CodeTools().tools();"
        "print([n for n in ('sqlite3', 'tree_sitter', 'numpy', 'mcp', 'llama_cpp', 'pypdf')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
