"""What tests of servers share: entries for the servers of this folder, and their surroundings."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.config import Folders
from agent.mcp.connect import connection
from agent.mcp.manager import Manager, Surroundings
from agent.mcp.settings import Configured
from tools.base import ToolContext
from tools.mcp.connection import Connection
from tools.mcp.entry import Entry, StdioEntry
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.workspace import Workspace

HERE = Path(__file__).parent
RAW = str(HERE / "raw.py")
PLAIN = str(HERE / "plain.py")


def folders(base: Path) -> Folders:
    return Folders(base / "config", base / "cache", base / "state", base / "models")


def around(base: Path, **others: Any) -> Surroundings:
    """Everything below `base`; a lost connection is tried again at once."""
    made = Surroundings(folders(base), base, dict(os.environ), backoff=lambda _failures: 0.0)
    return replace(made, **others)


def raw(name: str, *arguments: str, **others: Any) -> StdioEntry:
    """The misbehaving server in one of its modes."""
    return StdioEntry(name, sys.executable, (RAW, *arguments), **others)


@asynccontextmanager
async def using(entry: Entry, surroundings: Surroundings) -> AsyncIterator[Connection]:
    """A connection that is closed at the end; it is not waited for."""
    made = connection(entry, surroundings, lambda: None)
    made.start()
    try:
        yield made
    finally:
        await made.close()


def written(name: str, *arguments: str, source: Any = "user", **others: Any) -> Configured:
    """The same server as a settings file has it."""
    entry = {"command": sys.executable, "args": [RAW, *arguments], **others}
    return Configured(name, entry, source)


@asynccontextmanager
async def managing(servers: list[Configured], surroundings: Surroundings) -> AsyncIterator[Manager]:
    manager = Manager(servers, surroundings)
    manager.start()
    try:
        yield manager
    finally:
        await manager.close()


def context(base: Path) -> ToolContext:
    return ToolContext(Workspace(base), Off(), OutputStore(base / "output"))
