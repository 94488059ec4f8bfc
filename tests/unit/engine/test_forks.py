"""Branches of the live sequence: nothing of it is evaluated again, and any of them can be taken."""

from __future__ import annotations

import pytest

from agent.engine.base import Request, Sampling
from agent.engine.llama import LlamaEngine
from agent.errors import IngleError
from agent.messages import Constrain, Directive, Stop
from tests.unit.engine.answers import grow, is_same, plain, run, trace, traces


async def begin(engine: LlamaEngine, words: str = "the same beginning, and some more ") -> int:
    """Evaluate a prompt; the length at which branches may leave it."""
    await run(engine, Request(engine.tokenize(plain(words)), 0))
    return len(engine.log)


async def test_a_side_call_leaves_the_main_sequence_untouched(either: LlamaEngine) -> None:
    await begin(either)
    told, _ = await run(either, Request(either.tokenize(plain("question ")), 12))
    log = list(either.log)
    side = either.tokenize(plain("title? "))
    # The answer's last token was sampled and not evaluated: the side call brings it along.
    texts, ends = await grow(either, len(log) - 1, [Request([log[-1], *side], 8)])
    await either.drop()
    assert texts[0]
    assert list(either.log) == log
    assert ends[0].usage.prompt == 1 + len(side)
    _, finished = await run(either, Request(either.tokenize(plain("go on ")), 5))
    assert finished.usage.reused == len(log) - 1
    assert told


async def test_a_branch_says_what_the_main_sequence_would_say(either: LlamaEngine) -> None:
    at = await begin(either)
    delta = either.tokenize(plain("branch "))
    branch = (await traces(either, at, [Request(delta, 15)]))[0]
    await either.drop()
    assert is_same(branch, await trace(either, Request(delta, 15)))


async def test_branches_grow_together_and_do_not_see_each_other(either: LlamaEngine) -> None:
    at = await begin(either)
    deltas = [either.tokenize(plain(words)) for words in ("one", "two and more", "3", "four")]
    together = await traces(either, at, [Request(delta, 12) for delta in deltas])
    for i, delta in enumerate(deltas):
        await either.rewind(at)
        assert is_same(together[i], await trace(either, Request(delta, 12)))
    assert not any(is_same(together[i], together[j]) for i in range(4) for j in range(i))
    _, ends = await grow(either, at, [Request(delta, 3) for delta in deltas])
    assert [end.usage.prompt for end in ends] == [len(delta) for delta in deltas]


async def test_each_branch_has_its_own_sampler_grammar_and_end(either: LlamaEngine) -> None:
    class Guide:
        def __init__(self, lark: str):
            self.lark = lark
            self.text = ""

        def begin(self) -> Directive:
            return Constrain(self.lark) if self.lark else None

        def feed(self, text: str) -> Directive:
            self.text += text
            return Stop() if len(self.text) >= 6 else None

    at = await begin(either)
    delta = either.tokenize(plain("go "))
    free = Sampling(temperature=1.0, top_k=50, top_p=1.0, seed=3)
    requests = [
        Request(delta, 30, guide=Guide('start: "abcdef" /.*/')),
        Request(delta, 30, guide=Guide('start: "uvwxyz" /.*/')),
        Request(delta, 7, free),
        Request(delta, 7, Sampling(temperature=1.0, top_k=50, top_p=1.0, seed=4)),
    ]
    texts, ends = await grow(either, at, requests)
    assert [texts[0][:6], texts[1][:6]] == ["abcdef", "uvwxyz"]
    assert [end.reason for end in ends] == ["stop", "stop", "length", "length"]
    assert texts[2] != texts[3]


async def test_an_adopted_branch_is_the_conversation(either: LlamaEngine) -> None:
    at = await begin(either)
    deltas = [either.tokenize(plain(words)) for words in ("left ", "right ")]
    said = await traces(either, at, [Request(delta, 10) for delta in deltas])
    await either.adopt(1)
    assert list(either.log[at:]) == [*deltas[1], *(token for token, _ in said[1])]
    log, then = list(either.log), either.tokenize(plain("then "))
    warm = await trace(either, Request(then, 10))
    await either.rewind(0)
    assert is_same(warm, await trace(either, Request([*log, *then], 10)))
    await either.rewind(0)
    other = [*log[:at], *deltas[0], *(token for token, _ in said[0]), *then]
    assert not is_same(warm, await trace(either, Request(other, 10)))


async def test_a_branch_may_leave_in_the_middle_of_an_answer(either: LlamaEngine) -> None:
    at = await begin(either)
    await run(either, Request(either.tokenize(plain("tell ")), 20))
    log = list(either.log)
    delta = either.tokenize(plain("else "))
    branch = (await traces(either, at + 8, [Request(delta, 10)]))[0]
    await either.adopt(0)
    branched = list(either.log)
    assert branched[: at + 8] == log[: at + 8]
    await either.rewind(0)
    assert is_same(branch, await trace(either, Request([*log[: at + 8], *delta], 10)))
    assert branched == list(either.log)


async def test_one_branch_can_be_stopped_and_the_others_go_on(engine: LlamaEngine) -> None:
    class Stopper:
        """Stops the first branch in the middle, where a consumer could come too late."""

        def begin(self) -> Directive:
            return None

        def feed(self, _text: str) -> Directive:
            engine.stop(0)
            return None

    at = await begin(engine)
    delta = engine.tokenize(plain("go "))
    requests = [Request(delta, 40, guide=Stopper()), Request(delta, 40)]
    _, ends = await grow(engine, at, requests)
    assert ends[0].reason == "interrupted"
    assert ends[0].usage.generated < 40
    assert (ends[1].reason, ends[1].usage.generated) == ("length", 40)


async def test_branches_share_the_window(engine: LlamaEngine) -> None:
    await run(engine, Request(engine.tokenize(plain("word " * 3000))[:1800], 0))
    delta = engine.tokenize(plain("go "))
    _, ends = await grow(engine, 1800, [Request(delta, 500)] * 4)
    assert all(end.reason == "length" for end in ends)
    assert sum(end.usage.generated for end in ends) <= 248
    with pytest.raises(IngleError, match="context is full"):
        await grow(engine, 1800, [Request(delta * 100, 5)])


async def test_a_failing_branch_takes_nothing_with_it(engine: LlamaEngine) -> None:
    class Wrong:
        def begin(self) -> Directive:
            return Constrain("start: nonsense(")

        def feed(self, _text: str) -> Directive:
            return None

    at = await begin(engine)
    delta = engine.tokenize(plain("go "))
    with pytest.raises(IngleError, match="grammar"):
        await grow(engine, at, [Request(delta, 5), Request(delta, 5, guide=Wrong())])
    text, _ = await run(engine, Request(delta, 5))
    assert len(text) > 0
