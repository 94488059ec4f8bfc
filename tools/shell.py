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
from tools.sandbox.watch import first_of_sandbox, gone, size, watch
from tools.text import is_argument

LONGEST_S = 600
TAIL_SHARE = 2 / 3
# After the command itself has ended: how long what it left behind may still print, and how long
# it has between TERM and KILL.
DRAIN_S = 0.5
GRACE_S = 2.0
CHUNK = 64 * 1024
TIME_UP = "time"
# What a shell makes of a death by SIGXFSZ.
TOO_LARGE = 128 + signal.SIGXFSZ


class ShellArguments(Arguments):
    command: str
    timeout_s: int = Field(default=120, ge=1, le=LONGEST_S)


@dataclass(frozen=True)
class CommandOutcome:
    """What a command did.

    ``exit_code`` is None when it was stopped; above 128 it was killed by signal exit_code - 128.
    ``text`` is stdout and stderr in order, cut to the limit of the output store. ``stopped`` says
    which limit it passed, for people and models, and is ``""`` when it ended by itself.
    """

    exit_code: int | None
    text: str
    timed_out: bool
    seconds: float
    stopped: str = ""


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
    elif outcome.stopped:
        status = f"stopped: {outcome.stopped}"
    else:
        status = f"exit code {outcome.exit_code}"
        if outcome.exit_code == TOO_LARGE:
            status += (
                f": a file passed the limit of {size(context.sandbox.profile.limits.file_size)}"
            )
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
        stopped, code = await _follow(process, read_end, spool, launch, timeout_s)
    finally:
        os.close(read_end)
        text = spool.finish()
    exit_code = None if stopped else code if code >= 0 else 128 - code
    seconds = time.monotonic() - started
    timed_out = stopped == TIME_UP
    return CommandOutcome(exit_code, text, timed_out, seconds, "" if timed_out else stopped)


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
    process: asyncio.subprocess.Process,
    read_end: int,
    spool: Spool,
    launch: Launch,
    timeout_s: float,
) -> tuple[str, int]:
    """Collect the output until the command ends; then what it was stopped for, and its code."""
    pump = asyncio.create_task(_pump(read_end, spool, launch.limits.output))
    first = asyncio.create_task(first_of_sandbox(process.pid))
    watcher = asyncio.create_task(watch(process.pid, launch.limits, launch.cwd))
    try:
        stopped = await _wait(process, timeout_s, pump, watcher)
        await asyncio.wait([pump], timeout=DRAIN_S)
    finally:
        watcher.cancel()
        _signal_group(process.pid, signal.SIGKILL)
        try:
            await _see_gone(first)
            # What was killed has closed its end; what left the group is not waited for.
            await asyncio.wait([pump], timeout=DRAIN_S)
        finally:
            pump.cancel()
            await asyncio.gather(pump, watcher, return_exceptions=True)
    return stopped, await process.wait()


async def _see_gone(first: asyncio.Task[int | None]) -> None:
    """Wait until nothing of the sandbox is alive: a process less may still be writing."""
    if not first.done():
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    descriptor = None if first.cancelled() or first.exception() else first.result()
    if descriptor is not None:
        await gone(descriptor)


async def _wait(
    process: asyncio.subprocess.Process,
    timeout_s: float,
    pump: asyncio.Task[str],
    watcher: asyncio.Task[str],
) -> str:
    """Wait for the end; stop the whole group when it is too much. Why it was stopped, or ""."""
    ending = asyncio.create_task(process.wait())
    try:
        deadline = time.monotonic() + timeout_s
        waiting: set[asyncio.Task[int] | asyncio.Task[str]] = {ending, pump, watcher}
        while waiting:
            left = max(0.0, deadline - time.monotonic())
            done, _ = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                return ""
            if not done:
                break
            for task in (watcher, pump):
                if task in done and (reason := task.result()):
                    _signal_group(process.pid, signal.SIGKILL)
                    await ending
                    return reason
            # All have closed their ends of the pipe, and the command goes on.
            waiting -= done
        _signal_group(process.pid, signal.SIGTERM)
        await asyncio.wait([ending], timeout=GRACE_S)
        _signal_group(process.pid, signal.SIGKILL)
        await ending
        return TIME_UP
    finally:
        ending.cancel()


async def _pump(descriptor: int, spool: Spool, most: int) -> str:
    """Move all that is written to the pipe into the spool, until everybody has closed it.

    Returns "", or what to say about a command that printed more than `most` bytes (0: any).
    """
    os.set_blocking(descriptor, False)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    total = 0
    try:
        while True:
            await readable.wait()
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                readable.clear()
                continue
            if not data:
                return ""
            spool.feed(data)
            total += len(data)
            if most and total > most:
                return f"it printed more than {size(most)}"
            # Let timeouts and cancellation in, however fast the command prints.
            await asyncio.sleep(0)
    finally:
        loop.remove_reader(descriptor)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
