"""Tools that were declared behind the prompt: after a fold, and in a session that goes on."""

from __future__ import annotations

import pytest

from agent.events import Folded, LogSet
from agent.mcp.pins import Pins
from agent.mcp.settings import configured
from tests.mcp_servers_used_in_tests.sessions import Place, call

ADD = '{"name":"plain__add"'
FIND = call("find_tools", words="add integers")


@pytest.fixture
def place(place: Place) -> Place:
    place.configure(plain=place.plain())
    return place


async def found_and_used(place: Place) -> str:
    """A first session, in which a tool was found and called; the text of its log."""
    await place.open([FIND, call("plain__add", a=1, b=2), "3"])
    await place.say("add 1 and 2")
    assert place.results()[-1] == "3"
    words = place.engine.words()
    assert ADD in words
    await place.leave()
    return words


def names(place: Place) -> list[str]:
    assert place.session is not None
    return [tool.name for tool in place.session.tools if "__" in tool.name]


async def test_a_tool_that_was_found_is_there_when_the_session_goes_on(place: Place) -> None:
    before = await found_and_used(place)
    await place.open([call("plain__add", a=3, b=4), "7"], goes_on=True)
    # By now the server is known, and a new session has its tools in the prompt; this one has not.
    assert names(place) == ["plain__add"]
    await place.say("and 3 and 4?")
    assert place.results()[-1] == "7"
    read = place.engine.asked[0].prompt
    assert read.startswith(before)
    assert ADD not in read[len(before) :]
    await place.open(["Hello."])
    assert "plain__weather" in names(place), "and this is a new one"


async def test_the_prompt_is_the_old_one_where_servers_came_since(place: Place) -> None:
    place.configure()
    await place.open(["Hello."])
    await place.say("hi")
    before = place.engine.words()
    await place.leave()
    place.configure(plain=place.plain())
    await place.open([FIND, call("plain__add", a=3, b=4), "7"], goes_on=True)
    await place.say("add 3 and 4")
    assert place.results()[-1] == "7"
    assert place.engine.asked[0].prompt.startswith(before)
    assert '{"name":"find_tools"' in place.given(0)


async def test_a_server_that_is_gone(place: Place) -> None:
    before = await found_and_used(place)
    place.configure()
    await place.open([call("plain__add", a=3, b=4), "I cannot."], goes_on=True)
    ended = await place.say("and 3 and 4?")
    assert ended.answer == "I cannot."
    assert "Not there any more: find_tools, plain__add" in place.given(0)
    assert "there is no tool 'plain__add'" in place.results()[-1]
    assert "not there any more: find_tools, plain__add" in place.notices()
    assert place.engine.asked[0].prompt.startswith(before)


async def test_a_server_that_does_not_start_any_more(place: Place) -> None:
    await found_and_used(place)
    place.change("import asyncio", "raise SystemExit('no licence')")
    await place.open([call("plain__add", a=3, b=4), "I cannot."], goes_on=True)
    ended = await place.say("and 3 and 4?")
    assert ended.answer == "I cannot."
    assert "the server plain cannot be used: " in place.results()[-1]
    assert "no licence" in place.results()[-1]


async def test_a_declaration_that_changed_is_not_used(place: Place) -> None:
    await found_and_used(place)
    place.change("Add two integers.", "Add two whole numbers.")
    await place.open([call("plain__add", a=3, b=4), "I cannot."], goes_on=True)
    ended = await place.say("and 3 and 4?")
    assert ended.answer == "I cannot."
    assert "is another tool now than the one that was approved" in place.results()[-1]
    assert any("add changed or new since it was approved" in text for text in place.notices())


async def test_one_that_was_approved_since_is_declared_again(place: Place) -> None:
    before = await found_and_used(place)
    place.change("Add two integers.", "Add two whole numbers.")
    [server] = [s for s in configured(place.folders, place.root) if s.name == "plain"]
    Pins(place.folders, place.root).remove(server)
    await place.open(["Hello."])  # which pins what the server says now
    assert place.session is not None and place.session.servers is not None
    await place.session.servers.settle()
    await place.leave()
    last = sorted((place.folders.state / "sessions").iterdir())[0].name
    await place.open([call("plain__add", a=3, b=4), "7"], goes_on=True, session=last)
    await place.say("and 3 and 4?")
    assert place.results()[-1] == "7"
    assert place.engine.asked[0].prompt.startswith(before)
    assert "Add two whole numbers." in place.given(0)


async def test_a_fold_declares_again_what_is_in_use(place: Place) -> None:
    (place.root / "a.txt").write_text("".join(f"line {i} of it\n" for i in range(9000)))
    long = [call("shell", command=f"head -c {3000 + i} a.txt") for i in range(30)]
    find = call("find_tools", words="add integers, weather of a city")
    lines = [find, call("plain__add", a=1, b=2), *long, call("plain__add", a=3, b=4), find, "7"]
    await place.open(lines, n_ctx=8192)
    ended = await place.say("add 1 and 2")
    assert ended.answer == "7"
    assert place.results()[1] == "3"
    assert place.results()[-2] == "7"
    folds = [event for event in place.screen.events if isinstance(event, Folded)]
    assert folds
    prompt = place.engine.asked[32].prompt  # of the call behind all that
    assert prompt.count(ADD) == 1
    assert prompt.count("find_tools shows them again") == 1
    assert "Declared before: plain__add" in place.results()[-1]
    assert '{"name":"plain__weather"' in place.results()[-1], "which was only named"


async def test_what_a_fold_declared_is_known_to_a_session_that_goes_on(place: Place) -> None:
    (place.root / "a.txt").write_text("".join(f"line {i} of it\n" for i in range(9000)))
    long = [call("shell", command=f"head -c {3000 + i} a.txt") for i in range(30)]
    await place.open([FIND, call("plain__add", a=1, b=2), *long, "3"], n_ctx=8192)
    await place.say("add 1 and 2")
    assert [event for event in place.screen.events if isinstance(event, Folded)]
    await place.open([FIND, call("plain__add", a=3, b=4), call("recall", query="r2"), "7"],
                     goes_on=True, n_ctx=8192)  # fmt: skip
    await place.say("and 3 and 4?")
    assert place.results()[-3].startswith("These can be called now") is False
    assert "Declared before: plain__add" in place.results()[-3]
    assert place.results()[-2] == "7"
    assert "3" in place.results()[-1] and "there is no tool" not in place.results()[-1]


async def test_a_turn_that_is_taken_back_takes_its_declarations_along(place: Place) -> None:
    await place.open(["Hello.", FIND, "Found.", FIND, call("plain__add", a=3, b=4), "7"])
    await place.say("hi")
    length = len(place.engine.log)
    await place.say("look for a tool")
    assert place.session is not None
    place.session.emit(LogSet(length, ()))  # what /undo writes
    await place.engine.rewind(length)
    await place.say("look for a tool, and use it")
    assert '{"name":"plain__add"' in place.results()[-2], "it is shown again"
    assert place.results()[-1] == "7"
