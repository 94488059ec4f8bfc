"""All servers of a session: connected in the background, their tools by name, closed at the end.

Nothing here is waited for when a session starts. What the prompt declares comes from the pins, so
it is the same in each session of a project whether or not a server answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.config import Folders
from agent.errors import ConfigError, UsageError
from agent.mcp.builtin import BUILT_IN, Tools
from agent.mcp.declare import CHARS_PER_TOKEN, arguments_of, shown, tokens
from agent.mcp.find import Declare, Found, find_tool
from agent.mcp.names import tool_names
from agent.mcp.pins import LONGEST_INSTRUCTIONS, Compared, Pin, Pins, ToolDeclaration, compare
from agent.mcp.settings import Configured, entry_of
from agent.messages import ToolSpec
from tools.base import Tool, ToolContext, ToolResult, failed
from tools.mcp.entry import StdioEntry
from tools.mcp.process import Spawn, spawn_plain
from tools.mcp.remote import remote_tool

if TYPE_CHECKING:
    from tools.mcp.connection import Connection, Elicit

SHARE = 16  # of the window, at most one part of so many for what is declared up front or at once
SETTLE_S = 15.0  # so long a search waits for servers that are still starting


Progress = Callable[[str, float, float | None, str], None]
"""Gets how far a call is: (server, done, total or None, message)."""


@dataclass(frozen=True)
class Surroundings:
    """What servers need of the outside: where things are, variables, how a process is started.

    `notice` gets lines for the user, `progress` how far a call is, `elicit` asks a person (None:
    nobody is there, which declines).
    """

    folders: Folders
    project: Path
    environment: Mapping[str, str]
    spawner: Callable[[StdioEntry], Spawn] = lambda _entry: spawn_plain
    notice: Callable[[str], None] = lambda _text: None
    progress: Progress = lambda *_: None
    elicit: Elicit | None = None
    backoff: Callable[[int], float] | None = None


class Manager:
    """The servers that may start: the user's own, and a project's that were approved.

    `ours` are the tools of servers of our own; they need no connection.
    """

    def __init__(
        self, servers: Sequence[Configured], around: Surroundings, ours: Tools | None = None
    ):
        self.around = around
        self.pins = Pins(around.folders, around.project)
        usable = [s for s in servers if not s.problem and not s.disabled]
        wanted = [s.name for s in usable if s.source == "built in"]
        self.ours = {name: tools for name, tools in (ours or {}).items() if name in wanted}
        usable = [s for s in usable if s.source != "built in"]
        self.waiting = [s for s in usable if s.source == "project" and not self.pins.get(s)]
        self._servers = {s.name: s for s in usable if s not in self.waiting}
        self._pinned: dict[str, Pin | None] = {
            n: self.pins.get(s) for n, s in self._servers.items()
        }
        self._problems: dict[str, str] = {}
        self._connections: dict[str, Connection] = {}
        self._states: dict[str, Compared] = {}
        self._tools: dict[str, Tool[Any]] = {}
        self._noted: set[str] = set()
        self._waited_for: set[str] = set()
        self._starting: asyncio.Task[None] | None = None

    @property
    def names(self) -> list[str]:
        """The servers that may start."""
        return list(self._servers)

    def mentionable(self) -> dict[str, str]:
        """What a message can name, ours first, and a word on each."""
        ours = {name: BUILT_IN.get(name, "") for name in self.ours}
        return ours | dict.fromkeys(self._servers, "MCP server")

    def knows(self, name: str) -> bool:
        """Whether there is a server of that name, ours included."""
        return name in self._servers or name in self.ours

    # Connecting

    def start(self) -> None:
        """Begin to connect to all servers at once, and come back at once."""
        if self._servers and self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="mcp start")
        for server in self.waiting:
            self._tell(
                f"the project's MCP server {server.name} is not started: look at it with "
                f"`agent mcp get {server.name}`, then `agent mcp approve {server.name}`"
            )

    async def _start(self) -> None:
        # The SDK takes a moment to import; the prompt is usable while it does.
        await asyncio.to_thread(_load_client)
        from agent.mcp.connect import connection

        for name, server in self._servers.items():
            try:
                entry = entry_of(server, self.around.environment, self.around.project)
            except ConfigError as error:
                self._fail(name, str(error))
                continue
            made = connection(entry, self.around, partial(self._listed, name))
            self._connections[name] = made
            made.start()

    def _fail(self, name: str, reason: str) -> None:
        self._problems[name] = reason
        self._tell(reason)

    def _tell(self, text: str) -> None:
        with suppress(BrokenPipeError):  # nobody looks any more; that ends the turn elsewhere
            self.around.notice(text)

    async def close(self) -> None:
        """End all servers and their processes."""
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
        await asyncio.gather(*(c.close() for c in self._connections.values()))

    def _listed(self, name: str) -> None:
        """A server has told its tools, for the first time or again."""
        from agent.mcp.connect import declarations

        server, made = self._servers[name], self._connections[name]
        now = declarations(made.tools)
        pin = self._pinned[name]
        state = compare(pin, now)
        # What the user wrote himself is trusted as it is met; a project's has to be looked at.
        if server.source == "user" and (state.new or pin is None):
            known = dict(pin.tools) if pin else {}
            known |= {tool.name: tool for tool in state.new}
            with suppress(ConfigError):
                text = made.instructions[:LONGEST_INSTRUCTIONS]
                self._pinned[name] = self.pins.put(server, list(known.values()), text)
            state = compare(self._pinned[name], now)
        self._states[name] = state
        blocked = [*state.changed, *(tool.name for tool in state.new)]
        if blocked:
            self._tell(
                f"MCP server {name}: {_few(blocked)} changed or new since it was approved, and not "
                f"used: look with `agent mcp get {name}`, then `agent mcp approve {name}`"
            )

    def ready(self) -> list[Connection]:
        """The servers that are connected now."""
        return [c for c in self._connections.values() if c.state == "ready"]

    async def connection(self, name: str) -> Connection:
        """One server, waited for. Raises UsageError."""
        if self._starting is not None:
            await asyncio.shield(self._starting)
        if name not in self._connections:
            reason = self._problems.get(name) or f"there is no MCP server {name!r}"
            raise UsageError(f"{reason}; `agent mcp list` shows them")
        return self._connections[name]

    def allowed(self) -> tuple[str, ...]:
        """Rules for calls that need no question: what the user's own entries name in `allow`."""
        rules: list[str] = []
        for name, server in self._servers.items():
            allow = server.raw.get("allow", []) if server.source == "user" else []
            names = tool_names(name, allow) if isinstance(allow, list) else {f"{name}__*": ""}
            rules += names if allow else ()
        return tuple(rules)

    # Tools

    def tools(
        self, n_ctx: int, declare: Declare, is_shown: Callable[[str], bool],
        also: Sequence[str] = (),
    ) -> tuple[Tool[Any], ...]:  # fmt: skip
        """What the prompt declares: `find_tools`, and whole servers as long as they fit.

        Only what is pinned counts, so nothing is waited for. `declare` and `is_shown` are asked
        when something is looked for; `also` are servers of ours that can be found there. They
        alone cost the prompt nothing.
        """
        if not self._servers:
            return ()
        room = n_ctx // SHARE
        finder = find_tool([*self.names, *also], self, declare, is_shown, room)
        chosen: list[Tool[Any]] = []
        for server in sorted(self._servers, key=self._estimate):
            if self._estimate(server) > room:
                break  # the rest is larger still; making tools takes a moment
            made = self._pinned_tools(server)
            room -= _cost(made)
            if room < 0:
                break
            chosen += made
        return (finder, *chosen)

    def tool(self, name: str) -> Tool[Any] | None:
        """The tool of a name that was declared once, as in a session that goes on."""
        found = self.findable().get(name)
        return found.make() if found else None

    def _estimate(self, server: str) -> int:
        """About how many tokens the server's tools take, without making them."""
        pin = self._pinned[server]
        declared = [asdict(tool) for tool in pin.tools.values()] if pin else []
        return len(json.dumps(declared, default=str)) // (2 * CHARS_PER_TOKEN)

    def _pinned_tools(self, server: str) -> list[Tool[Any]]:
        pin = self._pinned[server]
        names = tool_names(server, pin.tools) if pin else {}
        return [self._make(server, name, pin.tools[own]) for name, own in names.items() if pin]

    def _make(self, server: str, name: str, tool: ToolDeclaration) -> Tool[Any]:
        key = f"{name} {tool.digest}"
        if key not in self._tools:
            self._tools[key] = remote_tool(
                name,
                shown(tool.description),
                arguments_of(tool, name),
                partial(self._call, server, tool),
                writes=not tool.reads_only,
            )
        return self._tools[key]

    async def _call(
        self, server: str, tool: ToolDeclaration, arguments: dict[str, Any], context: ToolContext
    ) -> ToolResult:
        if self._starting is not None:
            await asyncio.shield(self._starting)
        if server in self._problems:
            return failed(self._problems[server])
        from agent.mcp.connect import run_tool

        return await run_tool(
            self._connections[server], tool.name, arguments, context,
            blocked=lambda: self._blocked(server, tool), progress=self.around.progress,
        )  # fmt: skip

    def _blocked(self, server: str, tool: ToolDeclaration) -> str:
        """Why a tool may not be used now; '' if it may."""
        state = self._states.get(server)
        if state is None or tool.digest in {same.digest for same in state.same}:
            return ""
        if tool.name in state.gone:
            return f"the server {server} has no tool {tool.name!r} any more"
        return (
            f"{tool.name!r} of the server {server} is another tool now than the one that was "
            "approved; it is not used until the user approves it again"
        )

    # What find_tools asks (agent.mcp.find.Library)

    async def settle(self) -> None:
        if self._starting is not None:
            await asyncio.shield(self._starting)
        open_ones = [
            asyncio.ensure_future(c.ready())
            for name, c in self._connections.items()
            if c.state == "connecting" and name not in self._waited_for
        ]
        self._waited_for |= set(self._connections)  # once is enough for one that is slow
        if open_ones:
            await asyncio.wait(open_ones, timeout=SETTLE_S)
            for waiting in open_ones:
                waiting.cancel()
            await asyncio.gather(*open_ones, return_exceptions=True)

    def findable(self) -> Mapping[str, Found]:
        found: dict[str, Found] = {}
        for server in self._servers:
            for tool_name, tool in self._allowed(server).items():
                text = f"{server} {tool.name} {tool.description}"
                found[tool_name] = Found(partial(self._make, server, tool_name, tool), server, text)
        for server, tools in self.ours.items():
            for own in tools:
                text = f"{server} {own.name} {own.description}"
                found[own.name] = Found(partial(_itself, own), server, text)
        return found

    def _allowed(self, server: str) -> dict[str, ToolDeclaration]:
        state, pin = self._states.get(server), self._pinned[server]
        known = state.same if state is not None else tuple(pin.tools.values()) if pin else ()
        by_name = {tool.name: tool for tool in known}
        return {name: by_name[own] for name, own in tool_names(server, by_name).items()}

    def notes(self, servers: Sequence[str]) -> str:
        texts = []
        for server in servers:
            pin = self._pinned.get(server)
            if pin and pin.instructions and server not in self._noted:
                self._noted.add(server)
                texts.append(f"The server {server} says: {pin.instructions}")
        return "\n".join(texts)

    def missing(self) -> str:
        reasons = dict(self._problems)
        reasons |= {
            name: c.reason or "it is still starting"
            for name, c in self._connections.items()
            if c.state in ("failed", "connecting")
        }
        return "\n".join(
            f"The server {name} cannot be used: {why}" for name, why in sorted(reasons.items())
        )


def _itself(tool: Tool[Any]) -> Tool[Any]:
    return tool


def _load_client() -> None:
    import agent.mcp.connect  # noqa: F401 - only imported, in a thread


def _cost(tools: Sequence[Tool[Any]]) -> int:
    return sum(tokens(ToolSpec(t.name, t.description, t.parameters())) for t in tools)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
