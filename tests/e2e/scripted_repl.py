"""The real `agent` command with an engine that follows a script, for tests in a terminal.

`python scripted_repl.py SCRIPT [options of agent]`: SCRIPT is a Python file with LINES, what the
model says (see agent.engine.scripted), and maybe LOAD_GATE: a path that loading waits for. Without
LINES it is the real model.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import select
import sys
from collections.abc import AsyncIterator, Callable

import agent.cli.repl as repl
from agent.cli.main import main
from agent.engine.base import Sampling
from agent.engine.scripted import ScriptedEngine
from agent.events import WorkProgress
from agent.terms import Loaded, Report


def gated(path: str, *parts: str) -> Callable[[str], AsyncIterator[str]]:
    """Says the parts; between two of them it waits until somebody writes to the FIFO `path`."""

    async def say(_prompt: str) -> AsyncIterator[str]:
        for number, part in enumerate(parts):
            if number:
                await readable(path)
            yield part

    return say


async def readable(path: str) -> None:
    """No thread: one that waits would keep the process from ending."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    loop.add_reader(fifo, there.set)
    try:
        await there.wait()
        os.read(fifo, 1)
    finally:
        loop.remove_reader(fifo)
        os.close(fifo)


def wait(path: str) -> None:
    fifo = os.open(path, os.O_RDWR)
    select.select([fifo], [], [])
    os.read(fifo, 1)
    os.close(fifo)


def start(script: str, arguments: list[str]) -> None:
    told = runpy.run_path(script)

    def load(_name: str, report: Report, _wanted: object, *, keep: bool) -> Loaded:  # noqa: ARG001
        report(WorkProgress("load", 500, 1000))
        if "LOAD_GATE" in told:
            wait(told["LOAD_GATE"])
        engine = ScriptedEngine(told["LINES"], n_ctx=told.get("N_CTX", 8192))
        return Loaded(engine, "scripted", Sampling())

    if "LINES" in told:
        repl.load_model = load  # type: ignore[assignment]
    sys.argv = ["agent", *arguments]
    main()


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    start(sys.argv[1], sys.argv[2:])
