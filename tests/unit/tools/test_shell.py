from __future__ import annotations

import asyncio
import os
import select
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import FILE_CAP
from tools.sandbox.base import SandboxUnavailable
from tools.sandbox.missing import Missing
from tools.shell import CommandOutcome, ShellArguments, run_command, run_shell


class Lifeline:
    """A named pipe that a command holds open: its end shows that all holders are dead."""

    def __init__(self, root: Path) -> None:
        os.mkfifo(root / "lifeline")
        self.end = os.open(root / "lifeline", os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.end, True)
        # While this is open there is no end of the data.
        self.own = os.open(root / "lifeline", os.O_WRONLY)

    async def read(self) -> bytes:
        """Wait until a holder writes."""
        return await asyncio.to_thread(self.read_blocking)

    def read_blocking(self) -> bytes:
        assert select.select([self.end], [], [], 20)[0], "a holder is still alive"
        return os.read(self.end, 100)

    async def ended(self) -> bool:
        """Wait until all holders are dead; False when one wrote."""
        os.close(self.own)
        return await self.read() == b""


@pytest.fixture
def lifeline(root: Path) -> Iterator[Lifeline]:
    line = Lifeline(root)
    yield line
    os.close(line.end)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def run(context: ToolContext, command: str, timeout_s: float = 60) -> CommandOutcome:
    return await run_command(command, context, timeout_s)


async def test_output_and_errors_come_in_order_with_the_exit_code(
    shell_context: ToolContext,
) -> None:
    command = "echo one; echo two >&2; echo three; exit 3"
    result = await run_shell(ShellArguments(command=command), shell_context)
    assert result.text == "one\ntwo\nthree\nexit code 3"
    assert (result.ok, result.exit_code) == (False, 3)


async def test_success_without_output_is_said(shell_context: ToolContext) -> None:
    result = await run_shell(ShellArguments(command="true"), shell_context)
    assert (result.text, result.ok, result.exit_code) == ("exit code 0, no output", True, 0)


async def test_a_last_line_without_newline_keeps_its_own_line(context: ToolContext) -> None:
    result = await run_shell(ShellArguments(command="printf x"), context)
    assert result.text == "x\nexit code 0"


async def test_commands_run_in_the_workspace_and_may_write_there(
    shell_context: ToolContext, root: Path
) -> None:
    outcome = await run(
        shell_context, "pwd; mkdir sub && echo new > sub/file && chmod 600 sub/file"
    )
    assert (outcome.exit_code, outcome.text) == (0, f"{root}\n")
    assert (root / "sub/file").read_text() == "new\n"


async def test_there_is_no_input_to_wait_for(shell_context: ToolContext) -> None:
    assert (await run(shell_context, "cat; tty")).text == "not a tty\n"


async def test_death_by_a_signal_is_told_as_shells_do(shell_context: ToolContext) -> None:
    outcome = await run(shell_context, "kill -SEGV $$")
    assert outcome.exit_code == 128 + signal.SIGSEGV


async def test_bytes_that_are_no_text_are_replaced(context: ToolContext) -> None:
    assert (await run(context, r"printf 'a\xff\x00b'")).text == "a\ufffd\0b"


async def test_time_out_kills_all_and_keeps_the_output_so_far(
    shell_context: ToolContext, lifeline: Lifeline
) -> None:
    command = "exec 3>lifeline; echo before; sleep 300 & sleep 300"
    result = await run_shell(ShellArguments(command=command, timeout_s=1), shell_context)
    assert result.text == "before\ntimed out after 1 s and was stopped"
    assert (result.ok, result.exit_code) == (False, None)
    assert await lifeline.ended()


async def test_a_command_may_clean_up_when_its_time_is_up(context: ToolContext) -> None:
    command = "trap 'echo cleaned; exit' TERM; sleep 300 & wait"
    outcome = await run(context, command, 0.5)
    assert (outcome.timed_out, outcome.text) == (True, "cleaned\n")


async def test_a_command_that_ignores_the_request_to_end_is_killed(
    shell_context: ToolContext, lifeline: Lifeline
) -> None:
    outcome = await run(shell_context, "exec 3>lifeline; trap '' TERM; sleep 300; sleep 300", 0.5)
    assert outcome.timed_out
    assert await lifeline.ended()


async def test_cancelling_kills_all(shell_context: ToolContext, lifeline: Lifeline) -> None:
    command = "exec 3>lifeline; sleep 300 & echo started >&3; sleep 300"
    task = asyncio.create_task(run(shell_context, command))
    assert await lifeline.read() == b"started\n"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lifeline.ended()


async def test_cancelling_in_the_middle_of_the_start_kills_all(
    context: ToolContext, lifeline: Lifeline
) -> None:
    command = "exec 3>lifeline; sleep 300 & echo started >&3; sleep 300"
    task = asyncio.create_task(run(context, command))
    for _ in range(3):
        await asyncio.sleep(0)
    # Blocks the event loop: the command runs, and asyncio has not noticed yet.
    assert lifeline.read_blocking() == b"started\n"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lifeline.ended()


async def test_a_child_in_the_background_neither_holds_the_tool_nor_survives(
    shell_context: ToolContext, lifeline: Lifeline
) -> None:
    outcome = await run(shell_context, "exec 3>lifeline; sleep 300 & echo done")
    assert (outcome.exit_code, outcome.text) == (0, "done\n")
    assert outcome.seconds < 30
    assert await lifeline.ended()


async def test_a_child_that_left_the_group_does_not_hold_the_tool(context: ToolContext) -> None:
    outcome = await run(context, "setsid sleep 300 & echo $!")
    os.kill(int(outcome.text), signal.SIGKILL)
    assert outcome.exit_code == 0
    assert outcome.seconds < 30


async def test_what_is_printed_just_after_the_end_is_not_lost(context: ToolContext) -> None:
    outcome = await run(context, "exec 3> >(read -r line; echo late $line); echo x >&3")
    assert outcome.text == "late x\n"


async def test_long_output_keeps_more_of_its_end_and_says_where_the_rest_is(
    context: ToolContext,
) -> None:
    text = (await run(context, "seq 1 100000")).text
    assert len(text) < context.output.limit + 300
    head, tail = text.split("[lines ")
    assert head.startswith("1\n2\n")
    assert tail.endswith("\n99999\n100000\n")
    assert len(tail) > 1.8 * len(head)
    assert context.output.folder is not None
    kept = next(context.output.folder.iterdir())
    assert kept.read_text() == "".join(f"{number}\n" for number in range(1, 100_001))


@pytest.mark.parametrize("printer", ["yes a line of text", "tr '\\0' x < /dev/zero"])
async def test_a_flood_is_bounded_in_memory_and_on_disk(context: ToolContext, printer: str) -> None:
    tracemalloc.start()
    try:
        outcome = await run(context, f"{printer} | head -c 100000000; echo; echo the end")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.text.endswith("\nthe end\n")
    assert "has the first 64 MiB" in outcome.text
    assert peak < 4_000_000
    assert context.output.folder is not None
    assert next(context.output.folder.iterdir()).stat().st_size == FILE_CAP


async def test_a_flood_without_end_is_stopped_in_time(shell_context: ToolContext) -> None:
    outcome = await run(shell_context, "yes slowly | grep --line-buffered slow", 1)
    assert outcome.timed_out
    assert outcome.seconds < 30


@pytest.mark.parametrize("command", ["echo a\0b", "echo \ud800", "true " * 40_000])
async def test_what_cannot_be_a_command_is_an_answer(context: ToolContext, command: str) -> None:
    result = await run_shell(ShellArguments(command=command), context)
    assert not result.ok
    assert result.text.startswith("not run: ")


async def test_without_a_sandbox_nothing_runs(
    context: ToolContext, content: Callable[[], list[str]]
) -> None:
    missing = ToolContext(context.workspace, Missing("no bubblewrap"), context.output)
    with pytest.raises(SandboxUnavailable, match="no bubblewrap"):
        await run(missing, "touch ran")
    assert content() == []


async def test_no_descriptor_is_left_open(context: ToolContext) -> None:
    await run(context, "true")
    before = open_descriptors()
    for _ in range(5):
        await run(context, "echo x")
    assert open_descriptors() == before
