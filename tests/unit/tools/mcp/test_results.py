"""Results as text, and what goes both ways while a tool runs: the official SDK's own server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import mcp_types
import pytest

from agent.mcp.connect import run_tool
from tests.mcp_servers_used_in_tests.use import PLAIN, around, context, using
from tests.mcp_servers_used_in_tests.web import serving
from tools.mcp.connection import Connection
from tools.mcp.entry import HttpEntry, StdioEntry
from tools.mcp.results import prompt_text, resource_text, result_text

ENTRY = StdioEntry("plain", sys.executable, (PLAIN,))


async def run(made: Connection, base: Path, tool: str, **arguments: Any) -> Any:
    return await run_tool(made, tool, arguments, context(base), blocked=lambda: "",
                          progress=lambda *_: None)  # fmt: skip


async def test_every_kind_of_result(tmp_path: Path) -> None:
    async with using(ENTRY, around(tmp_path)) as made:
        assert (await run(made, tmp_path, "add", a=1, b=2)).text == "3"
        assert (await run(made, tmp_path, "picture")).text == "[image png 12 KB]"
        weather = await run(made, tmp_path, "weather", city="Bern")
        assert weather.text.count("21.5") == 1, "structured content is not said twice"
        failed = await run(made, tmp_path, "fail")
        assert (failed.ok, failed.text) == (False, "Error executing tool fail")
        assert made.instructions == "Add before you multiply."
        [note] = await made.resources()
        found = await made.read_resource(str(note.uri))
        assert resource_text(found.contents[0]) == "[resource notes://today]\nBuy milk."
        assert [prompt.name for prompt in await made.prompts()] == ["review"]
        prompt = await made.prompt("review", {"language": "C"})
        assert prompt_text(prompt) == "Review this C code."


async def test_progress_is_told(tmp_path: Path) -> None:
    told: list[Any] = []
    async with using(ENTRY, around(tmp_path)) as made:
        result = await run_tool(
            made, "slow", {"steps": 3}, context(tmp_path),
            blocked=lambda: "", progress=lambda *step: told.append(step),
        )  # fmt: skip
        assert result.text == "done"
    assert told == [("plain", n, 3.0, f"step {n}") for n in (1, 2, 3)]


async def test_cancelling_a_call_cancels_it_on_the_server(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with using(ENTRY, around(tmp_path)) as made:
        await made.ready()
        call = asyncio.create_task(made.call("forever", {"marker": str(mark)}))
        # It is answered in order: when the second call is back, the first one runs.
        await made.call("add", {"a": 1, "b": 1})
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while not mark.exists():
            await made.call("add", {"a": 1, "b": 1})
        assert mark.read_text() == "cancelled"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(None, "decline"), ({}, "accepted blue"), ({"colour": "red"}, "accepted red")],
)
async def test_a_server_asks_a_person(tmp_path: Path, answer: Any, said: str) -> None:
    asked: list[Any] = []

    async def elicit(server: str, message: str, schema: dict[str, Any]) -> Any:
        asked.append((server, message, list(schema["properties"])))
        return answer

    async with using(ENTRY, around(tmp_path, elicit=elicit)) as made:
        assert (await run(made, tmp_path, "ask")).text == said
    assert asked == [("plain", "Which colour?", ["colour"])]


async def test_where_nobody_is_there_a_question_is_declined(tmp_path: Path) -> None:
    async with using(ENTRY, around(tmp_path)) as made:
        assert (await run(made, tmp_path, "ask")).text == "decline"


async def test_over_http(tmp_path: Path) -> None:
    with serving() as url:
        async with using(HttpEntry("web", url), around(tmp_path)) as made:
            assert (await run(made, tmp_path, "add", a=1, b=2)).text == "3"


def result(*content: Any, structured: Any = None) -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(content=list(content), structured_content=structured)


def text(value: str) -> mcp_types.TextContent:
    return mcp_types.TextContent(type="text", text=value)


def blob(uri: str) -> mcp_types.EmbeddedResource:
    contents = mcp_types.BlobResourceContents(uri=uri, mime_type="application/pdf", blob="AAAA")
    return mcp_types.EmbeddedResource(type="resource", resource=contents)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (result(), "(no content)"),
        (result(structured={"a": "é"}), '{"a": "é"}'),
        (result(text("three"), structured={"n": 3}), 'three\n{"n": 3}'),
        (result(text('{"n": 3}'), structured={"n": 3}), '{"n": 3}'),
        (result(text("a"), text("b"), structured={"result": ["a", "b"]}), "a\nb"),
        (
            result(mcp_types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav")),
            "[audio wav 3 bytes]",
        ),
        (result(blob("file:///x.pdf")), "[resource file:///x.pdf: blob application/pdf 3 bytes]"),
        (
            result(mcp_types.ResourceLink(type="resource_link", name="n", uri="a://b")),
            "[resource a://b: n]",
        ),
    ],
)
def test_content_as_text(given: mcp_types.CallToolResult, said: str) -> None:
    assert result_text(given) == said
