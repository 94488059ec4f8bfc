"""Attacks on the boundary. They need bubblewrap (apt install bubblewrap).

Each test first shows that the attack works without the defence: else it would prove nothing.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox
from tools.sandbox.profiles import WORKSPACE, Limits
from tools.shell import CommandOutcome, run_command
from tools.workspace import Workspace


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder on the host that the sandbox does not hide, unlike /tmp."""
    with tempfile.TemporaryDirectory(prefix=".attack-", dir=Path.cwd()) as folder:
        yield Path(folder).resolve()


@pytest.fixture
def root(ground: Path) -> Path:
    folder = ground / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(ground: Path) -> Path:
    folder = ground / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("the secret\n")
    return folder


@pytest.fixture
def unconfined(root: Path) -> ToolContext:
    return ToolContext(Workspace(root), Off(), OutputStore(None))


@pytest.fixture
def confined(root: Path) -> ToolContext:
    return ToolContext(Workspace(root), find_sandbox("bubblewrap"), OutputStore(None))


@pytest.fixture
def python() -> str:
    """A Python that is there inside and outside."""
    return str(Path(sys.executable).resolve())


@pytest.fixture
def attack(python: str) -> Callable[..., Awaitable[CommandOutcome]]:
    """Runs Python code in the workspace, with arguments."""

    async def run(context: ToolContext, code: str, *arguments: object) -> CommandOutcome:
        words = [python, "-I", "-S", "-c", code, *map(str, arguments)]
        return await run_command(shlex.join(words), context, 60)

    return run


@pytest.fixture
def limited(root: Path) -> Callable[..., ToolContext]:
    """The sandbox with other limits, or none at all without the sandbox: the control."""

    def make(confine: bool, limits: Limits) -> ToolContext:
        profile = replace(WORKSPACE, limits=limits)
        sandbox = find_sandbox("bubblewrap", profile) if confine else Off(profile)
        return ToolContext(Workspace(root), sandbox, OutputStore(None))

    return make


@pytest.fixture
def alive(root: Path) -> Callable[[], list[int]]:
    """The processes that work in the workspace now."""

    def find() -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    if (entry / "cwd").readlink().is_relative_to(root):
                        found.append(int(entry.name))
        return found

    return find
