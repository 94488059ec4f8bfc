"""Reading ahead on a tiny random model: what is said afterwards is the same."""

from __future__ import annotations

from pathlib import Path

from agent.engine.ahead import STEP, Ahead
from agent.engine.base import Finished, Request
from agent.engine.blocks import fingerprint
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine, LlamaSettings
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
    await trace(ahead, Request(engine.tokenize(plain("said ")), 1))
    log = list(engine.log)
    looks = iter([True, False])
    await ahead.read(prompt, 0, lambda: next(looks))
    assert len(engine.log) == len(log) + STEP < len(log) + len(prompt)
    await ahead.read(prompt, 0, lambda: True)
    assert list(engine.log) == [*log, *prompt] and list(ahead.log) == log


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


async def test_what_is_on_disk_is_not_evaluated_and_a_guess_does_not_get_there(
    tiny_model: Path, tmp_path: Path
) -> None:
    def opened() -> LlamaEngine:
        store = BlockStore(tmp_path / "blocks", 1 << 30, print)
        mark = fingerprint(model="tiny")
        return LlamaEngine(LlamaSettings(tiny_model, 4096, 2, "tiny", fingerprint=mark), store)

    first = opened()
    await first.load(lambda _progress: None)
    words = first.tokenize(plain("a word and another word "))
    said, guess = (words * 60)[:1000], (words * 90)[:1700]
    await trace(first, Request(said, 4))
    ahead = Ahead(first)
    log = list(first.log)
    await ahead.read(guess, 0, lambda: True)
    await ahead.drop()
    assert list(first.log) == log
    await first.close()

    second = opened()
    await second.load(lambda _progress: None)
    evaluated: list[int] = []
    await Ahead(second).read(
        [*log, *guess], 0, lambda: True,
        lambda chunk: evaluated.append(chunk.usage.prompt) if isinstance(chunk, Finished) else None,
    )  # fmt: skip
    # All of what was said is there, and none of the guess.
    assert sum(evaluated) == len(guess)
    await second.close()
