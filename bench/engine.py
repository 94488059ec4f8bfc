"""The engine's figures on the default model: each a ratio within one run, or a count.

Takes about a quarter of an hour on 2 cores, most of it one prompt of 16,000 tokens.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent.engine.base import Finished, Piece, Request, Sampling
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine, LlamaSettings
from bench import sessions
from bench.timing import (
    ROUNDS,
    Figures,
    NoGuide,
    asked,
    bare_run,
    open_engine,
    ratio,
    to_end,
    words,
)
from tests.tiny_gguf import build


async def run(*, as_json: bool) -> None:
    """Measure everything, and print it as lines or as one JSON object."""
    figures: Figures = {}
    for part in PARTS:
        found = await part()
        figures |= found
        if not as_json:
            for name, value in found.items():
                print(f"{name:52s} {value}")
    if as_json:
        print(json.dumps(figures, indent=1))


async def overhead() -> Figures:
    """Against a bare loop over llama.cpp's C interface, on the same context."""
    engine = await open_engine(4096)
    tokens = words(engine, 512)
    ours, bare = [], []
    for i in range(ROUNDS + 1):
        await engine.rewind(0)
        request = Request(tokens, 48, guide=NoGuide(), drafts=False)
        _, finished, speed = await to_end(engine, request)
        await engine.rewind(0)
        other = await engine._run(lambda: bare_run(engine, tokens, 48))
        if i:  # the first round warms caches up
            ours.append((len(tokens) / finished.usage.prefill_s, speed))
            bare.append(other)
    await engine.close()
    return {
        "prefill / bare loop": ratio(ours, bare, 0),
        "decode / bare loop": ratio(ours, bare, 1),
    }


async def attempts() -> Figures:
    """Tokens a second of four branches together, against one."""
    engine = await open_engine(4096)
    text = "Write a Python function that merges two sorted lists, and explain it."
    prompt = asked(engine, text)
    await to_end(engine, Request(prompt[:-1], 0))
    speeds: dict[int, list[float]] = {1: [], 4: []}
    for _ in range(ROUNDS):
        for count, found in speeds.items():
            requests = [
                Request(prompt[-1:], 48, Sampling(0.8, seed=i), NoGuide(), drafts=False)
                for i in range(count)
            ]
            made, started = 0, 0.0
            async for _, chunk in engine.grow(len(prompt) - 1, requests):
                if isinstance(chunk, Piece):
                    started = started or time.perf_counter()
                    made += 1
            found.append((made - count) / (time.perf_counter() - started))
    log = len(engine.log)
    _, finished, _ = await to_end(engine, Request(prompt[-1:], 1))
    await engine.close()
    return {
        "four branches / one (tok/s)": round(
            statistics.median(b / a for a, b in zip(speeds[1], speeds[4], strict=True)), 2
        ),
        "main tokens evaluated again after a fork": log - finished.usage.reused,
    }


async def speculation() -> Figures:
    """A file of 150 lines is written again with one name changed in 5 of them."""
    engine = await open_engine(8192)
    lines = inspect.getsource(json.decoder).splitlines()[200:350]
    source = "\n".join(lines)
    task = (
        "Rename the method raw_decode to decode_raw everywhere in this file, and write the whole "
        f"file again.\n\ndecoder.py\n```python\n{source}\n```"
    )
    prompt = asked(engine, task)
    said, speeds, usage = [], [], None
    for drafts in (False, True):
        await engine.rewind(0)
        text, finished, speed = await to_end(engine, Request(prompt, 1500, drafts=drafts))
        said.append(text)
        speeds.append(speed)
        usage = finished.usage
    await engine.close()
    assert usage is not None
    return {
        "speculation / plain decode": round(speeds[1] / speeds[0], 2),
        "speculation: identical text": said[0] == said[1],
        "speculation: drafts accepted": f"{usage.accepted} of {usage.drafted}",
    }


async def interrupts() -> Figures:
    """Milliseconds from the interrupt to the end of the call; tokens stay."""
    engine = await open_engine(4096)
    waits: dict[str, list[float]] = {"decode": [], "prefill": []}
    for stage, found in waits.items():
        for _ in range(5):
            await engine.rewind(0)
            asked = 0.0
            async for chunk in engine.generate(Request(words(engine, 1500), 500, drafts=False)):
                at_work = isinstance(chunk, Piece) == (stage == "decode")
                if at_work and not asked and not isinstance(chunk, Finished):
                    await asyncio.sleep(0.3 if stage == "prefill" else 0.03)
                    asked = time.perf_counter()
                    engine.interrupt()
            found.append(1000 * (time.perf_counter() - asked))
    await engine.close()
    return {f"interrupt in {stage}, worst of 5 (ms)": round(max(w)) for stage, w in waits.items()}


async def saving() -> Figures:
    """Prefill with and without blocks being saved."""
    with tempfile.TemporaryDirectory() as folder:
        store = BlockStore(Path(folder), 1 << 33, print)
        with_blocks, without = await open_engine(4096, store), await open_engine(4096)
        ratios = []
        for i in range(ROUNDS + 1):
            speeds = []
            for engine in (without, with_blocks):
                await engine.rewind(0)
                # Different tokens in each round: a block that is there is not saved again.
                tokens = words(engine, 1024 + i)[i:]
                _, finished, _ = await to_end(engine, Request(tokens, 0))
                speeds.append(1024 / finished.usage.prefill_s)
            if i:
                ratios.append(speeds[1] / speeds[0])
        await with_blocks.close()
        await without.close()
    return {"prefill with saving / without": round(statistics.median(ratios), 3)}


async def plumbing(length: int = 200_000) -> Figures:
    """Log, blocks, forks and restore at 200,000 tokens, on a tiny model with a sliding window."""
    with tempfile.TemporaryDirectory() as folder:
        path = build(Path(folder) / "tiny.gguf", arch="cohere2", ctx=262_144)
        settings = LlamaSettings(path, length + 4096, 2, fingerprint=b"tiny" * 8)
        seconds: dict[str, float] = {}

        async def timed(name: str, work: Awaitable[object]) -> None:
            started = time.perf_counter()
            await work
            seconds[name] = round(time.perf_counter() - started, 2)

        for name in ("cold", "from blocks"):
            engine = LlamaEngine(settings, BlockStore(Path(folder), 1 << 35, print))
            await engine.load(lambda _progress: None)
            tokens = words(engine, length)
            await timed(name, to_end(engine, Request(tokens, 8)))
            requests = [Request(words(engine, 8), 8)] * 4
            await timed(f"four forks, {name}", _all(engine, len(tokens), requests))
            await engine.close()
    return {f"200,000 tokens, {name} (s)": value for name, value in seconds.items()}


async def _all(engine: LlamaEngine, at: int, requests: Sequence[Request]) -> None:
    async for _ in engine.grow(at, requests):
        pass


async def late(near: int = 100, far: int = 8_000) -> Figures:
    """Decode against the bare loop behind few and behind many tokens: what the log costs."""
    engine = await open_engine(far + 600)
    found = []
    for length in (near, far):
        await engine.rewind(0)
        await to_end(engine, Request(words(engine, length), 0))
        found.append(await _behind(engine))
    await engine.close()
    return {
        f"decode / bare loop behind {near:,} tokens": round(found[0], 3),
        f"decode / bare loop behind {far:,} tokens": round(found[1], 3),
        f"of these, behind {far:,} / behind {near:,}": round(found[1] / found[0], 3),
    }


async def _behind(engine: LlamaEngine, count: int = 32) -> float:
    """Our decode against the bare loop's behind what stands in the log."""
    ratios = []
    at, step = len(engine.log), words(engine, 1)

    def bare() -> tuple[float, float]:
        return bare_run(engine, step, count, engine._loaded().evaluated)

    for _ in range(ROUNDS):
        request = Request(step, count, guide=NoGuide(), drafts=False)
        _, _, ours = await to_end(engine, request)
        await engine.rewind(at)
        ratios.append(ours / (await engine._run(bare))[1])
    return statistics.median(ratios)


async def restart(length: int = 16_000) -> Figures:
    """A session of 16,000 tokens: first token cold, and from blocks in a new engine."""
    with tempfile.TemporaryDirectory() as folder:
        engine = await open_engine(length + 600, BlockStore(Path(folder), 1 << 34, print))
        tokens = words(engine, length)
        cold = await _first_token(engine, tokens)
        await engine.rewind(length)
        await engine.close()
        engine = await open_engine(length + 600, BlockStore(Path(folder), 1 << 34, print))
        warm = await _first_token(engine, [*tokens, *words(engine, 1)])
        await engine.close()
    return {
        "restart after 16,000 tokens: cold / from blocks": round(cold / warm, 1),
        "restart after 16,000 tokens: from blocks (s)": round(warm, 2),
    }


async def _first_token(engine: LlamaEngine, tokens: list[int]) -> float:
    started = time.perf_counter()
    await to_end(engine, Request(tokens, 1))
    return time.perf_counter() - started


PARTS: tuple[Callable[[], Awaitable[Figures]], ...] = (
    overhead,
    sessions.constraints,
    attempts,
    speculation,
    interrupts,
    saving,
    sessions.reuse,
    sessions.second,
    plumbing,
    late,
    restart,
)
