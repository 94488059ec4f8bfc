"""Resources and prompts by name, and which calls need no question."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from agent.errors import UsageError
from agent.mcp.contents import PromptInfo, prompt, prompts, resource
from agent.mcp.manager import Manager
from agent.mcp.settings import Configured
from tests.mcp_servers_used_in_tests.use import PLAIN, around, managing, written

SERVER = Configured("plain", {"command": sys.executable, "args": [PLAIN]})


async def test_resources_and_prompts(tmp_path: Path) -> None:
    async with managing([SERVER], around(tmp_path)) as manager:
        await manager.settle()
        text = await resource(manager, "plain:notes://today")
        assert text == "[resource notes://today]\nBuy milk."
        [connection] = manager.ready()
        await connection.prompts()  # asked behind the list that is kept
        assert prompts(manager) == [PromptInfo("plain", "review", "Review code.", ("language*",))]
        text = await prompt(manager, "plain", "review", {"language": "C"})
        assert text == "Review this C code."


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("none:x://y", "there is no MCP server 'none'; `agent mcp list` shows them"),
        ("plain:notes://none", "@plain:notes://none cannot be read: "),
        ("gone:x://y", "the database is locked"),
    ],
)
async def test_what_cannot_be_read(tmp_path: Path, reference: str, said: str) -> None:
    servers = [SERVER, written("gone", "exit")]
    async with managing(servers, around(tmp_path)) as manager:
        with pytest.raises(UsageError) as caught:
            await resource(manager, reference)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("allow", "source", "rules"),
    [
        (True, "user", ("s__*",)),
        (["echo", "a/b"], "user", ("s__echo", "s__a_b")),
        (False, "user", ()),
        ([], "user", ()),
        (True, "project", ()),
    ],
)
def test_calls_without_a_question(
    tmp_path: Path, allow: Any, source: Any, rules: tuple[str, ...]
) -> None:
    server = written("s", "good", source=source, allow=allow)
    manager = Manager([server], around(tmp_path))
    manager.pins.put(server, [])
    assert Manager([server], around(tmp_path)).allowed() == rules
