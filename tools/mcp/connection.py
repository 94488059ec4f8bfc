"""One server: one task owns its connection, connects again when it is lost, and knows its tools.

anyio's scopes have to be left by the task that entered them, so only the owner enters and leaves
the SDK's client; calls may come from any task.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import anyio
import mcp_types
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.client.session import IncomingMessage
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.subscriptions import PromptsListChanged, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tools.mcp.entry import Entry
from tools.mcp.listing import all_pages, all_tools, with_defaults
from tools.mcp.log import ServerLog
from tools.mcp.reasons import Unavailable, reason_of
from tools.mcp.stdio import End

MOST_FAILURES = 5  # in a row; then only a call makes it try again
MOST_WAIT_S = 60.0
State = Literal["new", "connecting", "ready", "failed", "closed"]
Elicit = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Asks a person for (server, message, JSON Schema); None when nobody answers or says no."""


async def nobody(_server: str, _message: str, _schema: dict[str, Any]) -> dict[str, Any] | None:
    """Declines: there is no person to ask."""
    return None


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 0.5, 1, 2 and so on."""
    return float(min(MOST_WAIT_S, 0.5 * 2 ** (failures - 1)))


@dataclass(frozen=True)
class Hooks:
    """What a connection tells and asks; each gets the server's name first.

    `changed` is called when the list of tools is known and whenever it became another one.
    """

    changed: Callable[[str], None] = lambda _server: None
    elicit: Elicit = nobody
    backoff: Callable[[int], float] = backoff


Opener = Callable[[End], Any]
"""Makes what the SDK's client connects to: a transport, whose end is told to the :class:`End`."""


def _quiet() -> None:
    """The SDK logs tracebacks of what we report in a line, and without a handler to stderr."""
    for name in ("mcp", "client"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


class Connection:
    """A server while it is used. `entry` says what it is, `opener` how it is reached."""

    def __init__(self, entry: Entry, opener: Opener, log: ServerLog, hooks: Hooks | None = None):
        self.entry = entry
        self.log = log
        self.state: State = "new"
        self.reason = ""
        self.version = ""
        self.instructions = ""
        self.tools: list[mcp_types.Tool] = []
        self.prompt_list: list[mcp_types.Prompt] = []  # as soon as it is known
        self._opener = opener
        self._hooks = hooks or Hooks()
        self._client: Client | None = None
        self._owner: asyncio.Task[None] | None = None
        self._end = End()
        self._closing = False
        self._wanted = asyncio.Event()  # a call waits for a connection that was given up
        self._settled = asyncio.Event()  # it is ready, or it failed
        self._stale = asyncio.Event()  # the list of tools is another one now
        self._prompts_stale = asyncio.Event()

    @property
    def name(self) -> str:
        return self.entry.name

    def start(self) -> None:
        """Begin to connect, in the background."""
        if self._owner is None:
            _quiet()
            self.state = "connecting"
            self._owner = asyncio.create_task(self._own(), name=f"mcp {self.name}")

    async def ready(self) -> Client:
        """The client, as soon as there is one.

        Raises:
            Unavailable: the server cannot be reached; the text says why.
        """
        self.start()
        if self.state == "failed":
            self._settled.clear()
            self._wanted.set()
        await self._settled.wait()
        if self._client is None:
            raise Unavailable(self.reason or "the connection is closed")
        return self._client

    async def close(self) -> None:
        """End the connection and the server's processes."""
        self._closing = True
        self._end.gone.set()
        self._wanted.set()
        if self._owner is not None:
            with suppress(asyncio.CancelledError):
                await self._owner
        self.state = "closed"
        self._settled.set()

    async def call(
        self, tool: str, arguments: dict[str, Any], progress: ProgressFnT | None = None
    ) -> mcp_types.CallToolResult:
        """Run a tool. Cancelling this cancels it on the server too.

        Raises:
            Unavailable: there is no connection, or it was lost during the call.
            MCPError: the server refused, or its time was up.
            Exception: the SDK could not make sense of the result.
        """
        client = await self.ready()
        result: mcp_types.CallToolResult = await self._asked(
            client.call_tool(tool, arguments, self.entry.call_s, progress_callback=progress)
        )
        return result

    async def _asked(self, request: Awaitable[Any]) -> Any:
        end = self._end
        try:
            return await request
        except MCPError as error:
            if error.code == mcp_types.CONNECTION_CLOSED or "ession terminated" in error.message:
                self._lost(end)
                told = "" if "onnection closed" in error.message else error.message
                said = end.reason or told or self.log.last
                why = f" ({said})" if said else ""
                text = f"the connection was lost during the request{why}; it may have been done"
                raise Unavailable(text) from error
            raise
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            self._lost(end)
            raise Unavailable("the connection was lost") from error

    def _lost(self, end: End) -> None:
        """Whoever calls now waits for the next connection, before the owner has seen the end."""
        end.because("")
        if end is self._end and self._client is not None:
            self._client = None
            self._settled.clear()

    async def resources(self) -> list[mcp_types.Resource]:
        """All resources. Raises as :meth:`call`."""
        client = await self.ready()
        if client.server_capabilities.resources is None:
            return []
        found: list[mcp_types.Resource] = await self._asked(
            all_pages(client.list_resources, "resources")
        )
        return found

    async def read_resource(self, uri: str) -> mcp_types.ReadResourceResult:
        """The contents at a URI. Raises as :meth:`call`."""
        client = await self.ready()
        result: mcp_types.ReadResourceResult = await self._asked(client.read_resource(uri))
        return result

    async def prompts(self) -> list[mcp_types.Prompt]:
        """All prompts. Raises as :meth:`call`."""
        client = await self.ready()
        if client.server_capabilities.prompts is None:
            return []
        found: list[mcp_types.Prompt] = await self._asked(all_pages(client.list_prompts, "prompts"))
        return found

    async def prompt(self, name: str, arguments: dict[str, str]) -> mcp_types.GetPromptResult:
        """A prompt with its arguments filled in. Raises as :meth:`call`."""
        client = await self.ready()
        result: mcp_types.GetPromptResult = await self._asked(client.get_prompt(name, arguments))
        return result

    async def _own(self) -> None:
        failures = 0
        while not self._closing:
            self._end = End()
            failures = 1 if await self._hold(self._end) else failures + 1
            if not self._closing:
                self.log.note(f"{self.reason} (failures in a row: {failures})")
                await self._pause(failures)

    async def _hold(self, end: End) -> bool:
        """Connect and stay connected until the end; whether there was a connection."""
        was_ready = False
        self.state = "connecting"
        try:
            with anyio.CancelScope() as scope:
                scope.deadline = anyio.current_time() + self.entry.start_s
                async with self._make_client(end) as client:
                    await self._list(client)
                    scope.deadline = math.inf
                    self._is_ready(client)
                    was_ready = True
                    await self._stay(client, end)
            self.reason = end.reason or "the server closed the connection"
            if scope.cancelled_caught:
                self.reason = f"it did not answer within {self.entry.start_s:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the session goes on
            self.reason = end.reason or reason_of(error, self.log)
        finally:
            self._client = None
            self.state = "closed" if self._closing else "failed"
            if was_ready and not self._closing:
                self._settled.clear()  # whoever calls now waits for the next attempt
            else:
                self._settled.set()
        return was_ready

    def _make_client(self, end: End) -> Client:
        return Client(
            self._opener(end),
            read_timeout_seconds=self.entry.call_s,
            elicitation_callback=self._elicit,
            message_handler=self._heard,
            client_info=mcp_types.Implementation(name="ingle", version=version("ingle")),
            cache=None,
        )

    def _is_ready(self, client: Client) -> None:
        self.version = client.protocol_version
        self.instructions = (client.instructions or "").strip()
        self._client, self.state, self.reason = client, "ready", ""
        self._settled.set()
        self._hooks.changed(self.name)

    async def _stay(self, client: Client, end: End) -> None:
        self._prompts_stale.set()
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, client)
            group.start_soon(self._follow_changes, client)
            group.start_soon(self._follow_prompts)
            await end.gone.wait()
            group.cancel_scope.cancel()

    async def _list(self, client: Client) -> None:
        self._stale.clear()
        self.tools = await all_tools(client) if client.server_capabilities.tools else []

    async def _follow_changes(self, client: Client) -> None:
        while True:
            await self._stale.wait()
            try:
                await self._list(client)
            except Exception as error:  # noqa: BLE001 - the old list stands
                self.log.note(f"its list of tools cannot be read again: {reason_of(error)}")
            else:
                self._hooks.changed(self.name)

    async def _follow_prompts(self) -> None:
        while True:
            await self._prompts_stale.wait()
            self._prompts_stale.clear()
            try:
                self.prompt_list = await self.prompts()
            except Exception as error:  # noqa: BLE001 - its tools are still of use
                self.log.note(f"its prompts cannot be listed: {reason_of(error)}")

    async def _listen(self, client: Client) -> None:
        """Since 2026-07-28 changes are told on a stream that has to be asked for."""
        tools, prompts = client.server_capabilities.tools, client.server_capabilities.prompts
        wanted = bool(tools and tools.list_changed), bool(prompts and prompts.list_changed)
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not any(wanted):
            return
        try:
            async with client.listen(
                tools_list_changed=wanted[0], prompts_list_changed=wanted[1]
            ) as events:
                async for event in events:
                    self._changed(event)
        except Exception as error:  # noqa: BLE001 - the server is still of use
            self.log.note(f"it does not tell when its tools change: {reason_of(error)}")

    def _changed(self, what: object) -> None:
        if isinstance(what, (mcp_types.ToolListChangedNotification, ToolsListChanged)):
            self._stale.set()
        elif isinstance(what, (mcp_types.PromptListChangedNotification, PromptsListChanged)):
            self._prompts_stale.set()

    async def _heard(self, message: IncomingMessage) -> None:
        self._changed(message)

    async def _elicit(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK names it
        params: mcp_types.ElicitRequestParams,
    ) -> mcp_types.ElicitResult | mcp_types.ErrorData:
        if isinstance(params, mcp_types.ElicitRequestURLParams):
            message, schema = f"{params.message} {params.url}", {}
        else:
            message, schema = params.message, params.requested_schema
        answer = await self._hooks.elicit(self.name, message, schema)
        if answer is None:
            return mcp_types.ElicitResult(action="decline")
        return mcp_types.ElicitResult(action="accept", content=with_defaults(answer, schema))

    async def _pause(self, failures: int) -> None:
        """Wait before the next attempt; a call cuts it short."""
        seconds = None if failures >= MOST_FAILURES else self._hooks.backoff(failures)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), seconds)
        self._wanted.clear()
