"""`agent bench context`: a long session through small windows, and what can be had back of it."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.app import Session
from agent.config import Limits
from agent.context.fold import digest_tokens
from agent.engine.scripted import ScriptedEngine
from agent.events import CallReturned, Folded, LogSet, ModelReplied
from agent.job import Job
from agent.session.index import Index
from agent.session.store import SessionLog
from bench import facts, outline
from bench.common import Collector
from bench.trace import FILES, THINGS, Fact, files, plant_facts
from tools.workspace import Workspace

WINDOWS = (4096, 8192, 32768, 200_000)
TURNS = 1000
TASKS = (
    "Bring the reports of all plants into one table. You must never write to ledger.txt. Use "
    "metric units only.",
    "Now check the table against the invoices. Do not use floating point for money.",
    "Write down what is still open. Keep every plant's name as it is spelled in its report.",
)
CONSTRAINTS = (
    "You must never write to ledger.txt",
    "Use metric units only",
    "Do not use floating point for money",
)


Call = tuple[str, dict[str, object]]


@dataclass(frozen=True)
class Through:
    """A session through one window. Shares are of `evaluated`, `least_freed` is of the window."""

    n_ctx: int
    calls: int
    printed_tokens: int
    entered_tokens: int
    largest: int
    overflows: int
    folds: int
    least_freed: float
    without_words: int
    evaluated: int
    again: float
    naive_again: float
    naive_appended_again: float
    recalled: str


def script(rng: random.Random, count: int) -> list[str]:
    """Calls of a long session: reading, searching, running, writing; the facts are read first."""
    said: list[str] = []
    for number in range(count):
        if number < len(THINGS):
            made: Call = ("read", {"path": f"plant{number:03}.txt"})
        else:
            word = rng.choice(THINGS).split()[0]
            # Not those with the facts: they are seen once, at the beginning.
            name, *more = (f"plant{rng.randrange(len(THINGS), FILES):03}.txt" for _ in range(3))
            choices: tuple[Call, ...] = (
                ("grep", {"pattern": f"{word}.*{number % 50}.* plant"}),
                ("read", {"path": name, "first_line": 1 + number % 90}),
                ("shell", {"command": f"sort {name} {' '.join(more)}; echo {number}"}),
                ("shell", {"command": f"cat plant0[3-9]*.txt | head -c {20_000 + number}"}),
                ("write", {"path": f"out{number}.txt", "content": _table(rng, number)}),
            )
            made = rng.choice(choices)
        call = {"name": made[0], "arguments": made[1]}
        said.append(f"<tool_call>\n{json.dumps(call)}\n</tool_call>")
    return said


def _table(rng: random.Random, number: int) -> str:
    """Sixty different rows: a model that writes the same one again and again is cut off."""
    return "".join(f"row {n} of table {number}: {rng.randrange(10_000)}\n" for n in range(60))


async def through(n_ctx: int, folder: Path, progress: Callable[[str], None]) -> Through:
    rng = random.Random(7)
    planted = plant_facts(rng)
    root = folder / "project"
    root.mkdir()
    for name, text in files(rng, planted).items():
        (root / name).write_text(text, "utf-8")
    calls = script(rng, TURNS)
    share = -(-TURNS // len(TASKS))
    watch = _Watch(n_ctx)
    lines = []
    for number in range(len(TASKS)):
        lines += [watch.saying(c) for c in calls[number * share : (number + 1) * share]]
        lines.append(watch.saying("done"))
    engine = watch.engine = ScriptedEngine(lines, n_ctx=n_ctx)
    screen = Collector()
    log = SessionLog.create(folder / "state")
    session = Session(engine, Workspace(root), log, screen)
    await session.start(sandbox="off")
    for text in TASKS:
        watch.words.append(text.partition(".")[0])
        job = Job(text, session.workspace, limits=Limits(turns=0, time_s=0))
        ended = await session.do(job)
        progress(f"  {n_ctx}: {ended.stop}")
    log.close()
    assert log.folder is not None
    found = _recalled(log.folder, planted)
    await session.close()
    kept = sum(file.stat().st_size for file in (log.folder / "output").iterdir())
    return _measured(n_ctx, watch, screen, engine, found, kept)


class _Watch:
    """Looks at every prompt: does it fit, are the user's words in it?"""

    def __init__(self, n_ctx: int):
        self.n_ctx = n_ctx
        self.words: list[str] = []
        self.engine: ScriptedEngine | None = None
        self.largest = 0
        self.overflows = 0
        self.without = 0

    def saying(self, text: str) -> Callable[[str], str]:
        def line(prompt: str) -> str:
            assert self.engine is not None
            asked = self.engine.asked[-1]
            size = asked.start + len(asked.request.delta) + asked.request.max_tokens
            self.largest = max(self.largest, size)
            self.overflows += size > self.n_ctx
            wanted = [*self.words, *CONSTRAINTS[: min(2, len(self.words)) + (len(self.words) > 1)]]
            self.without += not all(words in prompt for words in wanted)
            # A thousand prompts of 200,000 tokens are more than the memory of small machines.
            self.engine.asked[-1] = replace(asked, prompt="")
            return text

        return line


def _recalled(folder: Path, planted: Sequence[Fact]) -> str:
    index = Index.open(folder)
    found = 0
    for fact in planted:
        found += any(fact.value in hit.snippet for hit in index.search(fact.question, 6))
    index.close()
    return f"{found}/{len(planted)}"


def _measured(
    n_ctx: int, watch: _Watch, screen: Collector, engine: ScriptedEngine, recalled: str, kept: int
) -> Through:
    """`kept` are the characters of the outputs that were too long to enter whole."""
    folds = [e for e in screen.events if isinstance(e, Folded)]
    results = [e for e in screen.events if isinstance(e, CallReturned)]
    short = sum(len(e.text) for e in results if "all of it is in" not in e.text)
    other, appended = naive(screen, n_ctx)
    return Through(
        n_ctx,
        calls=len(results),
        printed_tokens=(short + kept) // 4,
        entered_tokens=sum(len(e.text) for e in results) // 4,
        largest=watch.largest,
        overflows=watch.overflows,
        folds=len(folds),
        least_freed=min(((f.before - f.after) / n_ctx for f in folds), default=0.0),
        without_words=watch.without,
        evaluated=engine.evaluations,
        again=sum(f.again for f in folds) / engine.evaluations,
        naive_again=other,
        naive_appended_again=appended,
        recalled=recalled,
    )


def naive(screen: Collector, n_ctx: int) -> tuple[float, float]:
    """The share of tokens that "summarise everything at 80%" evaluates again on the same trace.

    As most agents do it, with a prompt of its own for the summary, so that the whole window is
    evaluated once more; and with the request behind the live history.
    """
    front = 0
    used = again = appended = total = 0
    for event in screen.events:
        if isinstance(event, LogSet) and not event.reply:
            kinds = {kind for kind, _, _ in event.parts}
            front = front or sum(n for k, _, n in event.parts if k in ("system", "tools"))
            used += 0 if "summary" in kinds else len(event.tokens)
            total += 0 if "summary" in kinds else len(event.tokens)
        elif isinstance(event, ModelReplied):
            used += len(event.tokens)
            total += len(event.tokens)
        if used > 0.8 * n_ctx:
            again += used + digest_tokens(n_ctx)
            appended += digest_tokens(n_ctx)
            used = front + digest_tokens(n_ctx)
    return again / (total + again), appended / (total + appended)


async def windows(progress: Callable[[str], None]) -> list[Through]:
    found = []
    for n_ctx in WINDOWS:
        with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
            found.append(await through(n_ctx, Path(folder), progress))
    return found


async def run(*, as_json: bool, progress: Callable[[str], None] = print) -> None:
    """Everything; prints lines or one JSON object."""
    say = (lambda _text: None) if as_json else progress
    found = await windows(say)
    mapped = _outline()
    known = await facts.measure(say)
    if as_json:
        rows = {"windows": [asdict(each) for each in found], "outline": mapped}
        print(json.dumps({**rows, "facts": [asdict(each) for each in known]}))
        return
    for each in found:
        print(
            f"window {each.n_ctx:7,}: {each.calls} calls, {each.printed_tokens:,} tokens of "
            f"output, {each.entered_tokens:,} of them entered; "
            f"largest call {each.largest:,}, {each.overflows} overflows; {each.folds} folds, each "
            f"freed at least {each.least_freed:.0%}; {each.without_words} prompts without the "
            f"user's words; evaluated again {each.again:.1%} of {each.evaluated:,} (summarising "
            f"everything at 80%: {each.naive_again:.1%}, appended "
            f"{each.naive_appended_again:.1%}); {each.recalled} facts recalled"
        )
    print(
        f"outline of {outline.FILES:,} files: {mapped['cold_s']} s cold, "
        f"{mapped['warm_s']} s warm, "
        f"{'the same' if mapped['stable'] else 'NOT THE SAME'} bytes"
    )
    for row in known:
        print(
            f"{row.answered} of {row.asked} facts answered by the real model in a window of "
            f"{row.n_ctx:,}: {row.folds} folds in a session of {row.session_tokens:,} tokens, "
            f"{row.in_window} of them in the window at its end"
        )


def _outline() -> dict[str, float | bool]:
    """Wall seconds of the map of a large repository, first and again."""
    with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
        root, store = Path(folder, "project"), Path(folder, "store.sqlite")
        outline.make(root)
        cold, text = outline.timed(root, store)
        warm, again = outline.timed(root, store)
    return {
        "cold_s": float(cold.split()[0]),
        "warm_s": float(warm.split()[0]),
        "stable": text == again,
    }
