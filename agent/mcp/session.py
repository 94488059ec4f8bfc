"""What a session has to do with servers: which there are, what of them the model can call, and what
a message that names one brings along."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from agent.config import Folders
from agent.context.budget import Budget
from agent.dispatch import Dispatcher
from agent.events import Event, Notice, ToolsDeclared, WorkProgress
from agent.mcp.builtin import built_in_tools
from agent.mcp.late import LateTools, digest_of
from agent.mcp.manager import Manager, Surroundings
from agent.mcp.mentions import Around, mentioned
from agent.mcp.settings import configured
from agent.policy import Decision
from agent.policy.rules import Rule, parse_rule
from mcp_servers.web.tools import Web
from tools.base import Tool
from tools.mcp.sandboxed import sandboxed
from tools.sandbox.base import Sandbox

Elicit = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Asks a person for (server, message, JSON Schema); None when nobody answers or says no."""
AGAIN_SHARE = 32  # of the window, for what a fold declares again
ROOM_SHARE = 16  # and for what one message declares
CHARS_PER_TOKEN = 3
FINDER = "find_tools"


class SessionServers:
    """The servers of one session. `emit` gets events, `elicit` asks a person what a server wants to
    know (None: nobody is there), `past` are the events of an earlier session that goes on.

    Without `folders` there are none.
    """

    def __init__(
        self,
        folders: Folders | None,
        workspace: Path,
        web: Web,
        emit: Callable[[Event], None],
        past: Sequence[Event],
        elicit: Elicit | None = None,
    ):
        self.manager: Manager | None = None
        self.off: frozenset[str] = frozenset()
        self._folders = folders
        self._workspace = workspace
        self._web = web
        self._emit = emit
        self._past = past
        self._elicit = elicit
        self._n_ctx = 0
        self._late: LateTools | None = None
        self._dispatcher: Dispatcher | None = None
        self._offered: tuple[Tool[Any], ...] = ()
        self._told = ""  # what the model is told with its next message

    def start(self, sandbox: Sandbox, n_ctx: int) -> None:
        """Begin to connect to what is configured; nothing waits for it, and ours are not started.

        Raises:
            ConfigError: the user's file cannot be read.
        """
        self._n_ctx = n_ctx
        self._late = LateTools(self._past, self._emit, n_ctx // AGAIN_SHARE)
        if self._folders is None:
            return
        servers = configured(self._folders, self._workspace)
        self.off = frozenset(s.name for s in servers if s.source == "built in" and s.disabled)
        around = Surroundings(
            self._folders,
            self._workspace,
            dict(os.environ),
            spawner=lambda entry: sandboxed(entry, sandbox, self._workspace),
            notice=self._notice,
            progress=self._progress,
            elicit=self._elicit,
        )
        self.manager = Manager(servers, around, built_in_tools(self._workspace, self._web))
        self.manager.start()

    def _notice(self, text: str) -> None:
        self._emit(Notice(text))

    def _progress(self, server: str, done: float, total: float | None, message: str) -> None:
        stage = f"{server}: {message}" if message else server
        if total and total > 0:
            self._emit(WorkProgress(stage[:100], round(100 * done / total), 100))
        else:
            self._emit(WorkProgress(stage[:100], int(done), 0))

    async def close(self) -> None:
        """End all servers and their processes."""
        if self.manager is not None:
            await self.manager.close()

    def take(self, event: Event) -> None:
        """One event of the session."""
        if self._late is not None:
            self._late.take(event)

    def rules(self) -> list[Rule]:
        """Calls that need no question, since the user's own file says so."""
        if self.manager is None:
            return []
        return [parse_rule(text, Decision.ALLOW) for text in self.manager.allowed()]

    def tools(self, in_prompt: Sequence[Tool[Any]]) -> tuple[Tool[Any], ...]:
        """What the prompt declares beside `in_prompt`: of an earlier session, what it declared."""
        assert self._late is not None, "start() comes first"
        if self.manager is None:
            return ()
        names = {tool.name for tool in in_prompt}
        also = [name for name, ours in self.manager.ours.items() if ours[0].name not in names]
        self._offered = self.manager.tools(
            self._n_ctx, self._late.declare, self._late.is_shown, also
        )
        if self._past:
            return tuple(self._late.stands(self._offered))
        if self._offered:
            digests = {tool.name: digest_of(tool) for tool in self._offered}
            self._emit(ToolsDeclared(digests, in_prompt=True))
        return self._offered

    def serve(self, dispatcher: Dispatcher) -> None:
        """The tools are called through this one, those of an earlier session again."""
        assert self._late is not None, "start() comes first"
        self._dispatcher = dispatcher
        self._late.serve(dispatcher)
        if self._past and self.manager is not None:
            finder = [tool for tool in self._offered if tool.name == FINDER]
            self._told, gone = self._late.restore(self._find, finder)
            if gone:
                self._notice(f"not there any more: {', '.join(gone[:20])}")

    def _find(self, name: str) -> Tool[Any] | None:
        assert self.manager is not None
        offered = next((tool for tool in self._offered if tool.name == name), None)
        return offered or self.manager.tool(name)

    def told_again(self) -> str:
        """What a text that takes the place of folded messages says about tools."""
        again = self._late.told_again() if self._late is not None else ""
        return f"\n{again}" if again else ""

    async def brought(self, text: str) -> str:
        """What the model needs with a message of the user, beside its own words."""
        self._web.hear(text)
        told, self._told = self._told, ""
        made = self._dispatcher
        if self.manager is None or self._late is None or made is None:
            return told
        around = Around(
            self.manager,
            self._late,
            made.context,
            room=self._n_ctx // ROOM_SHARE,
            chars=Budget(self._n_ctx, self._n_ctx).attachments * CHARS_PER_TOKEN,
            allow=lambda name: _allow(made, name),
            notice=self._notice,
        )
        found = await mentioned(text, around)
        return "\n\n".join(part for part in (told, found) if part)


def _allow(made: Dispatcher, name: str) -> None:
    made.grants.add(name, for_good=False)
