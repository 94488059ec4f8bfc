"""`agent index`, `agent search` and `agent mcp serve code-search`, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

Agent = Callable[..., "subprocess.CompletedProcess[str]"]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of an empty home."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
    return {**kept, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop/cart.py").write_text(
        "class Cart:\n    def total_price(self):\n        '''All of it.'''\n        return 1\n"
    )
    (folder / "guide.md").write_text("# Guide\n\n## Refunds\n\nBy giraffe.\x1b[31m\n")
    return folder


@pytest.fixture
def agent(environment: dict[str, str], project: Path) -> Agent:
    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agent.cli.main", *arguments],
            cwd=project, env=environment, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call


def test_search_indexes_by_itself_and_prints_places(agent: Agent) -> None:
    done = agent("search", "total price", "-n", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(agent("search", "giraffe cart", "-n", "1").stdout.split("\n")) <= 4
    assert len(agent("search", "giraffe cart").stdout.split("\n")) > 4
    assert done.stdout.split("\n")[:2] == [
        "shop/cart.py:2-4 Cart: def total_price(self)", "    All of it.",
    ]  # fmt: skip


def test_results_are_json_lines_when_asked(agent: Agent) -> None:
    done = agent("search", "--json", "giraffe")
    first = json.loads(done.stdout.split("\n")[0])
    assert (first["path"], first["name"], first["first_line"]) == (
        "guide.md", "Guide > Refunds", 3,
    )  # fmt: skip


def test_a_whole_report_comes_from_stdin(agent: Agent) -> None:
    done = agent("search", "-", "-n", "1", stdin="It is wrong\n\nThe `total_price` is 1.\n")
    assert done.stdout.startswith("shop/cart.py:2-4")


def test_index_says_what_it_did(agent: Agent, project: Path) -> None:
    assert agent("index").stdout.startswith("2 files indexed in ")
    (project / "new.py").write_text("def walrus(): pass\n")
    assert json.loads(agent("index", "--json").stdout)["files"] == 3
    assert sorted(path.name for path in project.iterdir()) == ["guide.md", "new.py", "shop"]


def test_errors_are_one_line(agent: Agent) -> None:
    for arguments, code, text in [
        (("search", ""), 1, "the query is empty"),
        (("search", "x", "-d", "none"), 2, "none is not a folder"),
        (("index", "-d", "none"), 2, "none is not a folder"),
        (("search",), 2, "Missing argument"),
    ]:
        done = agent(*arguments)
        assert done.returncode == code
        assert done.stderr.startswith("agent: error: ") and done.stderr.count("\n") == 1
        assert text in done.stderr and "defect" not in done.stderr
    done = agent("search", "nothing_of_the_kind")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing matches" in done.stderr


async def test_any_client_can_use_the_server(environment: dict[str, str], project: Path) -> None:
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "agent.cli.main", "mcp", "serve", "code-search", "-d", str(project)],
        env=environment,
    )
    async with Client(command) as client:
        result = await client.call_tool("search", {"query": "total price"})
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert content.text.startswith("shop/cart.py:2-4")
