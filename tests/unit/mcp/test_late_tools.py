"""300 tools of five servers in a window of 16K: found by words, declared at the tail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher

from agent.dialects.choose import choose_dialect
from agent.dialects.grammar import call_grammar
from agent.dispatch import Dispatcher
from agent.engine.base import Sampling
from agent.engine.scripted import CHAT_TEMPLATE, ScriptedEngine
from agent.exchange import Exchange
from agent.mcp.declare import tokens
from agent.mcp.late import LateTools
from agent.mcp.manager import SHARE, Manager
from agent.messages import System, ToolOutput, ToolSpec, User
from agent.policy import Decision, Policy, parse_rule
from agent.speech import Ask
from tests.mcp_servers_used_in_tests.use import around, context, managing, written
from tools.catalog import default_tools

N_CTX = 16_384
SHOPS = ("alpha", "beta", "gamma", "delta", "epsilon")


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


@dataclass
class Talk:
    """A session as the app builds it, one message after the other."""

    engine: ScriptedEngine
    exchange: Exchange
    dispatcher: Dispatcher

    async def say(self, *messages: Any) -> list[ToolOutput]:
        ask = Ask(2000, Sampling())
        reply = await self.exchange.reply(self.exchange.delta(messages), ask)
        assert not reply.bad
        results = []
        for one in reply.calls:
            result, _ = await self.dispatcher.run(one, limit=6000)
            results.append(ToolOutput(one.id, one.name, result.text))
        return results


def talk(manager: Manager, base: Path, lines: list[str]) -> Talk:
    engine = ScriptedEngine(lines, n_ctx=N_CTX)
    rules = (parse_rule("*", Decision.ALLOW),)
    late = LateTools((), lambda event: late.take(event), 0)
    extra = manager.tools(N_CTX, late.declare, late.is_shown)
    dispatcher = Dispatcher((*default_tools(), *extra), context(base), Policy(rules=rules))
    late.serve(dispatcher)
    dialect = choose_dialect(CHAT_TEMPLATE, blocks=True, family="", bos="", eos="")
    system = System("You work.", dispatcher.specs())
    exchange = Exchange(engine, dialect, system, late.take, late=dispatcher.late_specs)
    return Talk(engine, exchange, dispatcher)


async def test_300_tools_of_five_servers(tmp_path: Path) -> None:
    servers = [written(name, "many", name) for name in SHOPS]
    async with managing(servers, around(tmp_path)) as manager:
        lines = [
            call("find_tools", words="archive an invoice in gamma"),
            call("gamma__archive_invoice", number=7),
            "Done.",
        ]
        session = talk(manager, tmp_path, lines)
        front = sum(tokens(spec) for spec in session.dispatcher.specs()[-1:])
        assert front < 100, "none of 300 tools stands in the prompt"
        [found] = await session.say(User("archive invoice 7 of gamma"))
        assert len(manager.findable()) == 300
        first = found.text.splitlines()[1]
        assert json.loads(first)["name"] == "gamma__archive_invoice"
        assert json.loads(first)["parameters"]["required"] == ["number"]
        assert len(found.text) < 3 * N_CTX // SHARE + 2_000
        [result] = await session.say(found)
        assert result.text == 'archive_invoice {"number": 7}'
        await session.say(result)
        engine = session.engine
        # Tokens evaluated again: none. The last one of the last answer is never evaluated.
        assert engine.evaluations == engine.evaluated == len(engine.log) - 1
        assert engine.words().count("<|im_start|>system") == 1


async def test_the_call_grammar_widens_and_the_prompt_stays(tmp_path: Path) -> None:
    async with managing([written("alpha", "many", "alpha")], around(tmp_path)) as manager:
        session = talk(manager, tmp_path, [call("find_tools", words="merge playlist"), "Done."])
        before = [spec.name for spec in session.dispatcher.specs()]
        text = '{"name": "alpha__merge_playlist", "arguments": {"number": 1}}'
        assert not takes(session.exchange.tools, text)
        [found] = await session.say(User("x"))
        front = list(session.engine.log)
        await session.say(found)
        assert takes(session.exchange.tools, text)
        assert [spec.name for spec in session.dispatcher.specs()] == before
        assert list(session.engine.log[: len(front)]) == front


def takes(specs: Any, text: str) -> bool:
    """Whether the call grammar takes a call, byte by byte."""
    from llguidance import LLTokenizer

    tokenizer = LLTokenizer("byte")
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(call_grammar(specs)), log_level=0)
    return bool(matcher.consume_tokens(tokenizer.tokenize_str(text)))


async def test_what_was_approved_before_stands_in_the_prompt(tmp_path: Path) -> None:
    servers = [written("small", "good"), written("large", "many", "large")]
    async with managing(servers, around(tmp_path)) as manager:
        await manager.settle()
    manager = Manager(servers, around(tmp_path))  # a later session; nothing is connected
    names = [t.name for t in manager.tools(N_CTX, lambda _t: "", lambda _n: False)]
    assert names == ["find_tools", "small__echo", "small__other"]
    again = Manager(servers, around(tmp_path)).tools(N_CTX, lambda _t: "", lambda _n: False)
    specs = [ToolSpec(t.name, t.description, t.parameters()) for t in again]
    assert [spec.name for spec in specs] == names
    assert sum(map(tokens, specs[1:])) <= N_CTX // SHARE


async def test_a_tool_of_the_prompt_waits_for_its_server(tmp_path: Path) -> None:
    servers = [written("small", "good")]
    async with managing(servers, around(tmp_path)) as manager:
        await manager.settle()
    async with managing(servers, around(tmp_path)) as manager:
        session = talk(manager, tmp_path, [call("small__echo", text="hi"), "Done."])
        [result] = await session.say(User("x"))
        assert result.text == 'echo {"text": "hi"}'


async def test_nothing_fits_and_nothing_is_there(tmp_path: Path) -> None:
    servers = [written("alpha", "many", "alpha"), written("gone", "exit")]
    async with managing(servers, around(tmp_path)) as manager:
        session = talk(manager, tmp_path, [call("find_tools", words="weather"), "Done."])
        [found] = await session.say(User("x"))
        assert found.text.startswith("no tool matches 'weather'.\nThere are: alpha__create_invoice")
        assert "The server gone cannot be used: " in found.text
        assert "the database is locked" in found.text
        assert len(found.text) < 1500


async def test_without_servers_the_prompt_is_as_it_was(tmp_path: Path) -> None:
    manager = Manager([], around(tmp_path))
    assert manager.tools(N_CTX, lambda _t: "", lambda _n: False) == ()
    manager.start()
    await manager.close()


async def test_a_search_says_what_is_declared_already(tmp_path: Path) -> None:
    async with managing([written("good", "good")], around(tmp_path)) as manager:
        again = call("find_tools", words="echo")
        session = talk(manager, tmp_path, [again, again, "Done."])
        [first] = await session.say(User("x"))
        [second] = await session.say(first)
        assert "The server good says: These are notes of good." in first.text
        assert second.text == "Declared before: good__echo"


@pytest.mark.parametrize("words", ["", " " * 3])
async def test_a_search_for_nothing(tmp_path: Path, words: str) -> None:
    async with managing([written("good", "good")], around(tmp_path)) as manager:
        session = talk(manager, tmp_path, [call("find_tools", words=words), "Done."])
        [result] = await session.say(User("x"))
        assert "find_tools was not run" in result.text or "no tool matches" in result.text
