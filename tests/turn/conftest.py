"""Whole tasks with a scripted engine: real files, real processes, a real log on disk."""

from __future__ import annotations

import json
import os
import select
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.app import Job, Session
from agent.approval import Ask
from agent.config import Limits
from agent.engine.base import Sampling
from agent.engine.scripted import Line, ScriptedEngine
from agent.events import Event, TurnEnded
from agent.session import SessionLog, read_session
from tests.mcp_servers_used_in_tests.sessions import Place
from tests.screen import Screen
from tools.workspace import Workspace


@dataclass
class Desk:
    """A folder to work in and everything around it; `do` runs one task to its end."""

    root: Path
    state: Path
    screen: Screen = field(default_factory=Screen)
    session: Session | None = None
    engine: ScriptedEngine = field(default_factory=lambda: ScriptedEngine([]))

    async def open(
        self,
        lines: Sequence[Line],
        *,
        n_ctx: int = 8192,
        chunk: int = 4,
        sandbox: Any = "off",
        ask: Ask | None = None,
        rivals: Mapping[str, str] | None = None,
        branches: int = 1,
    ) -> Session:
        self.engine = ScriptedEngine(
            lines, n_ctx=n_ctx, chunk=chunk, rivals=rivals, branches=branches
        )
        log = SessionLog.create(self.state)
        self.session = Session(self.engine, Workspace(self.root), log, self.screen, ask)
        await self.session.start(sandbox=sandbox)
        return self.session

    async def do(
        self,
        lines: Sequence[Line],
        task: str = "fix it",
        *,
        n_ctx: int = 8192,
        chunk: int = 4,
        sandbox: Any = "off",
        ask: Ask | None = None,
        check: str = "",
        tries: int = 1,
        attempts: int = 1,
        rivals: Mapping[str, str] | None = None,
        branches: int = 1,
        attach: tuple[Path, ...] = (),
        sampling: Sampling | None = None,
        **limits: Any,
    ) -> TurnEnded:
        session = await self.open(
            lines, n_ctx=n_ctx, chunk=chunk, sandbox=sandbox, ask=ask, rivals=rivals,
            branches=branches,
        )  # fmt: skip
        return await session.do(
            Job(
                task, session.workspace, attach, check, Limits(**limits), sampling or Sampling(),
                sandbox, tries=tries, attempts=attempts,
            )
        )  # fmt: skip

    @staticmethod
    def block(path: str, text: str) -> str:
        """A file as a model writes it."""
        return f"{path}\n```python\n{text}```\n"

    @staticmethod
    def call(tool: str, **arguments: Any) -> str:
        body = json.dumps({"name": tool, "arguments": arguments})
        return f"<tool_call>\n{body}\n</tool_call>"

    @property
    def logged(self) -> list[Event]:
        """The events on disk."""
        assert self.session is not None
        return read_session(self.state, self.session.log.id)

    @property
    def log_file(self) -> Path:
        assert self.session is not None and self.session.log.folder is not None
        return self.session.log.folder / "events.jsonl"

    def shown(self, *kinds: type[Any]) -> list[Any]:
        """The events of some kinds, in order."""
        return [event for event in self.screen.events if isinstance(event, kinds)]

    def put(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def names(self) -> list[str]:
        found = (p for p in self.root.rglob("*") if p.is_file())
        return sorted(p.relative_to(self.root).as_posix() for p in found)

    def given(self, number: int) -> str:
        """The text that the model read right before its answer `number`, counted from 0."""
        asked = self.engine.asked[number]
        return self.engine.words(asked.request.delta)

    def put_calculator(self) -> str:
        """A module with a wrong function and its tests; the command that runs them."""
        self.put("calc.py", WRONG)
        self.put("test_calc.py", TESTS)
        # Not sys.executable: a checkout in /tmp has it where the sandbox shows nothing.
        return "python3 -m unittest -q"


RIGHT = """\
def add(a, b):
    return a + b


def double(a):
    return 2 * a
"""
WRONG = """\
def add(a, b):
    return a - b


def double(a):
    return 2 * a
"""
TESTS = """\
import unittest

from calc import add, double


class CalcTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(2, 3), 5)

    def test_double(self):
        self.assertEqual(double(4), 8)
"""


def has_ended(pid: str) -> bool:
    """Whether the process has been killed; it may take the system a moment to bury it."""
    try:
        process = os.pidfd_open(int(pid))
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 20)[0])
    finally:
        os.close(process)


@pytest.fixture
def right() -> str:
    return RIGHT


@pytest.fixture
def wrong() -> str:
    return WRONG


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    root = tmp_path / "project"
    root.mkdir()
    return Desk(root, tmp_path / "state")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    await made.leave()
