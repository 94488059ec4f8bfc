"""Figures about whole sessions and about grammars: what is evaluated twice, and what a grammar
costs a token."""

from __future__ import annotations

import inspect
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agent.app import Session
from agent.dialects.choose import FAMILIES, Family
from agent.dialects.grammar import search_grammar
from agent.engine.base import Request, Sampling
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine, LlamaSettings
from agent.exchange import Exchange
from agent.messages import (
    Constrain,
    Directive,
    Message,
    Segment,
    System,
    ToolOutput,
    ToolSpec,
    User,
)
from agent.speech import Ask
from bench.common import Collector, workspace
from bench.timing import ROUNDS, Figures, NoGuide, asked, open_engine, to_end
from tests.tiny_gguf import build

ANSWERS = 50
HYBRIDS = ("qwen3-coder", "qwen3.5")  # families with models that have a recurrent state
TOOL = ToolSpec("look", "Look at it.", {"type": "object", "properties": {"deep": {"type": "null"}}})
BEGUN = "[1, 2, 3,"  # said for the model, which may put the array into a fence otherwise
COUNT = "Write the numbers from 1 to 60 as one JSON array, and nothing else."
NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 60}


@dataclass(frozen=True)
class Held(NoGuide):
    """A guide that holds the message to a grammar, `seen` of which stands there already."""

    lark: str
    seen: str = ""

    def begin(self) -> Directive:
        return Constrain(self.lark, self.seen)


async def constraints() -> Figures:
    """Decode under a grammar against decode without, of the same text, one after the other."""
    engine = await open_engine(8192)
    numbers = f"start: %json {json.dumps(NUMBERS)}\n"
    array = [*asked(engine, COUNT), *engine.tokenize([Segment(BEGUN)])]
    source = "".join(inspect.getsource(json.decoder).splitlines(keepends=True)[:220])
    section = "decoder.py\n```python\n<<<<<<< SEARCH\n"
    block = [*asked(engine, f"Change this file.\n\ndecoder.py\n```python\n{source}```\n")]
    block += engine.tokenize([Segment(section)])
    figures: Figures = {}
    for name, prompt, held in (
        ("a JSON Schema", array, Held(numbers, BEGUN)),
        ("the lines of a file", block, Held(search_grammar(source))),
    ):
        ratios, same = [], []
        await engine.rewind(0)
        await to_end(engine, Request(prompt[:-1], 0))
        for i in range(ROUNDS + 1):
            speeds, said = [], []
            for guide in (NoGuide(), held):
                await engine.rewind(len(prompt) - 1)
                request = Request(prompt[-1:], 64, guide=guide, drafts=False)
                text, _, speed = await to_end(engine, request)
                speeds.append(speed)
                said.append(text)
            if i:  # the first round compiles
                ratios.append(speeds[1] / speeds[0])
                same.append(said[0] == said[1])
        figures[f"decode held to {name} / free"] = round(statistics.median(ratios), 3)
        figures[f"held to {name}: identical text"] = all(same)
    await engine.close()
    return figures


async def reuse() -> Figures:
    """Tokens evaluated for each token of the log: 50 answers, three turns of the user, on tiny
    models, with full attention and with a recurrent state; the worst of all families."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        full = build(Path(folder) / "full.gguf", layers=2, embd=64, heads=2, ctx=16_384)
        hybrid = build(Path(folder) / "hybrid.gguf", arch="qwen35", layers=4, ctx=16_384)
        hybrids = [family for family in FAMILIES if family.name in HYBRIDS]
        for kind, families, path in (
            ("full attention", FAMILIES, full),
            ("hybrid", hybrids, hybrid),
        ):
            found: list[float] = [await _reuse_of(family, path) for family in families]
            name = f"evaluated / new, {ANSWERS} answers, {len(families)} families, {kind}"
            figures[name] = round(float(max(found, key=_off)), 3)
    return figures


def _off(ratio: float) -> float:
    return abs(ratio - 1)


async def _reuse_of(family: Family, path: Path) -> float:
    engine = LlamaEngine(LlamaSettings(path, n_ctx=16_384, threads=1))
    await engine.load(lambda _progress: None)
    dialect = family.make("", True)
    talk = Exchange(engine, dialect, System("Be brief.", (TOOL,)), lambda _event: None)
    evaluated = 0
    for number in range(ANSWERS):
        sampling = Sampling(temperature=1.0, top_k=100, top_p=1.0, seed=number)
        reply = await talk.reply(talk.delta([_message(number)]), Ask(8, sampling))
        evaluated += reply.usage.evaluated
    # The last token of an answer is evaluated with the next message.
    new = engine._loaded().evaluated
    await engine.close()
    return evaluated / new


def _message(number: int) -> Message:
    if number in (0, 20, 40):
        return User(f"Look again, number {number}: is it True, true or null?  ")
    text = f'{{"ok": true, "n": {number}}}\ttrailing \nan é, a 漢, </tool_response> <|im_end|> '
    return ToolOutput(f"{number}.1", "look", text)


async def second() -> Figures:
    """The same project is opened twice, each time by a new engine, as two `agent do` do."""
    with tempfile.TemporaryDirectory() as store, workspace({"a.py": "x = 1\n"}) as folder:
        seconds: list[float] = []
        evaluated: list[int] = []
        for _ in range(2):
            engine = await open_engine(8192, BlockStore(Path(store), 1 << 33, print))
            session = Session(engine, folder, Collector.log(), Collector())
            await session.start(sandbox="auto")
            talk = session._exchange
            assert talk is not None
            front = engine.tokenize(talk._dialect.front(talk._system))
            started = time.perf_counter()
            # As Exchange.prepare does it.
            _, finished, _ = await to_end(engine, Request(front, 0, mark=len(front)))
            seconds.append(time.perf_counter() - started)
            evaluated.append(finished.usage.evaluated)
            await session.close()
    return {
        "fixed prompt, first one-shot: tokens evaluated": evaluated[0],
        "fixed prompt, second one-shot: tokens evaluated": evaluated[1],
        "fixed prompt: first one-shot / second (s)": round(seconds[0] / seconds[1], 1),
    }
