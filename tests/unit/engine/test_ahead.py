"""Reading ahead on a tiny random model: what is said afterwards is the same."""

from __future__ import annotations

from agent.engine.ahead import Ahead
from agent.engine.base import Request
from agent.engine.llama import LlamaEngine
from tests.unit.engine.answers import is_same, plain, trace


async def test_an_answer_is_the_same_whatever_was_read_ahead(engine: LlamaEngine) -> None:
    said = engine.tokenize(plain("what was said before, with a 漢 in it. "))
    prompt = engine.tokenize(plain("the last question of the user? "))
    guesses = [
        [], prompt[:-2], prompt, [*prompt, *prompt], [*prompt[:3], *said], said * 40,
    ]  # fmt: skip
    traces = []
    for guess in guesses:
        await engine.rewind(0)
        ahead = Ahead(engine)
        before = await trace(ahead, Request(said, 4))
        log = list(ahead.log)
        await ahead.read(guess, 0, lambda: True)
        assert list(ahead.log) == log and len(engine.log) == len(log) + len(guess)
        traces.append([*before, *await trace(ahead, Request(prompt, 12))])
        assert list(ahead.log) == list(engine.log)
        assert list(ahead.log[: len(log) + len(prompt)]) == [*log, *prompt]
    assert all(is_same(one, traces[0]) for one in traces)


async def test_only_what_was_not_read_ahead_is_evaluated(engine: LlamaEngine) -> None:
    ahead = Ahead(engine)
    prompt = engine.tokenize(plain("word " * 60))
    await ahead.read([*prompt[:200], *prompt[1:6]], 0, lambda: True)
    done = [chunk async for chunk in ahead.generate(Request(prompt, 1))]
    assert done[-1].usage.prompt == len(prompt) - 200  # type: ignore[union-attr]


async def test_it_stops_when_there_is_no_more_time_and_goes_on_from_there(
    engine: LlamaEngine,
) -> None:
    ahead = Ahead(engine)
    prompt = engine.tokenize(plain("word " * 100))
    assert len(prompt) > 300
    looks = iter([True, False])
    await ahead.read(prompt, 0, lambda: next(looks))
    there = len(engine.log)
    assert 0 < there < len(prompt)
    await ahead.read(prompt, 0, lambda: True)
    assert list(engine.log) == prompt and list(ahead.log) == []


async def test_a_rewind_forgets_what_was_read_ahead(engine: LlamaEngine) -> None:
    ahead = Ahead(engine)
    said, guess = engine.tokenize(plain("said ")), engine.tokenize(plain("guessed "))
    await trace(ahead, Request(said, 2))
    await ahead.read(guess, 0, lambda: True)
    await ahead.rewind(len(said) - 1)
    assert list(engine.log) == list(ahead.log) == said[:-1]


async def test_an_engine_that_cannot_forget_reads_nothing_ahead(either: LlamaEngine) -> None:
    ahead = Ahead(either)
    await ahead.read(either.tokenize(plain("some words")), 0, lambda: True)
    assert bool(either.log) == either.info.can_forget
