"""Servers that break, each in its own way: a clear word, nothing left over, the session goes on."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError

from agent.mcp.connect import connection, run_tool
from tests.mcp_servers_used_in_tests.use import around, context, raw, using
from tools.mcp.connection import Connection
from tools.mcp.process import marked
from tools.mcp.reasons import Unavailable


async def called(made: Connection, base: Path, tool: str = "echo", **arguments: Any) -> Any:
    return await run_tool(
        made, tool, arguments or {"text": "hi"}, context(base),
        blocked=lambda: "", progress=lambda *_: None,
    )  # fmt: skip


async def test_a_server_that_works(tmp_path: Path) -> None:
    async with using(raw("good", "good"), around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert (result.ok, result.text) == (True, 'echo {"text": "hi"}')
        assert made.version == "2025-11-25"
        assert made.instructions == "These are notes of good."


async def test_a_server_that_exits_at_start(tmp_path: Path) -> None:
    async with using(raw("bad", "exit"), around(tmp_path)) as made:
        with pytest.raises(Unavailable, match="it said: the database is locked"):
            await made.ready()
        result = await called(made, tmp_path)
        assert not result.ok
        assert result.text.startswith("the server bad cannot be used: ")
        assert "the database is locked" in result.text
    assert "the database is locked" in (tmp_path / "state/mcp/logs/bad.log").read_text()


async def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    entry = raw("none", "good")
    entry = type(entry)("none", "no-such-command-here")
    async with using(entry, around(tmp_path)) as made:
        with pytest.raises(Unavailable, match="there is no 'no-such-command-here' here"):
            await made.ready()


async def test_a_server_that_never_answers(tmp_path: Path) -> None:
    async with using(raw("mute", "never", start_s=0.3), around(tmp_path)) as made:
        with pytest.raises(Unavailable, match=r"it did not answer within 0\.3 s"):
            await made.ready()


async def test_a_call_that_is_never_answered(tmp_path: Path) -> None:
    async with using(raw("mute", "silent-call", call_s=0.3), around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert (result.ok, result.text) == (False, "the server mute did not answer within 0.3 s")
        assert made.state == "ready"


async def test_the_time_to_connect_ends_with_the_connection(tmp_path: Path) -> None:
    entry = raw("slow", "silent-call", start_s=3.0, call_s=3.5)
    async with using(entry, around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert result.text == "the server slow did not answer within 3.5 s"


async def test_a_server_that_answers_twice(tmp_path: Path) -> None:
    async with using(raw("twice", "twice"), around(tmp_path)) as made:
        for word in ("one", "two"):
            result = await called(made, tmp_path, text=word)
            assert result.text == f'echo {{"text": "{word}"}}'


async def test_300_mb_without_a_newline(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with using(raw("flood", "flood", "300"), around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert not result.ok
        assert "it sent a line of more than 32 MB" in result.text
        assert "it may have been done" in result.text
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150_000, "KiB; a line is never held much longer than its limit"


async def test_lines_of_garbage_have_an_end(tmp_path: Path) -> None:
    async with using(raw("noise", "garbage", "50"), around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert "it writes other things than messages to its output" in result.text


async def test_a_line_just_below_the_limit_arrives(tmp_path: Path) -> None:
    async with using(raw("big", "big", "20000000"), around(tmp_path)) as made:
        result = await made.call("echo", {"text": ""})
        assert len(result.content[0].text) == 20_000_000


async def test_banners_on_stdout_are_passed_over(tmp_path: Path) -> None:
    async with using(raw("banner", "banner"), around(tmp_path)) as made:
        assert (await called(made, tmp_path)).ok
        assert "[stdout] Welcome to the server!" in made.log.path.read_text()


@pytest.mark.parametrize("mode", ["utf8", "surrogate"])
async def test_bytes_that_are_no_text(tmp_path: Path, mode: str) -> None:
    async with using(raw("bytes", mode), around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert result.ok
        assert (result.text[0], result.text[-1]) == ("A", "B")
        result.text.encode()


async def test_a_result_that_is_none(tmp_path: Path) -> None:
    async with using(raw("odd", "broken-result"), around(tmp_path)) as made:
        result = await called(made, tmp_path)
        assert not result.ok
        assert "sent a result that breaks its own rules" in result.text
        assert made.state == "ready"


async def test_a_server_that_dies_in_a_call_is_there_for_the_next(tmp_path: Path) -> None:
    async with using(raw("mortal", "dies"), around(tmp_path)) as made:
        first = await called(made, tmp_path)
        assert not first.ok
        assert "the connection was lost during the request" in first.text
        assert "it may have been done" in first.text
        await made.ready()
        assert [tool.name for tool in made.tools] == ["echo", "other"]


async def test_it_is_connected_again_by_itself(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    async with using(raw("shy", "exit-once", str(mark)), around(tmp_path)) as made:
        with pytest.raises(Unavailable):
            await made.ready()
        await made.ready()
        assert (await called(made, tmp_path)).ok


async def test_pages_without_an_end(tmp_path: Path) -> None:
    async with using(raw("endless", "endless"), around(tmp_path)) as made:
        await made.ready()
        assert [tool.name for tool in made.tools] == ["echo", "other"]


async def test_old_and_unknown_versions(tmp_path: Path) -> None:
    async with using(raw("old", "old"), around(tmp_path)) as made:
        await made.ready()
        assert made.version == "2024-11-05"
        assert (await called(made, tmp_path)).ok
    async with using(raw("future", "future"), around(tmp_path)) as made:
        with pytest.raises(Unavailable, match="2099-01-01"):
            await made.ready()


async def test_no_process_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[str] = []

    class Known:
        hex = "mark-of-this-test"

    monkeypatch.setattr("tools.mcp.process.uuid.uuid4", Known)
    marks.append(Known.hex)
    made = connection(raw("parent", "children"), around(tmp_path), lambda: None)
    await made.ready()
    while len(marked(Known.hex)) < 3:  # noqa: ASYNC110 - the server and its children, once alive
        await asyncio.sleep(0)
    await made.close()
    assert marked(Known.hex) == []


async def test_an_error_of_the_server(tmp_path: Path) -> None:
    async with using(raw("good", "good"), around(tmp_path)) as made:
        with pytest.raises(MCPError):
            await made.prompt("nothing", {})
        assert (await called(made, tmp_path)).ok
