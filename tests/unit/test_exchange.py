"""One message of the model: what goes in, what comes out, and taking it back."""

from __future__ import annotations

import json

import pytest

from agent.dialects.chatml import ChatmlJson, qwen3
from agent.engine.base import Piece, Sampling
from agent.engine.scripted import ScriptedEngine
from agent.events import (
    CallDelta,
    Event,
    LogSet,
    ModelReplied,
    TextDelta,
    ThinkingDelta,
    WorkProgress,
)
from agent.exchange import Exchange
from agent.messages import Constrain, Segment, System, ToolSpec, User
from agent.speech import Ask, is_looping

WRITE = ToolSpec(
    "write", "Write.", {"type": "object", "properties": {"path": {}, "content": {}}}, ("content",)
)
LOOK = ToolSpec("look", "Look.", {"type": "object", "properties": {}})
CALL = '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>'
ASK = Ask(1000, Sampling())


def exchange(*lines: str, n_ctx: int = 4096) -> tuple[Exchange, ScriptedEngine, list[Event]]:
    engine = ScriptedEngine(lines, n_ctx=n_ctx)
    events: list[Event] = []
    made = Exchange(engine, ChatmlJson(), System("Be kind.", (WRITE, LOOK)), events.append)
    return made, engine, events


async def test_text_and_calls_are_told_apart() -> None:
    talk, _, _ = exchange(f"I look.\n{CALL}")
    reply = await talk.reply(talk.delta([User("look")]), ASK)
    assert reply.text == "I look."
    assert [(c.name, c.arguments, c.form) for c in reply.calls] == [("look", {}, "tag")]
    assert (reply.bad, reply.unplaced, reply.reason) == ((), 0, "end")


async def test_a_call_of_no_tool_is_named_anew() -> None:
    right = '{"name": "look", "arguments": {}}'
    wrong = right.replace("look", "glance")
    talk, engine, events = exchange(f"I look.\n{wrong}", right)
    reply = await talk.reply(talk.delta([User("look")]), ASK)
    assert (reply.text, reply.bad) == ("I look.", ())
    assert [call.name for call in reply.calls] == ["look"]
    assert engine.asked[1].prompt.endswith("I look.\n")
    guide = engine.asked[1].request.guide
    assert guide is not None
    first = guide.begin()
    assert isinstance(first, Constrain) and '"look"' in first.lark
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "I look.\n"
    said = [event for event in events if isinstance(event, ModelReplied)]
    assert [list(event.tokens) for event in said] == [list(engine.log[reply.start :])]
    assert reply.usage.prompt < 100 + len(engine.asked[0].request.delta)


async def test_several_answers_begin_with_what_is_said_for_them() -> None:
    engine = ScriptedEngine(["b\n```\n", "c\n```\n"], n_ctx=4096, branches=2)
    events: list[Event] = []
    talk = Exchange(engine, ChatmlJson(), System("Be kind.", (WRITE, LOOK)), events.append)
    delta = talk.delta([User("go")])
    ask = Ask(1000, Sampling(), begin="a.txt\n```\n")
    replies, _ = await talk.answers(delta, [ask, ask], lambda _number, _reply: None)
    assert [reply.calls[0].arguments["content"] for reply in replies] == ["b\n", "c\n"]
    taken = await talk.take(1, replies[1])
    assert taken.start == len(delta)
    said = "".join(engine.text(token) for token in taken.tokens)
    assert said.startswith("a.txt\n```\nc\n```")
    assert list(taken.tokens) == list(engine.log[len(delta) :])


async def test_named_wrongly_twice_it_is_a_bad_call() -> None:
    wrong = '{"name": "glance", "arguments": {}}'
    talk, _, _ = exchange(wrong, wrong)
    reply = await talk.reply(talk.delta([User("look")]), ASK)
    assert [bad.reason for bad in reply.bad] == ["there is no tool 'glance'"]


async def test_call_ids_are_unique_in_the_session() -> None:
    talk, _, _ = exchange(f"{CALL}\n{CALL}", CALL)
    ids = []
    for _ in range(2):
        reply = await talk.reply(talk.delta([User("look")]), ASK)
        ids += [call.id for call in reply.calls]
    assert len(set(ids)) == len(ids) == 3


async def test_all_is_shown_while_it_is_said_and_then_as_a_whole() -> None:
    talk, engine, events = exchange("Here.\na.txt\n```\nx\n```\n")
    reply = await talk.reply(talk.delta([User("go")]), ASK)
    assert isinstance(events[0], LogSet)
    assert isinstance(events[1], WorkProgress)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Here.\n"
    assert "".join(e.text for e in events if isinstance(e, CallDelta)).startswith("x\n")
    assert {e.path for e in events if isinstance(e, CallDelta)} == {"a.txt"}
    last = events[-1]
    assert isinstance(last, ModelReplied)
    assert list(last.tokens) == list(engine.log[reply.start :])
    assert last.usage == reply.usage
    assert reply.usage.generated == len(last.tokens)


async def test_the_front_is_said_once() -> None:
    talk, engine, _ = exchange("One.", "Two.")
    for text in ("a", "b"):
        await talk.reply(talk.delta([User(text)]), ASK)
    assert engine.words().count("Be kind.") == 1
    assert '"name": "look"' in engine.asked[0].prompt
    assert '"name": "write"' not in engine.asked[0].prompt, "files travel as blocks"


async def test_a_message_that_did_not_end_is_closed_before_the_next() -> None:
    talk, engine, _ = exchange("x" * 400, "Two.", "Three.")
    first = await talk.reply(talk.delta([User("a")]), Ask(5, Sampling()))
    assert first.reason == "length"
    await talk.reply(talk.delta([User("b")]), ASK)
    await talk.reply(talk.delta([User("c")]), ASK)
    text = engine.words()
    assert "xxxx<|im_end|>\n<|im_start|>user\nb<|im_end|>\n" in text
    assert "Two.<|im_end|>\n<|im_start|>user\nc" in text


async def test_a_message_branches_without_a_new_prefill() -> None:
    talk, engine, _ = exchange("Wrong words.", "t.", "More.")
    wrong = await talk.reply(talk.delta([User("a")]), ASK)
    before = list(engine.log[: wrong.start])
    (other,) = engine.tokenize([Segment("Righ")])
    right = await talk.branch(wrong, wrong.pieces[:0], other, ASK)
    assert right.text == "Right."
    assert right.start == wrong.start
    assert list(engine.log[: right.start]) == before
    assert (right.usage.prompt, right.usage.reused) == (1, wrong.start)
    await talk.reply(talk.delta([User("b")]), ASK)
    assert "Right.<|im_end|>\n<|im_start|>user\nb" in engine.words()
    assert "Wrong" not in engine.words()


async def test_a_branch_of_an_older_message_stands_behind_what_it_keeps() -> None:
    talk, engine, _ = exchange("one two three", " six", "4")
    first = await talk.reply(talk.delta([User("a")]), ASK)
    five, four = engine.tokenize([Segment("five"), Segment("four")])
    second = await talk.branch(first, first.pieces[:1], five, ASK)
    assert second.text == "one five six"
    third = await talk.branch(second, first.pieces[:2], four, ASK)
    assert third.text == "one two four4"
    assert engine.words(engine.log[third.start :]) == "one two four4<|im_end|>"


async def test_an_earlier_message_is_adopted_as_it_was() -> None:
    talk, engine, _ = exchange("Good words.", " luck.", "More.")
    good = await talk.reply(talk.delta([User("a")]), ASK)
    said = list(engine.log)
    (other,) = engine.tokenize([Segment("Bad ")])
    await talk.branch(good, good.pieces[:0], other, ASK)
    await talk.adopt(good)
    await talk.reply(talk.delta([User("b")]), ASK)
    assert list(engine.log[: len(said)]) == said
    assert "Good words.<|im_end|>\n<|im_start|>user\nb" in engine.words()
    assert "luck" not in engine.words()


async def test_the_room_shrinks_by_what_is_said() -> None:
    talk, engine, _ = exchange("One.")
    delta = talk.delta([User("a")])
    reply = await talk.reply(delta, ASK)
    assert talk.room == 4096 - len(delta) - reply.usage.generated == 4096 - len(engine.log)


async def test_a_model_that_must_act_is_constrained() -> None:
    talk, engine, _ = exchange("One.", "Two.")
    await talk.reply(talk.delta([User("a")]), Ask(10, Sampling(), must_act=True))
    await talk.reply(talk.delta([User("b")]), ASK)
    assert [asked.constrained for asked in engine.asked] == [True, False]


def test_a_message_that_repeats_itself_is_a_loop() -> None:
    def said(text: str) -> bool:
        return is_looping([Piece(0, char) for char in text])

    assert said("Right. " + "No changes are needed. The file is fine. " * 8)
    assert said("a\n" * 200)
    assert not said("".join(f"line {i} of a long list\n" for i in range(200)))
    assert not said("    return x\n" * 3)
    assert not said("")


async def test_thinking_is_shown_and_is_no_part_of_the_answer() -> None:
    engine = ScriptedEngine(["<think>\nHm, so.\n</think>\n\nYes."], n_ctx=4096)
    events: list[Event] = []
    dialect = qwen3("", blocks=True)
    talk = Exchange(engine, dialect, System("Be kind.", (WRITE, LOOK)), events.append)
    reply = await talk.reply(talk.delta([User("go")]), ASK)
    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)) == "Hm, so."
    assert reply.text == "Yes."
    assert [e.text for e in events if isinstance(e, ModelReplied)] == ["Yes."]
    kinds = [type(event) for event in events]
    assert kinds.index(ThinkingDelta) < kinds.index(TextDelta)


async def test_a_message_that_repeats_itself_is_ended_and_counted() -> None:
    talk, engine, _ = exchange("I will. " * 900, "Sorry.")
    first = talk.delta([User("go")])
    reply = await talk.reply(first, ASK)
    assert reply.reason == "looping"
    assert len(reply.tokens) < 600
    assert reply.usage.generated == len(reply.tokens)
    assert reply.usage.evaluated == engine.evaluated
    again = await talk.reply(talk.delta([User("again")]), ASK)
    assert (again.text, again.reason) == ("Sorry.", "end")


def looks(*paths: str) -> str:
    calls = (json.dumps({"name": "look", "arguments": {"path": path}}) for path in paths)
    return "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)


@pytest.mark.parametrize(
    ("said", "kept", "reason"),
    [
        (["a", "b", "c", "a", "b", "c", "a", "b"], ["a", "b", "c"], "looping"),
        (["a", "b", "a", "b", "a"], ["a", "b"], "looping"),
        (["a", "a", "a", "a", "a"], ["a", "a"], "looping"),
        (["a", "b", "a"], ["a", "b", "a"], "end"),
        (["a", "b", "a", "c", "b"], ["a", "b", "a", "c", "b"], "end"),
        (["a", "a", "a"], ["a", "a", "a"], "end"),
    ],
)
async def test_a_message_that_begins_again_is_ended(
    said: list[str], kept: list[str], reason: str
) -> None:
    talk, _, _ = exchange(looks(*said))
    reply = await talk.reply(talk.delta([User("go")]), ASK)
    assert [call.arguments["path"] for call in reply.calls] == kept
    assert (reply.reason, reply.bad) == (reason, ())
    assert reply.usage.generated == len(reply.tokens)


async def test_of_a_message_that_begins_again_nothing_is_left_half_read() -> None:
    talk, _, _ = exchange(looks("a", "b", "a", "b") + '\n<tool_call>\n{"name": "look", "argu')
    reply = await talk.reply(talk.delta([User("go")]), ASK)
    assert [call.arguments["path"] for call in reply.calls] == ["a", "b"]
    assert reply.bad == ()
