"""Whole sessions with real servers and a scripted engine."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.app import Session
from agent.approval import Ask
from agent.config import Folders, Limits
from agent.engine.scripted import Line, ScriptedEngine
from agent.events import CallReturned, Notice, TurnEnded
from agent.job import Job
from agent.mcp.session import Elicit
from agent.policy import Decision, Policy, parse_rule
from agent.session.resume import last_in, load_earlier
from agent.session.store import SessionLog
from agent.toolbox import Profile
from tests.mcp_servers_used_in_tests.use import PLAIN, folders
from tests.screen import Screen
from tools.workspace import Workspace


@dataclass
class Place:
    """A home with its own settings and a project in it; sessions are opened one after the other."""

    base: Path
    screen: Screen = field(default_factory=Screen)
    engine: ScriptedEngine = field(default_factory=lambda: ScriptedEngine([]))
    session: Session | None = None

    @property
    def root(self) -> Path:
        folder = self.base / "project"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def folders(self) -> Folders:
        return folders(self.base)

    def configure(self, **servers: Any) -> None:
        """What the user's file says."""
        path = self.folders.config / "mcp.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"mcpServers": servers}))

    def plain(self) -> dict[str, Any]:
        """An entry for the well-behaved server, as a file of its own that a test may change."""
        script = self.base / "plain.py"
        if not script.exists():
            shutil.copy(PLAIN, script)
        return {"command": sys.executable, "args": [str(script)]}

    def change(self, old: str, new: str) -> None:
        """Change the text of the plain server's program."""
        script = Path(self.plain()["args"][0])
        text = script.read_text()
        assert old in text
        script.write_text(text.replace(old, new))

    async def open(
        self,
        lines: Sequence[Line],
        *,
        goes_on: bool = False,
        session: str = "",
        n_ctx: int = 16_384,
        profile: Profile = "small",
        rules: Sequence[str] = ("*",),
        ask: Ask | None = None,
        elicit: Elicit | None = None,
    ) -> Session:
        """A session, or the last one again as another process would open it."""
        await self.leave()
        state = self.folders.state
        earlier = load_earlier(state, session or last_in(state, self.root)) if goes_on else None
        self.engine = ScriptedEngine(lines, n_ctx=n_ctx, like=self.engine)
        log = SessionLog.resume(state, earlier.session) if earlier else SessionLog.create(state)
        policy = Policy(rules=tuple(parse_rule(rule, Decision.ALLOW) for rule in rules))
        self.session = Session(
            self.engine, Workspace(self.root), log, self.screen, ask, earlier=earlier,
            policy=policy, folders=self.folders, profile=profile, elicit=elicit,
        )  # fmt: skip
        await self.session.start(sandbox="off")
        return self.session

    async def say(self, text: str) -> TurnEnded:
        assert self.session is not None
        return await self.session.do(
            Job(text, self.session.workspace, limits=Limits(turns=0), sandbox="off")
        )

    async def leave(self) -> None:
        if self.session is not None:
            await self.session.close()
            self.session.log.close()
            self.session = None

    def given(self, number: int) -> str:
        """The text that the model read right before its answer `number`, counted from 0."""
        return self.engine.words(self.engine.asked[number].request.delta)

    def results(self) -> list[str]:
        """What calls brought back, in all sessions so far."""
        return [event.text for event in self.screen.events if isinstance(event, CallReturned)]

    def notices(self) -> list[str]:
        return [event.text for event in self.screen.events if isinstance(event, Notice)]


def call(tool: str, **arguments: Any) -> str:
    """A call as the scripted model writes it."""
    body = json.dumps({"name": tool, "arguments": arguments})
    return f"<tool_call>\n{body}\n</tool_call>"
