"""Servers that a message names: their tools and their contents come with the message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mcp_servers_used_in_tests.sessions import Place, call
from tests.mcp_servers_used_in_tests.use import RAW

pytestmark = pytest.mark.usefixtures("own_cache")
READS = (
    "from mcp_types import ToolAnnotations\nfrom pydantic import BaseModel\n"
    "READS = ToolAnnotations(read_only_hint=True)\n"
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def place(place: Place) -> Place:
    (place.root / "shop.py").write_text('def total(prices):\n    """Sum up."""\n    return 0\n')
    return place


async def test_ours_cost_a_small_prompt_nothing_and_come_with_a_message(place: Place) -> None:
    await place.open([call("code_definition", name="total"), "In shop.py."], rules=())
    bare = place.session.tools if place.session else ()
    assert not [tool.name for tool in bare if "code" in tool.name or "find" in tool.name]
    await place.say("Where are prices added up? Use @code-search.")
    assert "These can be called now:" in place.given(0)
    assert '{"name":"code_definition"' in place.given(0)
    assert "web_search" not in place.given(0)
    assert "shop.py" in place.results()[0]
    engine = place.engine
    assert engine.evaluations == engine.evaluated == len(engine.log) - 1


async def test_no_file_of_ours_is_opened_before_the_first_call(place: Place) -> None:
    await place.open(["Yes."])
    await place.say("Is it @code-search?")
    assert not (place.base / "cache").exists()


async def test_tools_are_declared_once(place: Place) -> None:
    await place.open(["One.", "Two."])
    await place.say("First @code-search and @code-search.")
    await place.say("Again @code-search.")
    assert place.engine.asked[-1].prompt.count('{"name":"code_search"') == 1


async def test_what_is_known_of_a_name_comes_with_the_message(place: Place) -> None:
    await place.open(["Here."])
    await place.say("Explain @code-search:total, please.")
    assert "code-search:total\n" in place.given(0)
    assert "def total(prices)" in place.given(0).split("code-search:total\n")[1]


async def test_a_resource_comes_with_the_message(place: Place) -> None:
    place.configure(plain=place.plain())
    await place.open(["Milk."])
    await place.say("What do I need? See @plain:notes://today.")
    assert "[resource notes://today]\nBuy milk." in place.given(0)
    assert "Buy milk." in place.engine.words()


async def test_all_tools_of_a_server_come_with_its_name(place: Place) -> None:
    place.configure(plain=place.plain())
    await place.open([call("plain__add", a=2, b=3), "5"])
    ended = await place.say("Add 2 and 3 with @plain.")
    assert (ended.answer, place.results()) == ("5", ["5"])
    assert "The server plain says: Add before you multiply." in place.given(0)


async def test_of_many_tools_those_come_that_the_message_is_about(place: Place) -> None:
    place.configure(many={**place.plain(), "args": [RAW, "many", "the archive"]})
    await place.open(["Done."], n_ctx=4096)
    await place.say("Rename a playlist with @many.")
    declared = place.given(0).split("many has more:")[0]
    assert '{"name":"many__rename_playlist"' in declared
    assert "many__create_invoice" not in declared


async def test_without_such_words_tools_that_only_read_come_first(place: Place) -> None:
    place.configure(plain=place.plain())
    place.change("@server.tool()\ndef fail", "@server.tool(annotations=READS)\ndef fail")
    place.change("from pydantic import BaseModel\n", READS)
    await place.open(["Done."], n_ctx=2048)
    await place.say("Hello @plain.")
    assert '{"name":"plain__fail"' in place.given(0).split("plain has more:")[0]
    assert '{"name":"plain__ask"' not in place.given(0)


@pytest.mark.parametrize(
    "text",
    ["mail me@plain:x", "@nobody:notes://today", "@plainer", "@plain.py", "@plain/x", "@@plain"],
)
async def test_what_only_looks_like_a_server_is_text(place: Place, text: str) -> None:
    place.configure(plain=place.plain())
    await place.open(["Fine."])
    await place.say(text)
    assert "notes://today]" not in place.given(0)
    assert "can be called now" not in place.given(0)
    assert place.given(0).count(text) == 1


@pytest.mark.parametrize("what", ["gone", "gone:x://y", "plain:notes://none"])
async def test_what_cannot_be_had_is_told_to_both(place: Place, what: str) -> None:
    gone = {**place.plain(), "args": [RAW, "exit"]}
    place.configure(plain=place.plain(), gone=gone)
    await place.open(["I cannot see it."])
    ended = await place.say(f"Look at @{what} for me")
    assert ended.stop == "answer"
    [notice] = [text for text in place.notices() if what in text]
    assert f"[{notice}]" in place.given(0)


async def test_what_is_switched_off_is_not_there(place: Place) -> None:
    place.configure(**{"code-search": {"disabled": True}})
    await place.open(["Fine."], profile="full")
    names = [tool.name for tool in place.session.tools] if place.session else []
    assert "web_search" in names
    assert "code_search" not in names
    await place.say("Use @code-search.")
    assert "can be called now" not in place.given(0)


async def test_a_large_resource_is_cut(place: Place) -> None:
    place.change('"Buy milk."', '"Buy milk. " * 100_000')
    place.configure(plain=place.plain())
    await place.open(["Milk."], n_ctx=4096)
    ended = await place.say("What do I need? See @plain:notes://today")
    assert ended.stop == "answer"
    assert len(place.given(0)) < 3 * 4096


async def test_the_web_is_used_without_a_question_when_the_user_names_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGLE_OFFLINE", "1")
    look = call("web_search", query="rain")
    await place.open([look, "No.", look, "No."], profile="full", rules=())
    await place.say("Will it rain?")
    assert "acts outside of the sandbox" in place.results()[0]
    await place.say("Will it rain? Ask @web.")
    assert "acts outside of the sandbox" not in place.results()[1]
    assert "INGLE_OFFLINE" in place.results()[1], "it was run"


async def test_a_page_that_the_user_names_may_be_fetched(place: Place) -> None:
    pages = [call("web_fetch", url=f"https://nowhere.invalid/{name}") for name in ("a", "b")]
    await place.open([*pages, "No."], profile="full")
    await place.say("What does https://nowhere.invalid/a say?")
    assert "the name nowhere.invalid cannot be looked up" in place.results()[0]
    assert "neither from the user nor from a search" in place.results()[1]
