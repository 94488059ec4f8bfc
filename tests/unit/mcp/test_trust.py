"""Which servers start, and which of their tools are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.mcp.manager import Manager
from agent.mcp.names import tool_names
from agent.mcp.pins import Pins, ToolDeclaration
from agent.mcp.settings import Configured
from agent.messages import ToolCall
from tests.mcp_servers_used_in_tests.use import around, context, folders, managing, written
from tools.base import ToolResult


async def use(manager: Manager, base: Path, name: str, **arguments: Any) -> ToolResult:
    tool = manager.tool(name)
    assert tool is not None
    call = ToolCall("1", name, arguments)
    result: ToolResult = await tool.run(
        tool.arguments.model_validate(call.arguments), context(base)
    )
    return result


def pin(base: Path, server: Configured, *tools: ToolDeclaration) -> None:
    Pins(folders(base), base).put(server, list(tools))


ECHO = ToolDeclaration(
    "echo", "Say it again.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)  # fmt: skip


async def test_a_project_server_that_nobody_approved_is_not_started(tmp_path: Path) -> None:
    mark = tmp_path / "was-started"
    told: list[str] = []
    servers = [written("theirs", "exit-once", str(mark), source="project")]
    async with managing(servers, around(tmp_path, notice=told.append)) as manager:
        await manager.settle()
        assert manager.names == []
        assert manager.findable() == {}
    assert not mark.exists()
    [line] = told
    assert "the project's MCP server theirs is not started" in line
    pin(tmp_path, servers[0], ECHO)
    async with managing(servers, around(tmp_path)) as manager:
        await manager.settle()
        assert mark.exists(), "and this is what an approval lets it do"


async def test_an_approval_is_of_these_words_only(tmp_path: Path) -> None:
    pin(tmp_path, written("theirs", "good", source="project"), ECHO)
    for other in (
        written("theirs", "old", source="project"),
        written("theirs", "good", source="project", env={"A": "b"}),
    ):
        assert Manager([other], around(tmp_path)).names == []
    same = written("theirs", "good", source="project", timeout=5)
    assert Manager([same], around(tmp_path)).names == ["theirs"]


async def test_of_a_project_server_only_approved_tools_are_used(tmp_path: Path) -> None:
    told: list[str] = []
    server = written("theirs", "good", source="project")
    pin(tmp_path, server, ECHO)
    async with managing([server], around(tmp_path, notice=told.append)) as manager:
        await manager.settle()
        assert list(manager.findable()) == ["theirs__echo"]
        assert (await use(manager, tmp_path, "theirs__echo", text="x")).ok
    assert told == [
        "MCP server theirs: other changed or new since it was approved, and not used: look with "
        "`agent mcp get theirs`, then `agent mcp approve theirs`"
    ]


async def test_a_tool_that_changed_is_not_used_until_it_is_approved(tmp_path: Path) -> None:
    told: list[str] = []
    server = written("mine", "good")
    changed = ToolDeclaration("echo", "Say it once.", ECHO.schema)
    pin(tmp_path, server, changed)
    async with managing([server], around(tmp_path, notice=told.append)) as manager:
        tool = manager.tool("mine__echo")
        assert tool is not None
        await manager.settle()
        assert list(manager.findable()) == ["mine__other"]
        result = await tool.run(tool.arguments.model_validate({"text": "x"}), context(tmp_path))
        assert not result.ok
        assert "is another tool now than the one that was approved" in result.text
    assert "echo changed or new since it was approved" in told[0]
    pin(tmp_path, server, ECHO)
    async with managing([server], around(tmp_path)) as manager:
        assert (await use(manager, tmp_path, "mine__echo", text="x")).ok


async def test_tools_that_change_in_mid_call(tmp_path: Path) -> None:
    told: list[str] = []
    async with managing([written("mine", "changing")], around(tmp_path, notice=told.append)) as one:
        await one.settle()
        tool = one.tool("mine__echo")
        assert tool is not None
        given = tool.arguments.model_validate({"text": "x"})
        assert (await tool.run(given, context(tmp_path))).text == 'echo {"text": "x"}'
        while not told:  # the new list is read in the background
            assert (await use(one, tmp_path, "mine__other")).ok
        again = await tool.run(given, context(tmp_path))
        assert "is another tool now" in again.text
        assert "mine__echo" not in one.findable()


async def test_a_broken_pin_is_no_approval(tmp_path: Path) -> None:
    server = written("theirs", "good", source="project")
    pin(tmp_path, server, ECHO)
    [file] = (tmp_path / "state/mcp/pins").iterdir()
    for text in ("{", "[]", '{"config": 5}', '{"tools": {"a": 1}}', '{"tools": 5}'):
        file.write_text(text)
        assert Manager([server], around(tmp_path)).names == []


async def test_a_server_that_is_disabled_or_broken_is_left_out(tmp_path: Path) -> None:
    servers = [
        written("off", "good", disabled=True),
        Configured("odd", {}, "user", "the entry is no object"),
    ]
    assert Manager(servers, around(tmp_path)).names == []


async def test_a_variable_that_is_not_set(tmp_path: Path) -> None:
    told: list[str] = []
    server = written("mine", "good", env={"A": "${NO_SUCH_VARIABLE}"})
    pin(tmp_path, server, ECHO)
    async with managing([server], around(tmp_path, notice=told.append)) as manager:
        result = await use(manager, tmp_path, "mine__echo", text="x")
    assert result.text == "MCP server mine: the variable NO_SUCH_VARIABLE is not set"
    assert told == [result.text]


async def test_closing_at_once(tmp_path: Path) -> None:
    async with managing([written("mine", "good")], around(tmp_path)):
        pass


def test_names_are_plain_and_the_first_stands() -> None:
    assert tool_names("s", ["a/b", "a_b", "x y", "", "ok.v-2"]) == {
        "s__a_b": "a/b", "s__x_y": "x y", "s__ok.v-2": "ok.v-2",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["echo", "mine_echo", "other__echo"])
async def test_only_whole_names_are_known(tmp_path: Path, name: str) -> None:
    async with managing([written("mine", "good")], around(tmp_path)) as manager:
        await manager.settle()
        assert manager.tool(name) is None
