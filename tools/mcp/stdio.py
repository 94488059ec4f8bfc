"""The stdio transport, bounded: a line has a largest length, and what is no message has a budget.

The SDK's own transport buffers a line without limit and spends a traceback on each broken one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from tools.mcp.log import ServerLog
from tools.mcp.process import Spawn, kill_tree, server_environment, stop

LONGEST_LINE = 32_000_000  # bytes; an image of 20 MB still fits
MOST_NOISE = 4_000_000  # bytes of banners and garbage; what says more than that is no server
CHUNK = 256 * 1024

Received = MemoryObjectSendStream[SessionMessage | Exception]
Streams = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]
]


class Broken(Exception):
    """The server broke the rules of the transport; the text says how."""


@dataclass
class End:
    """How a connection ended: `gone` is set when it did, and `reason` says why ('' if unknown)."""

    reason: str = ""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def because(self, reason: str) -> None:
        """The first reason stands."""
        self.reason = self.reason or reason
        self.gone.set()


@dataclass(frozen=True)
class Launch:
    """What is started: the command, what its entry adds to a clean environment, and where."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@asynccontextmanager
async def stdio_transport(
    launch: Launch, source: Mapping[str, str], spawn: Spawn, log: ServerLog, end: End
) -> AsyncIterator[Streams]:
    """A process and the messages to and from it; at the end all of its processes are gone.

    Raises:
        OSError: it cannot be started.
    """
    env, mark = server_environment(source, launch.env)
    process = await spawn(launch.argv, env, launch.cwd)
    try:
        received, reading = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        writing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as group:
            group.start_soon(_read, process, received, log, end)
            group.start_soon(_write, process, to_send, received)
            group.start_soon(_keep_stderr, process, log)
            try:
                yield reading, writing
            finally:
                # A server that is stuck writing cannot see that its stdin is closed.
                reading.close()
                writing.close()
                with anyio.CancelScope(shield=True):
                    await stop(process, mark)
                group.cancel_scope.cancel()
    finally:
        kill_tree(process.pid, mark)  # also when the event loop itself is being torn down
        _close_pipes(process)


async def _read(
    process: asyncio.subprocess.Process, received: Received, log: ServerLog, end: End
) -> None:
    assert process.stdout is not None
    noise = 0
    try:
        async with received:
            async for line in _lines(process.stdout):
                message = parse(line)
                if message is not None:
                    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                        await received.send(SessionMessage(message))
                    continue
                noise += len(line)
                if noise > MOST_NOISE:
                    raise Broken("it writes other things than messages to its output")
                if line.strip():
                    log.write(b"[stdout] " + line[:2000] + b"\n")
            end.because("")
    except Broken as error:
        log.note(str(error))
        end.because(str(error))


async def _lines(stdout: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream. Raises Broken where one is too long."""
    buffer = bytearray()
    while chunk := await stdout.read(CHUNK):
        start = len(buffer)
        buffer += chunk
        if b"\n" in chunk:
            *whole, rest = bytes(buffer).split(b"\n")
            for line in whole:
                yield line
            buffer = bytearray(rest)
        elif start > LONGEST_LINE:
            raise Broken(f"it sent a line of more than {LONGEST_LINE // 1_000_000} MB")
    if buffer:
        yield bytes(buffer)


async def _write(
    process: asyncio.subprocess.Process,
    to_send: MemoryObjectReceiveStream[SessionMessage],
    received: Received,
) -> None:
    assert process.stdin is not None
    try:
        async with to_send:
            async for item in to_send:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode("utf-8", "replace") + b"\n")
                await process.stdin.drain()
    except (OSError, RuntimeError):
        # It may still live, but nobody can talk to it: the session has to see that.
        await received.aclose()


async def _keep_stderr(process: asyncio.subprocess.Process, log: ServerLog) -> None:
    assert process.stderr is not None
    while chunk := await process.stderr.read(CHUNK):
        log.write(chunk)


def parse(line: bytes) -> Any:
    """The JSON-RPC message of a line; None when it is none.

    Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD: one bad file name in a
    result should not cost the whole result.
    """
    text = line.decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return None
    adapter = mcp_types.jsonrpc_message_adapter
    try:
        return adapter.validate_json(text, by_name=False)
    except ValidationError:
        pass
    try:
        return adapter.validate_python(_mended(json.loads(text, strict=False)), by_name=False)
    except (ValueError, RecursionError):
        return None


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    """Let go of pipes that a child of the server may still hold open."""
    transport: Any = getattr(process, "_transport", None)
    close: Callable[[], None] | None = getattr(transport, "close", None)
    if close is not None:
        with suppress(OSError):
            close()
