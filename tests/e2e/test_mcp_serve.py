"""ingle as an MCP server: the official client gives it tasks, over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from agent.engine.scripted import Line, ScriptedEngine
from agent.errors import ModelUnavailable
from agent.events import TurnEnded
from agent.serve import BUSY, Jobs, Machine, Terms, ingle_server
from agent.serve_http import serve_http
from agent.session import read_session

MODES = ["auto", "legacy"]
CHECK = "grep -q right answer.txt"


def call(tool: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': tool, 'arguments': arguments})}\n</tool_call>"


WRITE = call("write", path="answer.txt", content="right\n")


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


class Desk:
    """A served folder, and an engine that follows a script."""

    def __init__(self, tmp_path: Path):
        self.root = tmp_path / "project"
        self.root.mkdir()
        self.state = tmp_path / "state"
        self.engine = ScriptedEngine([])
        self.opened = 0

    def jobs(self, *lines: Line) -> Jobs:
        self.engine = ScriptedEngine(lines)

        def open_machine() -> Machine:
            self.opened += 1
            return Machine(self.engine, "a plan")

        return Jobs(open_machine, Terms((self.root.resolve(),), self.state, sandbox="off"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def connect(jobs: Jobs, mode: str = "auto") -> Client:
    return Client(ingle_server(jobs), mode=mode)


@pytest.mark.parametrize("mode", MODES)
async def test_a_task_is_done_and_what_it_did_comes_back(desk: Desk, mode: str) -> None:
    steps: list[tuple[float, str]] = []

    async def progress(done: float, _total: float | None, message: str | None) -> None:
        steps.append((done, message or ""))

    async with connect(desk.jobs(WRITE, "It is written."), mode) as client:
        result = await client.call_tool(
            "do", {"task": "write it", "check": CHECK}, progress_callback=progress
        )
    assert (desk.root / "answer.txt").read_text() == "right\n"
    done = result.structured_content
    assert done is not None and not result.is_error
    assert done["changed"] == ["answer.txt"]
    assert (done["exit_code"], done["stop"], done["check_passed"]) == (0, "check_passed", True)
    assert done["usage"]["generated"] > 0 and done["usage"]["prompt"] > 0
    assert "changed: answer.txt" in text(result) and "the check passes" in text(result)
    messages = [message for _, message in steps]
    assert "write answer.txt" in messages and "check passed" in messages
    assert [number for number, _ in steps] == sorted({number for number, _ in steps})
    (ended,) = (e for e in read_session(desk.state, done["session"]) if isinstance(e, TurnEnded))
    assert ended.exit_code == 0


async def test_a_task_that_fails_says_so(desk: Desk) -> None:
    async with connect(desk.jobs("I will not.", "No.", "No.", "No.")) as client:
        result = await client.call_tool("do", {"task": "write it", "check": CHECK})
    assert result.is_error and result.structured_content is not None
    assert result.structured_content["check_passed"] is False
    assert result.structured_content["exit_code"] != 0
    assert "the check fails" in text(result) and "not done" in text(result)


async def test_each_task_is_a_conversation_of_its_own_on_one_engine(desk: Desk) -> None:
    async with connect(desk.jobs("One.", "Two.")) as client:
        first = await client.call_tool("do", {"task": "say the word heliotrope"})
        second = await client.call_tool("do", {"task": "say two"})
    assert (text(first), text(second)) == ("One.\nchanged: nothing", "Two.\nchanged: nothing")
    assert desk.opened == 1
    assert "heliotrope" in desk.engine.asked[0].prompt
    assert "heliotrope" not in desk.engine.asked[1].prompt
    assert "say two" in desk.engine.asked[1].prompt


@pytest.mark.parametrize("mode", MODES)
async def test_limits_end_a_task(desk: Desk, mode: str) -> None:
    async def for_ever() -> AsyncIterator[str]:
        yield "thinking "
        await asyncio.Event().wait()

    async with connect(desk.jobs(lambda _prompt: for_ever(), "word " * 500), mode) as client:
        timed = await client.call_tool("do", {"task": "wait", "max_time_s": 0.3})
        long = await client.call_tool("do", {"task": "talk", "max_tokens": 20})
    assert timed.structured_content is not None and long.structured_content is not None
    assert (timed.structured_content["stop"], timed.structured_content["exit_code"]) == ("time", 55)
    assert long.structured_content["exit_code"] == 55
    assert long.structured_content["usage"]["generated"] <= 20


class Gate:
    """A model that has begun to speak and goes on when it is let."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    def __call__(self, _prompt: str) -> AsyncIterator[str]:
        async def speak() -> AsyncIterator[str]:
            yield "So "
            self.began.set()
            await self.goes_on.wait()
            yield "it goes."

        return speak()


@pytest.mark.parametrize("mode", MODES)
async def test_a_second_task_is_told_that_it_is_busy(desk: Desk, mode: str) -> None:
    gate = Gate()
    jobs = desk.jobs(gate, "Free again.")
    async with connect(jobs, mode) as one:
        first = asyncio.create_task(one.call_tool("do", {"task": "slow"}))
        await gate.began.wait()
        second = await one.call_tool("do", {"task": "other"})
        assert (text(second), second.is_error) == (BUSY, True)
        gate.goes_on.set()
        assert "So it goes." in text(await first)
        assert "Free again." in text(await one.call_tool("do", {"task": "third"}))


@pytest.mark.parametrize("mode", MODES)
async def test_a_cancelled_task_ends_in_order_and_the_next_one_runs(desk: Desk, mode: str) -> None:
    gate = Gate()
    jobs = desk.jobs(gate, "The next one.")
    async with connect(jobs, mode) as client:
        first = asyncio.create_task(client.call_tool("do", {"task": "slow"}))
        await gate.began.wait()
        first.cancel()
        await asyncio.wait([first])
        await jobs.idle()
        result = await client.call_tool("do", {"task": "next"})
    assert "The next one." in text(result)
    logs = [read_session(desk.state, path.name) for path in (desk.state / "sessions").iterdir()]
    stops = {event.stop for log in logs for event in log if isinstance(event, TurnEnded)}
    assert stops == {"interrupted", "answer"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": " "}, "empty"),
        ({"task": "a\0b"}, "NUL"),
        ({"task": "x", "folder": "/"}, "outside of what is served"),
        ({"task": "x", "folder": "../other"}, "outside of what is served"),
        ({"task": "x", "folder": "link"}, "outside of what is served"),
        ({"task": "x", "folder": "none"}, "not a folder"),
        ({"task": "x", "folder": "a\0"}, "NUL"),
        ({"task": "x", "max_time_s": -1}, "max_time_s"),
        ({"task": "x", "max_tokens": "many"}, "max_tokens"),
        ({}, "task"),
    ],
)
async def test_bad_arguments_are_explained(
    desk: Desk, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    (tmp_path / "other").mkdir()
    (desk.root / "link").symlink_to(tmp_path / "other")
    async with connect(desk.jobs("Not said.")) as client:
        result = await client.call_tool("do", arguments)
    assert result.is_error and words in text(result)
    assert desk.opened == 0


async def test_a_folder_inside_the_served_one_is_worked_in(desk: Desk) -> None:
    (desk.root / "inner").mkdir()
    async with connect(desk.jobs(WRITE, "Done.")) as client:
        result = await client.call_tool("do", {"task": "write it", "folder": "inner"})
    assert not result.is_error
    assert (desk.root / "inner" / "answer.txt").read_text() == "right\n"


async def test_a_model_that_cannot_be_had_is_an_error_of_that_call(desk: Desk) -> None:
    def missing() -> Machine:
        raise ModelUnavailable("the model is not here: fetch it")

    jobs = Jobs(missing, Terms((desk.root.resolve(),), None, sandbox="off"))
    async with connect(jobs) as client:
        for _ in range(2):
            result = await client.call_tool("do", {"task": "x"})
            assert result.is_error and text(result) == "the model is not here: fetch it"


# --- over HTTP ------------------------------------------------------------------------------------


@asynccontextmanager
async def over_http(jobs: Jobs) -> AsyncIterator[tuple[str, str]]:
    """The address and the token of a server in this process."""
    ready: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    serving = asyncio.create_task(
        serve_http(ingle_server(jobs), 0, lambda url, token: ready.put_nowait((url, token)))
    )
    try:
        yield await ready.get()
    finally:
        serving.cancel()
        await asyncio.wait([serving])


@pytest.mark.parametrize("mode", MODES)
async def test_a_task_over_http(desk: Desk, mode: str) -> None:
    steps: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        steps.append(message or "")

    async with (
        over_http(desk.jobs(WRITE, "Written.")) as (url, token),
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        result = await client.call_tool("do", {"task": "write it"}, progress_callback=progress)
    assert result.structured_content is not None
    assert result.structured_content["changed"] == ["answer.txt"]
    assert "write answer.txt" in steps


Ask = Callable[[dict[str, str]], dict[str, str]]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic {token}"}, 401),
        ({"Host": "evil.test"}, 421),
        ({"Host": "evil.test:{port}"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Host": "localhost:{port}"}, 200),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
    ],
)
async def test_a_browsers_page_gets_nothing(
    desk: Desk, change: dict[str, str], status: int
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}}}  # fmt: skip
    async with over_http(desk.jobs()) as (url, token), httpx.AsyncClient() as client:
        port = str(httpx.URL(url).port)
        headers = {"Authorization": f"Bearer {token}",
                   "Accept": "application/json, text/event-stream"}  # fmt: skip
        headers |= {k: v.format(token=token, port=port) for k, v in change.items()}
        answer = await client.post(url, json=body, headers=headers)
        assert answer.status_code == status
        assert not [name for name in answer.headers if name.startswith("access-control")]
        flight = await client.options(
            url, headers={"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
        )
        assert flight.status_code == 403
        assert not [name for name in flight.headers if name.startswith("access-control")]


# --- the command ----------------------------------------------------------------------------------


def command(*arguments: str, cwd: Path, **environment: str) -> StdioServerParameters:
    agent = str(Path(sys.executable).with_name("agent"))
    return StdioServerParameters(
        command=agent, args=["mcp", "serve", *arguments], cwd=cwd, env=environment
    )


@pytest.mark.parametrize("mode", MODES)
async def test_the_command_serves_on_stdio(tmp_path: Path, mode: str) -> None:
    nowhere = {f"XDG_{name}_HOME": str(tmp_path) for name in ("STATE", "CACHE", "CONFIG")}
    started = command(
        cwd=tmp_path, INGLE_MODELS=str(tmp_path / "none"), INGLE_OFFLINE="1", **nowhere
    )
    async with Client(started, mode=mode) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.name == "do"
        assert set(tool.input_schema["properties"]) == {
            "task", "folder", "check", "max_time_s", "max_tokens"
        }  # fmt: skip
        assert tool.output_schema is not None
        result = await client.call_tool("do", {"task": "hello"})
        assert result.is_error and "agent models pull" in text(result)


async def test_the_command_serves_the_web(tmp_path: Path) -> None:
    async with Client(command("web", cwd=tmp_path, INGLE_OFFLINE="1")) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "fetch"}
        result = await client.call_tool("search", {"query": "words"})
        assert "INGLE_OFFLINE" in text(result)


@pytest.mark.model
async def test_a_real_model_does_a_task(tmp_path: Path, small_model: Path) -> None:
    (tmp_path / "notes.txt").write_text("ingle is the fire at home\n")
    nowhere = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "CACHE", "CONFIG")}
    steps: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        steps.append(message or "")

    started = command("-m", str(small_model), "--ctx", "4096", cwd=tmp_path, **nowhere)
    async with Client(started) as client:
        for task in ("What does notes.txt say?", "Is the sky blue?"):
            result = await client.call_tool(
                "do", {"task": task, "max_tokens": 40}, progress_callback=progress
            )
            done = result.structured_content
            assert done is not None and done["usage"]["generated"] > 0
    assert any(step.startswith("load ") for step in steps)
    assert any(step.startswith("prefill ") for step in steps)
