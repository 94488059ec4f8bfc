"""What the engine's figures are made with: the default model, a text, and a bare loop beside it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import llama_cpp.llama_cpp as C

from agent.engine.base import Finished, Piece, Request
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine
from agent.loading import llama_engine, plan_for
from agent.messages import Directive, Segment
from agent.models.plan import Wish
from bench.common import resolved

FILLER = "def area(shape):\n    return shape.width * shape.height  # in square metres\n\n"
ROUNDS = 3
Figures = dict[str, Any]


class NoGuide:
    """A guide that looks at the text as a parser would, and never steers."""

    def begin(self) -> Directive:
        return None

    def feed(self, _text: str) -> Directive:
        return None


async def open_engine(n_ctx: int, store: BlockStore | None = None) -> LlamaEngine:
    found = resolved()
    engine = llama_engine(found, plan_for(found, Wish(n_ctx)), store)
    await engine.load(lambda _progress: None)
    return engine


def words(engine: LlamaEngine, count: int) -> list[int]:
    one = engine.tokenize([Segment(FILLER)])
    return (one * (count // len(one) + 1))[:count]


async def to_end(engine: LlamaEngine, request: Request) -> tuple[str, Finished, float]:
    """The text, how it ended, and tok/s from the first piece to the last."""
    text, times = "", []
    async for chunk in engine.generate(request):
        if isinstance(chunk, Piece):
            text += chunk.text
            times.append(time.perf_counter())
        elif isinstance(chunk, Finished):
            finished = chunk
    speed = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
    return text, finished, speed


def ratio(
    ours: Sequence[tuple[float, float]], bare: Sequence[tuple[float, float]], i: int
) -> float:
    return round(statistics.median(a[i] / b[i] for a, b in zip(ours, bare, strict=True)), 3)


def bare_run(
    engine: LlamaEngine, tokens: list[int], count: int, at: int = 0
) -> tuple[float, float]:
    """tok/s of prefill and decode with nothing but llama_decode and a greedy sampler."""
    sequence = engine._loaded()
    context, vocab = sequence._context, sequence._tools.model.vocab
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_greedy())
    batch = C.llama_batch_init(512, 0, 1)

    def step(some: list[int], position: int) -> None:
        for i, token in enumerate(some):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position + i, 1
            batch.seq_id[i][0], batch.logits[i] = 0, int(i == len(some) - 1)
        batch.n_tokens = len(some)
        C.llama_decode(context.pointer, batch)

    started = time.perf_counter()
    step(tokens, at)
    token = C.llama_sampler_sample(chain, context.pointer, -1)
    prefill_s = time.perf_counter() - started
    position, started, made = at + len(tokens), time.perf_counter(), 0
    for _ in range(count - 1):
        if C.llama_vocab_is_eog(vocab, token):
            break
        step([token], position)
        token = C.llama_sampler_sample(chain, context.pointer, -1)
        position, made = position + 1, made + 1
    decode_s = time.perf_counter() - started
    C.llama_batch_free(batch)
    C.llama_sampler_free(chain)
    context.truncate(at)
    return len(tokens) / prefill_s, made / decode_s


def asked(engine: LlamaEngine, text: str) -> list[int]:
    return engine.tokenize(
        [
            Segment("<|im_start|>", control=True),
            Segment(f"user\n{text}"),
            Segment("<|im_end|>\n<|im_start|>assistant\n", control=True),
        ]
    )
