"""`agent bench engine` and `agent bench context`: what they do on this machine."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import Literal

import click

from agent.errors import UsageError


@click.command()
@click.argument("what", type=click.Choice(["engine", "context"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def bench(what: Literal["engine", "context"], as_json: bool) -> None:
    """Measure the engine with the default model, or long sessions through small windows.

    Either takes about a quarter of an hour on 2 cores.
    """
    if importlib.util.find_spec("bench") is None:
        raise UsageError("the benchmarks are in the repository, not in the package: see README.md")
    module = importlib.import_module(f"bench.{what}")
    asyncio.run(module.run(as_json=as_json))
