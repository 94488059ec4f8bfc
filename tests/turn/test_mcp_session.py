"""What servers do in a session: questions, progress, cancelling, lists that change, slow starts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.elicitation import fill_in
from agent.events import CallMade, Event, TurnEnded, WorkProgress
from agent.ui.repl.host import Decision, Question
from tests.mcp_servers_used_in_tests.sessions import Place, call
from tests.mcp_servers_used_in_tests.use import RAW


@pytest.fixture
def place(place: Place) -> Place:
    place.configure(plain=place.plain())
    return place


async def test_a_server_asks_the_user(place: Place) -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Decision:
        asked.append(question)
        return Decision("y", "green")

    async def elicit(server: str, message: str, schema: dict[str, Any]) -> dict[str, Any] | None:
        return await fill_in(server, message, schema, answer)

    await place.open([call("plain__ask"), "Green."], elicit=elicit)
    await place.say("ask me with @plain")
    assert place.results() == ["accepted green"]
    [question] = asked
    assert question.title == "the MCP server plain asks: Which colour?"
    assert ("d", "blue") in [(choice.key, choice.label) for choice in question.choices]


async def test_where_nobody_is_there_a_server_is_told_no(place: Place) -> None:
    await place.open([call("plain__ask"), "No colour."])
    ended = await place.say("ask me with @plain")
    assert (ended.answer, place.results()) == ("No colour.", ["decline"])


async def test_a_call_tells_how_far_it_is(place: Place) -> None:
    await place.open([call("plain__slow", steps=4), "Done."])
    await place.say("be slow, @plain")
    told = [event for event in place.screen.events if isinstance(event, WorkProgress)]
    assert [(e.stage, e.done, e.total) for e in told if e.stage != "prefill"] == [
        (f"plain: step {step}", 25 * step, 100) for step in (1, 2, 3, 4)
    ]


async def test_an_interrupted_call_is_cancelled_on_the_server(place: Place) -> None:
    marker = place.base / "marker"
    await place.open([call("plain__forever", marker=str(marker)), "never said"])
    working = asyncio.ensure_future(place.say("wait for ever, @plain"))
    made = asyncio.Event()

    def look(event: Event) -> None:
        if isinstance(event, CallMade):
            made.set()

    place.screen.on_show = look
    await made.wait()
    assert place.session is not None and place.session.servers is not None
    # The server has begun with the call when it has answered another one behind it.
    await (await place.session.servers.connection("plain")).call("add", {"a": 1, "b": 1})
    working.cancel()
    assert (await working).stop == "interrupted"
    await (await place.session.servers.connection("plain")).call("add", {"a": 1, "b": 1})
    assert marker.read_text() == "cancelled"


async def test_a_list_that_changes_takes_the_tool_away(place: Place) -> None:
    place.configure(mine={"command": sys.executable, "args": [RAW, "changing"]})

    async def until_told(_prompt: str) -> None:
        while not any("echo changed" in text for text in place.notices()):  # noqa: ASYNC110
            await asyncio.sleep(0)  # the new list is read in the background

    def line(prompt: str) -> AsyncIterator[str]:
        async def words() -> AsyncIterator[str]:
            await until_told(prompt)
            yield call("mine__echo", text="two")

        return words()

    await place.open([call("mine__echo", text="one"), line, "Gone."])
    ended = await place.say("say it with @mine")
    assert ended.answer == "Gone."
    assert place.results()[0] == 'echo {"text": "one"}'
    assert "is another tool now than the one that was approved" in place.results()[1]


async def test_five_servers_that_are_slow_to_start_keep_nobody_waiting(place: Place) -> None:
    gates = [place.base / f"gate{number}" for number in range(5)]
    for gate in gates:
        os.mkfifo(gate)
    place.configure(
        **{gate.name: {"command": sys.executable, "args": [RAW, "gate", str(gate)]}
           for gate in gates}
    )  # fmt: skip
    session = await place.open(["Hello."])
    ended = await place.say("hi")
    assert isinstance(place.screen.events[-1], TurnEnded) and ended.answer == "Hello."
    assert session.servers is not None
    assert session.servers.ready() == [], "no server was there for any of that"
    for gate in reversed(gates):  # none of them waits for another one either
        await asyncio.to_thread(gate.write_bytes, b"go")
    for gate in gates:
        await (await session.servers.connection(gate.name)).ready()
    assert len(session.servers.ready()) == 5
