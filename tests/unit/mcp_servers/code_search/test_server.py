"""The server as a process of its own, driven by the official client over stdio."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import CallToolResult, TextContent, TextResourceContents

from tests.unit.mcp_servers.code_search.conftest import Write

MODES = ["auto", "legacy"]  # the protocol of 2026-07-28, and those with a handshake
CART = "class Cart:\n    def add(self, item):\n        '''Put it in.'''\n        self.x = item\n"


@pytest.fixture
def connect(root: Path, tmp_path: Path, write: Write) -> Callable[..., Client]:
    write({"shop/cart.py": CART, "use.py": "import shop.cart\nshop.cart.Cart().add(1)\n",
           "docs/a#b 100%25.md": "# Guide\n\n## To pay & go\n\nBy giraffe.\n"})  # fmt: skip

    def client(mode: str = "auto", **environment: str) -> Client:
        command = StdioServerParameters(
            command=sys.executable,
            args=["-m", "mcp_servers.code_search", str(root)],
            env={"XDG_CACHE_HOME": str(tmp_path / "cache"), **environment},
        )
        return Client(command, mode=mode)

    return client


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def read(client: Client, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


@pytest.mark.parametrize("mode", MODES)
async def test_the_tools_answer(connect: Callable[..., Client], mode: str) -> None:
    async with connect(mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"search", "definition", "references", "outline"}
        found = await client.call_tool("search", {"query": "put into the cart", "limit": 1})
        assert text(found).split("\n")[:2] == [
            "shop/cart.py:2-4 Cart: def add(self, item)", "    Put it in.",
        ]  # fmt: skip
        assert found.structured_content
        (result,) = found.structured_content["results"]
        assert (result["path"], result["first_line"], result["name"]) == (
            "shop/cart.py", 2, "Cart.add",
        )  # fmt: skip
        shown = await client.call_tool("definition", {"name": "Cart.add"})
        assert text(shown) == "\n".join(["shop/cart.py:2-4", *CART.split("\n")[1:4]])
        uses = await client.call_tool("references", {"name": "Cart"})
        assert text(uses) == "use.py:2 shop.cart.Cart().add(1)"
        assert "def add(self, item)" in text(await client.call_tool("outline", {}))
        assert "2 def add(self, item)" in text(
            await client.call_tool("outline", {"path": "shop/cart.py"})
        )


@pytest.mark.parametrize("mode", MODES)
async def test_a_result_can_be_read_as_a_resource(
    connect: Callable[..., Client], mode: str
) -> None:
    async with connect(mode) as client:
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "code://{+path}#{name}"
        assert await read(client, "code://shop/cart.py#Cart.add") == CART.partition("\n")[2].strip(
            "\n"
        )
        found = await client.call_tool("search", {"query": "giraffe", "limit": 1})
        assert found.structured_content
        uri = found.structured_content["results"][0]["uri"]
        assert (await read(client, uri)).startswith("## To pay & go")
        for wrong in (
            "code://shop/cart.py#Nothing",
            "code://../../etc/passwd#root",
            "code:///etc#x",
        ):
            with pytest.raises(MCPError):
                await read(client, wrong)


async def test_files_that_change_are_seen_by_the_next_call(
    connect: Callable[..., Client], write: Write
) -> None:
    async with connect() as client:
        assert "nothing matches" in text(await client.call_tool("search", {"query": "walrus"}))
        write({"new.py": "def walrus():\n    pass\n"})
        assert "new.py:1" in text(await client.call_tool("search", {"query": "walrus"}))
        write({"new.py": "\n\ndef walrus():\n    pass\n"})
        assert "new.py:3" in text(await client.call_tool("definition", {"name": "walrus"}))


async def test_what_cannot_be_answered_is_an_error_result_and_the_next_call_works(
    connect: Callable[..., Client],
) -> None:
    async with connect() as client:
        for tool, arguments in [
            ("search", {"query": " "}), ("search", {"query": "x", "limit": 0}),
            ("definition", {"name": "nothing"}), ("references", {"name": "nothing"}),
            ("outline", {"path": "none.py"}),
        ]:  # fmt: skip
            assert (await client.call_tool(tool, arguments)).is_error
        assert not (await client.call_tool("outline", {})).is_error


async def test_a_missing_embedding_model_is_named(connect: Callable[..., Client]) -> None:
    async with connect(INGLE_EMBEDDING_MODEL="/nowhere/model.gguf") as client:
        result = await client.call_tool("search", {"query": "cart"})
        assert result.is_error
        assert "INGLE_EMBEDDING_MODEL: /nowhere/model.gguf is not a file" in text(result)


def test_a_root_that_is_no_folder_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_servers.code_search", str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'none'} is not a folder\n"
