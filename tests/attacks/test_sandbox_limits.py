"""Commands that take more than their share. The controls take as much, with no limit set."""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC240

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.sandbox.profiles import Limits
from tools.shell import CommandOutcome, ShellArguments, run_command, run_shell

Attack = Callable[..., Awaitable[CommandOutcome]]
Limited = Callable[[bool, Limits], ToolContext]
NONE = Limits(0, 0, 0, 0, 0, 0, 0, 0)
MIB = 1 << 20
# Slow enough to be looked at on the way.
EAT = """
import signal
held = []
for _ in range(60):
    held.append(b"x" * (10 << 20))
    signal.sigtimedwait([signal.SIGUSR1], 0.02)
print("ate all")
"""
FILL = "for i in $(seq 40); do head -c 10M /dev/zero > f$i; sleep 0.05; done; echo filled"


async def test_a_sparse_file_of_100_gb_is_refused(
    limited: Limited, confined: ToolContext, root: Path
) -> None:
    """truncate, which takes no space and breaks what copies the file."""
    command = "truncate -s 100G big; stat -c %s big"
    assert (await run_command(command, limited(False, NONE), 60)).text == f"{100 << 30}\n"
    (root / "big").unlink()
    outcome = await run_command(command, confined, 60)
    assert "File size limit exceeded" in outcome.text
    assert outcome.text.endswith("\n0\n")


async def test_a_large_file_is_cut_off_and_the_model_told(limited: Limited, root: Path) -> None:
    """100 GB written in earnest; the limit is lowered so that a failure costs little."""
    size = 64 * MIB
    command = f"exec head -c {size} /dev/zero > big"
    assert (await run_command(command, limited(False, NONE), 60)).exit_code == 0
    assert (root / "big").stat().st_size == size
    context = limited(True, Limits(file_size=8 * MIB))
    arguments = ShellArguments(command="exec head -c 100G /dev/zero > big")
    result = await run_shell(arguments, context)
    assert (root / "big").stat().st_size == 8 * MIB
    assert "a file passed the limit of 8 MiB" in result.text
    assert not result.ok


async def test_many_files_do_not_fill_the_disk(limited: Limited, root: Path) -> None:
    """Files below the limit of one file, as many as there is room for."""
    assert (await run_command(FILL, limited(False, NONE), 60)).text == "filled\n"
    for file in root.iterdir():
        file.unlink()
    outcome = await run_command(FILL, limited(True, Limits(disk=100 * MIB)), 60)
    assert outcome.stopped.startswith("it wrote more than 100 MiB")
    assert sum(file.stat().st_size for file in root.iterdir()) < 400 * MIB


@pytest.mark.parametrize("folder", ["/tmp", "~", "/dev/shm"])
async def test_folders_in_memory_are_bounded(limited: Limited, folder: str) -> None:
    """Files in what looks like a disk and is memory."""
    command = f"head -c 64M /dev/zero > {folder}/ingle-attack && rm {folder}/ingle-attack"
    assert (await run_command(command, limited(True, NONE), 60)).exit_code == 0
    outcome = await run_command(command, limited(True, Limits(scratch=16 * MIB)), 60)
    assert "No space left on device" in outcome.text


async def test_memory_is_bounded(attack: Attack, limited: Limited) -> None:
    """600 MB where 200 are allowed."""
    assert (await attack(limited(False, NONE), EAT)).text == "ate all\n"
    outcome = await attack(limited(True, Limits(memory=200 * MIB)), EAT)
    assert outcome.stopped == "it used more than 200 MiB of memory"
    assert "ate all" not in outcome.text


async def test_memory_shared_by_forks_counts_once(attack: Attack, limited: Limited) -> None:
    """No attack: ten workers that share what their parent holds."""
    code = """
import os, signal
held = b"x" * (100 << 20)
for _ in range(10):
    if os.fork() == 0:
        signal.pause()
signal.sigtimedwait([signal.SIGUSR1], 1)
print("done")
"""
    outcome = await attack(limited(True, Limits(memory=300 * MIB)), code)
    assert (outcome.stopped, outcome.text) == ("", "done\n")


async def test_100_mb_of_output_with_nuls_stay_small(
    unconfined: ToolContext, confined: ToolContext
) -> None:
    """Output that would fill the context and the memory."""
    command = "head -c 100000000 /dev/zero; echo; echo the end"
    for context in (unconfined, confined):
        outcome = await run_command(command, context, 60)
        assert outcome.text.endswith("\nthe end\n")
        assert len(outcome.text) < context.output.limit + 300


async def test_output_without_end_is_stopped(limited: Limited) -> None:
    """A flood that nobody will read, before its time is up."""
    free = await run_command("yes | head -c 20000000 | tail -c 2", limited(False, NONE), 60)
    assert free.text == "y\n"
    result = await run_shell(ShellArguments(command="yes"), limited(True, Limits(output=10 * MIB)))
    assert result.text.endswith("stopped: it printed more than 10 MiB")


async def test_time_is_bounded(limited: Limited) -> None:
    """A command that does not end, and holds on when it is asked to."""
    outcome = await run_command("sleep 1; echo awake", limited(False, NONE), 60)
    assert outcome.text == "awake\n"
    result = await run_shell(
        ShellArguments(command="trap '' TERM; while :; do :; done", timeout_s=1),
        limited(True, Limits()),
    )
    assert "timed out after 1 s and was stopped" in result.text


async def test_a_command_cannot_raise_its_limits(limited: Limited) -> None:
    """ulimit, from inside."""
    command = "ulimit -f unlimited; ulimit -Hf; ulimit -n 1000000; ulimit -Hn; ulimit -c 1"
    free = (await run_command("ulimit -f 10; ulimit -f", limited(False, NONE), 60)).text
    assert free == "10\n"
    text = (await run_command(command, limited(True, Limits(file_size=MIB)), 60)).text
    assert text.count("cannot modify limit") == 3
    assert "\n1024\n" in f"\n{text}"
