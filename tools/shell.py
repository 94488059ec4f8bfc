"""The shell tool: one command line in the sandbox, bounded in time and in memory."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from pydantic import Field

from tools.base import Arguments, Tool, ToolContext, ToolResult, failed
from tools.output import Spool
from tools.sandbox.base import Launch
from tools.text import is_argument

LONGEST_S = 600
TAIL_SHARE = 2 / 3
# After the command itself has ended: how long what it left behind may still print, and how long
# it has between TERM and KILL.
DRAIN_S = 0.5
GRACE_S = 2.0
CHUNK = 64 * 1024


class ShellArguments(Arguments):
    command: str
    timeout_s: int = Field(default=120, ge=1, le=LONGEST_S)


@dataclass(frozen=True)
class CommandOutcome:
    """What a command did.

    ``exit_code`` is None when the time was up; above 128 it was killed by signal exit_code - 128.
    ``text`` is stdout and stderr in order, cut to the limit of the output store.
    """

    exit_code: int | None
    text: str
    timed_out: bool
    seconds: float


def shell_tool() -> Tool[ShellArguments]:
    """The tool as an object."""
    description = "Run a bash command in the workspace, without network and input."
    return Tool("shell", description, ShellArguments, run_shell, writes=True)


async def run_shell(arguments: ShellArguments, context: ToolContext) -> ToolResult:
    """Run the command; ``ok`` means that it exited with 0.

    Raises:
        SandboxUnavailable: nothing confines commands here; the caller's policy decides.
    """
    if not is_argument(arguments.command):
        return failed("not run: the command has a NUL or half of a surrogate pair in it")
    try:
        outcome = await run_command(arguments.command, context, arguments.timeout_s)
    except OSError as error:
        return failed(f"not run: {error.strerror}")
    text = outcome.text
    if text and not text.endswith("\n"):
        text += "\n"
    if outcome.timed_out:
        status = f"timed out after {arguments.timeout_s} s and was stopped"
    else:
        status = f"exit code {outcome.exit_code}"
    if not text:
        status += ", no output"
    return ToolResult(text + status, ok=outcome.exit_code == 0, exit_code=outcome.exit_code)


async def run_command(command: str, context: ToolContext, timeout_s: float) -> CommandOutcome:
    """Run a bash command line in the sandbox and wait for its end, at most `timeout_s` seconds.

    Whatever the command left running is killed when this returns, or when it is cancelled.

    Raises:
        SandboxUnavailable: nothing confines commands here and the user did not switch it off.
        OSError: it cannot be started, for example since the command is too long.
    """
    launch = context.sandbox.launch(command, context.workspace.root)
    spool = context.output.spool("shell", TAIL_SHARE)
    started = time.monotonic()
    # A pipe of our own: asyncio's would make wait() depend on who still holds the pipe.
    read_end, write_end = os.pipe()
    try:
        try:
            process = await _start(launch, write_end)
        finally:
            os.close(write_end)
        timed_out, code = await _follow(process, read_end, spool, timeout_s)
    finally:
        os.close(read_end)
        text = spool.finish()
    exit_code = None if timed_out else code if code >= 0 else 128 - code
    return CommandOutcome(exit_code, text, timed_out, time.monotonic() - started)


async def _start(launch: Launch, output: int) -> asyncio.subprocess.Process:
    """Start a session of its own, so that one signal reaches all of it."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cancelled just now, asyncio would kill the first process only, not its children.
        process = await starting
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        raise


async def _follow(
    process: asyncio.subprocess.Process, read_end: int, spool: Spool, timeout_s: float
) -> tuple[bool, int]:
    """Collect the output until the command ends; then whether its time was up, and its code."""
    pump = asyncio.create_task(_pump(read_end, spool))
    try:
        timed_out = await _wait(process, timeout_s)
        await asyncio.wait([pump], timeout=DRAIN_S)
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        try:
            # What was killed has closed its end; what left the group is not waited for.
            await asyncio.wait([pump], timeout=DRAIN_S)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
    return timed_out, await process.wait()


async def _wait(process: asyncio.subprocess.Process, timeout_s: float) -> bool:
    """Wait for the end; stop the whole group when the time is up. True when it was up."""
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
        return False
    except TimeoutError:
        _signal_group(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()
    return True


async def _pump(descriptor: int, spool: Spool) -> None:
    """Move all that is written to the pipe into the spool, until everybody has closed it."""
    os.set_blocking(descriptor, False)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        while True:
            await readable.wait()
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                readable.clear()
                continue
            if not data:
                return
            spool.feed(data)
            # Let timeouts and cancellation in, however fast the command prints.
            await asyncio.sleep(0)
    finally:
        loop.remove_reader(descriptor)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
