"""What a real model still knows after its window was folded: thirty facts, asked for at the end.

The facts are printed once, by a command that cannot be run again, in the first twentieth of a
session. The rest of the session reads and counts. What the agent calls is dictated, so that both
sessions have the same trace; every token is evaluated by the real model, folds and notes are the
real ones, and the model answers by itself. Each question goes to a copy of the session, resumed
from disk as `--continue` does.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from agent.app import Session
from agent.config import Limits
from agent.engine.base import Chunk, Finished, Piece, Request
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine
from agent.events import Folded, LogSet, ModelReplied, Summarised
from agent.job import Job
from agent.loading import llama_engine, plan_for
from agent.messages import Segment
from agent.models.plan import Wish
from agent.session.fork import fork
from agent.session.resume import load_earlier
from agent.session.store import SessionLog
from bench.common import Collector, resolved
from bench.trace import Fact, files, plant_facts
from tools.workspace import Workspace

# A window, and how many reports are read before the facts. The beginning of a window stays as it is
# where a fold frees enough without it: with two reports before them the facts are folded.
RUNS = ((8192, 0), (8192, 2), (32768, 0))
READS = 20
END = "<|im_end|>"
TASK = (
    "Print the notice board, then look through the reports of all plants, one after the other. "
    "Change nothing. Say when you are through."
)
STORE_BYTES = 6 << 30
TURNS = 4  # of the model for each answer


@dataclass(frozen=True)
class Known:
    """How many facts were answered with a window of `n_ctx` tokens.

    `in_window` of them stood in the window at the end as they were printed.
    """

    n_ctx: int
    in_window: int
    session_tokens: int
    folds: int
    notes: int
    refused_notes: int
    asked: int
    answered: int
    missed: tuple[str, ...]


class Dictated:
    """The real engine, whose first messages are given: evaluated, and not sampled."""

    def __init__(self, engine: LlamaEngine, lines: Sequence[str]):
        self._engine = engine
        self._lines = list(lines)

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    async def generate(self, request: Request) -> AsyncGenerator[Chunk, None]:
        given: list[int] = []
        guide = request.guide
        if self._lines and request.max_tokens:
            given = self._engine.tokenize([Segment(self._lines.pop(0)), Segment(END, control=True)])
            request = replace(request, delta=[*request.delta, *given], max_tokens=0, guide=None)
        async with aclosing(self._engine.generate(request)) as chunks:
            async for chunk in chunks:
                if given and isinstance(chunk, Finished):
                    if guide is not None:
                        guide.begin()
                    for token in given[:-1]:
                        text = self._engine.text(token)
                        if guide is not None:
                            guide.feed(text)
                        yield Piece(token, text)
                    chunk = replace(chunk, reason="end")
                yield chunk


def script(names: Sequence[str], before: int) -> list[str]:
    """The agent's side: the board is printed and gone, report after report is read."""
    made: list[tuple[str, dict[str, object]]] = [("read", {"path": name}) for name in names]
    made.insert(before, ("shell", {"command": "cat a1.out && rm a1.out"}))
    calls = [{"name": name, "arguments": arguments} for name, arguments in made]
    said = [f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls]
    return [*said, "I went through all of them."]


async def known(n_ctx: int, before: int, folder: Path, progress: Callable[[str], None]) -> Known:
    """One session through a window of `n_ctx` tokens, and its thirty answers."""
    rng = random.Random(11)
    planted = plant_facts(rng)
    root = folder / "project"
    root.mkdir()
    reports = list(files(rng, ()).items())[:READS]
    for name, text in reports:
        (root / name).write_text(text[:3000], "utf-8")
    board = "".join(fact.sentence + "\n" for fact in planted)
    (root / "a1.out").write_text(board, "utf-8")

    found = resolved()
    blocks = BlockStore(folder / "blocks", STORE_BYTES, progress)
    engine = llama_engine(found, plan_for(found, Wish(n_ctx)), blocks)
    screen = Collector()
    log = SessionLog.create(folder / "state")
    assert log.folder is not None
    dictated = Dictated(engine, script([name for name, _ in reports], before))
    session = Session(dictated, Workspace(root), log, screen)  # type: ignore[arg-type]
    await engine.load(lambda _progress: None)
    await session.start(sandbox="off")
    limits = Limits(turns=0, time_s=0)
    ended = await session.do(Job(TASK, session.workspace, limits=limits))
    progress(f"  {n_ctx}: {ended.stop}, {len(engine.log):,} tokens in the window")
    await session.leave()
    log.close()
    shown = "".join(map(engine.text, engine.log))
    in_window = sum(fact.sentence in shown for fact in planted)
    missed = []
    for fact in planted:
        answer = await _asked(engine, folder / "state", log.id, root, fact)
        if fact.value not in answer:
            missed.append(f"{fact.question} {fact.value}; said: {answer[:200]}")
        progress(f"  {n_ctx}: {fact.question} {'yes' if fact.value in answer else answer[:200]}")
    await engine.close()
    return _counted(n_ctx, in_window, screen, planted, missed)


async def _asked(engine: LlamaEngine, state: Path, name: str, root: Path, fact: Fact) -> str:
    """The answer of a copy of the session."""
    copy = fork(state, name)
    earlier = load_earlier(state, copy)
    log = SessionLog.resume(state, copy)
    await engine.rewind(0)
    session = Session(engine, Workspace(root), log, Collector(), earlier=earlier)
    await session.start(sandbox="off")
    job = Job(fact.question, session.workspace, limits=Limits(turns=TURNS, time_s=0))
    ended = await session.do(job)
    await session.leave()
    log.close()
    return ended.answer


def _counted(
    n_ctx: int, in_window: int, screen: Collector, planted: Sequence[Fact], missed: Sequence[str]
) -> Known:
    notes = [event for event in screen.events if isinstance(event, Summarised)]
    tokens = sum(
        len(event.tokens)
        for event in screen.events
        if isinstance(event, ModelReplied) or (isinstance(event, LogSet) and not event.reply)
    )
    return Known(
        n_ctx,
        in_window,
        session_tokens=tokens,
        folds=sum(isinstance(event, Folded) for event in screen.events),
        notes=sum(event.refused == "" for event in notes),
        refused_notes=sum(event.refused != "" for event in notes),
        asked=len(planted),
        answered=len(planted) - len(missed),
        missed=tuple(missed),
    )


async def measure(progress: Callable[[str], None]) -> list[Known]:
    """The same session through the small window and through one that holds all of it."""
    rows = []
    for n_ctx, before in RUNS:
        with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
            rows.append(await known(n_ctx, before, Path(folder), progress))
    return rows
