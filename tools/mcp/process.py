"""A server's process: started in a clean environment, and gone with all its children at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# Handed on by every child, however it detaches itself.
MARK = "INGLE_MCP_PROCESS"
PLAIN = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
GRACE_S = 2.0  # after stdin was closed, and again after TERM

Spawn = Callable[[Sequence[str], Mapping[str, str], Path], Awaitable[asyncio.subprocess.Process]]
"""Starts (argv, whole environment, folder) with three pipes, as the leader of a new session."""


async def spawn_plain(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path
) -> asyncio.subprocess.Process:
    """Start without a sandbox. Raises OSError."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *argv, env=dict(env), cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe,
        start_new_session=True,
    )  # fmt: skip


def server_environment(
    source: Mapping[str, str], wanted: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """The environment of a server, and the mark that its processes can be found by.

    Of the user's own variables it gets only those of :data:`PLAIN`, and what its entry names.
    """
    mark = uuid.uuid4().hex
    env = {name: source[name] for name in PLAIN if name in source}
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {**env, **wanted, MARK: mark}, mark


async def stop(process: asyncio.subprocess.Process, mark: str) -> None:
    """Close stdin, wait, TERM, wait, KILL: the order of the MCP specification."""
    if process.stdin is not None:
        with suppress(OSError, RuntimeError):
            process.stdin.close()
    try:
        if not await _ended(process, GRACE_S):
            _signal(process.pid, signal.SIGTERM)
            await _ended(process, GRACE_S)
    finally:
        kill_tree(process.pid, mark)
    await _all_gone(mark)


def kill_tree(pid: int, mark: str) -> None:
    """Kill the process group and whatever carries the mark."""
    _signal(pid, signal.SIGKILL)
    _kill(marked(mark))


async def _all_gone(mark: str) -> None:
    """Nothing is left of the server.

    A killed process lives until it is scheduled again, which takes a while on a busy machine,
    and one may have forked while the list was read.
    """
    deadline = asyncio.get_running_loop().time() + GRACE_S
    while (left := marked(mark)) and asyncio.get_running_loop().time() < deadline:
        _kill(left)
        await asyncio.sleep(0.01)


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def marked(mark: str) -> list[int]:
    """This user's processes that were started with the mark (none where there is no /proc)."""
    wanted = f"{MARK}={mark}".encode()
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if wanted in _environment(entry) and entry.name != str(os.getpid())
    ]


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(OSError):
        os.killpg(pid, number)


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether the process ended in time.

    asyncio's wait() also waits for the pipes, which a child may hold for ever.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None:
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(0.01)
    return True
