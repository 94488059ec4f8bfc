"""Looks after a running command: how much it uses, and that nothing of it is left at its end.

The kernel bounds what one process may do; what a whole tree of them holds is looked at here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tools.sandbox.profiles import Limits

POLL_S = 0.2
# The first process of a sandbox is there within milliseconds; short commands end soon after.
FIRST_POLL_S = 0.002
FIRST_POLLS = 50
GONE_S = 10.0
PAGE = os.sysconf("SC_PAGE_SIZE")
LEAST_MEMORY = 512 << 20
LEAST_DISK = 256 << 20
PROC = Path("/proc")


async def watch(pid: int, limits: Limits, folder: Path) -> str:
    """Watch the tree below `pid`, whose work is in `folder`, until it is too much.

    Returns:
        One line that says which limit was passed. It runs until then, or until cancelled.
    """
    memory = most_memory(limits)
    free = _free(folder)
    while True:
        await asyncio.sleep(POLL_S)
        pids = list(tree(pid, limits.processes or 100_000))
        if limits.processes and len(pids) > limits.processes:
            return f"it had more than {limits.processes:,} processes"
        if memory and _private(pids) > memory and _shared_fairly(pids) > memory:
            return f"it used more than {size(memory)} of memory"
        if limits.disk and (trouble := _disk_trouble(free, _free(folder), limits.disk)):
            return trouble


def most_memory(limits: Limits) -> int:
    """The bound in bytes; 0 when there is none or the machine does not say what is free."""
    if limits.memory is not None:
        return limits.memory
    with suppress(OSError, ValueError, IndexError):
        for line in (PROC / "meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return max(LEAST_MEMORY, int(line.split()[1]) * 1024 * 4 // 5)
    return 0


def tree(pid: int, most: int) -> Iterator[int]:
    """`pid` and what descends from it, at most one more than `most`; nothing where no /proc is."""
    waiting, count = [pid], 0
    while waiting and count <= most:
        current = waiting.pop()
        count += 1
        yield current
        waiting += children(current)


def children(pid: int) -> list[int]:
    """The processes that this one, in any of its threads, is the parent of."""
    found: list[int] = []
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_bytes().split())
    return found


async def first_of_sandbox(pid: int) -> int | None:
    """A descriptor for the first process of the PID namespace below `pid`, soon after its start.

    The kernel lets it end only when all others in the namespace have ended. None when there is no
    namespace, or the command was over before it could be seen.
    """
    for _ in range(FIRST_POLLS):
        for child in children(pid):
            if _is_first(child):
                with suppress(OSError):
                    return os.pidfd_open(child)
        await asyncio.sleep(FIRST_POLL_S)
    return None


async def gone(descriptor: int) -> bool:
    """Wait until the process of the descriptor has ended; closes it. False when it does not."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(GONE_S):
            await ended.wait()
        return True
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _is_first(pid: int) -> bool:
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text("ascii", "replace").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return len(numbers) > 1 and numbers[-1] == "1"
    return False


def _private(pids: list[int]) -> int:
    """Bytes that the processes hold, without files; what forks share counts for each."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError):
            fields = (PROC / str(pid) / "statm").read_bytes().split()
            total += (int(fields[1]) - int(fields[2])) * PAGE
    return total


def _shared_fairly(pids: list[int]) -> int:
    """The same with each shared page counted once; slow, so only asked when it may matter."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss_Anon:"):
                    total += int(line.split()[1]) * 1024
    return total


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _disk_trouble(before: int, now: int, most: int) -> str:
    """What is wrong with the disk's free space: it fell too far, or nearly to nothing."""
    if before - now > most:
        return (
            f"it wrote more than {size(most)}: the disk's free space fell by {size(before - now)}"
        )
    if before > 2 * LEAST_DISK > now + LEAST_DISK:
        return f"it left less than {size(LEAST_DISK)} of free space on the disk"
    return ""


def size(count: int) -> str:
    """Bytes for people and models."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{count} bytes"
