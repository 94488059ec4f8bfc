"""Sizes and speeds, each as a ratio within one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from agent.app import Session
from agent.context.prompt import system_text
from agent.delegate import Parent, delegate_tool
from agent.dialects.choose import choose_dialect
from agent.engine import native
from agent.events import PlanChanged
from agent.messages import System, ToolSpec
from agent.plan import plan_tool
from agent.toolbox import fixed_tools
from bench.common import Collector, job, make_engine, resolved, workspace
from mcp_servers.web.tools import Web
from tools.catalog import default_tools

TURNS = [
    "Create greet.py with a function greet(name) that returns 'Hello, NAME!'.",
    "Which functions does greet.py define?",
    "Add a function shout(name) to greet.py that returns the greeting in capitals.",
    "Run: python3 -c 'import greet; print(greet.greet(\"Ada\"))'",
    "Create test_greet.py with one unittest for greet.",
    "Run the tests with python3 -m unittest.",
    "Create README.md with one sentence about the project.",
    "List the files.",
    "Search the files for the word return.",
    "Say in one sentence what the project does.",
]


def prompt() -> None:
    """Tokens of everything that stands before the user's first word."""
    native.silence()
    model = native.Model(resolved().path, progress=lambda _done: True, vocab_only=True)
    dialect = choose_dialect(model.chat_template(), blocks=True)
    here = Path()
    full = (
        *fixed_tools("full", here, resolved().path.name, Web()),
        plan_tool(_no_plan, lambda _event: None),
        delegate_tool(_no_parent),
    )
    for label, tools in (("small model", default_tools()), ("large model", full)):
        specs = tuple(ToolSpec(t.name, t.description, t.parameters(), t.raw) for t in tools)
        front = dialect.front(System(system_text(dialect.system_note), specs))
        count = sum(len(model.tokenize(s.text, control=s.control)) for s in front)
        print(f"fixed prompt, {label}, {len(specs)} tools: {count} tokens")


def _no_plan() -> PlanChanged:
    raise AssertionError("nothing is called here")


def _no_parent() -> Parent:
    raise AssertionError("nothing is called here")


async def reuse() -> None:
    """Ten turns in one session with the real model: what was evaluated against what was new."""
    with workspace({}) as folder:
        session = Session(make_engine(8192), folder, Collector.log(), Collector())
        await session.start(sandbox="auto")
        evaluated = 0
        for text in TURNS:
            ended = await session.do(job(text, folder, turns=4))
            evaluated += ended.usage.evaluated
            print(f"{ended.usage.prompt:5d} new, {ended.usage.reused:6d} reused  {text}")
        new = len(session.engine.log)
        await session.close()
    print(f"tokens evaluated {evaluated}, tokens in the log {new}, ratio {evaluated / new:.3f}")


def start() -> None:
    """Median seconds of a process, above bare python's."""
    agent = str(Path(sys.executable).parent / "agent")
    base = _seconds([sys.executable, "-c", ""])
    print(f"python -c '': {base:.3f} s")
    for words in (["--help"], ["sessions", "list"]):
        extra = _seconds([agent, *words]) - base
        print(f"agent {' '.join(words)}: {extra:+.3f} s above it")


def _seconds(command: list[str], runs: int = 11) -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(runs))
