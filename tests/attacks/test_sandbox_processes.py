"""What a command could do to other processes, to the terminal, and to its own end."""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC221

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.sandbox.base import Launch
from tools.sandbox.bubblewrap import find_program
from tools.sandbox.probe import find_sandbox
from tools.sandbox.profiles import Limits
from tools.shell import CommandOutcome, ShellArguments, run_command, run_shell

Attack = Callable[..., Awaitable[CommandOutcome]]
Limited = Callable[[bool, Limits], ToolContext]
# What a broken sandbox lets run ends by itself, however badly it is broken.
MANY = """
import os, signal
for _ in range(300):
    if os.fork() == 0:
        signal.alarm(30)
        signal.pause()
print("made 300", flush=True)
signal.sigtimedwait([signal.SIGTERM], 30) if len(os.sys.argv) > 1 else None
"""
BOMB = (
    "bomb() { (($1)) || exec sleep 30; bomb $(($1 - 1)) | bomb $(($1 - 1)) & }; bomb 10; sleep 30"
)
DAEMON = """
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        open("daemon", "w").write("runs")
        signal.alarm(30)
        signal.pause()
    os._exit(0)
while not os.path.exists("daemon") or not os.path.getsize("daemon"):
    pass
"""
TRACE = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1]) or os.fork()
if pid == 0:
    signal.pause()
print(libc.ptrace(16, pid, None, None), ctypes.get_errno())
libc.ptrace(17, pid, None, None)
if sys.argv[1] == "0":
    os.kill(pid, 9)
"""
READ_MEMORY = """
import sys
with open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory:
    memory.seek(int(sys.argv[2]))
    print(memory.read(10))
"""
VICTIM = """
import ctypes
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
secret = ctypes.create_string_buffer(b"the secret")
print(ctypes.addressof(secret), flush=True)
input()
"""
TYPE = """
import fcntl, termios
for number in (termios.TIOCSCTTY, termios.TIOCSTI):
    try:
        fcntl.ioctl(0, number, b"x" if number == termios.TIOCSTI else 0)
    except OSError as error:
        print(number, error)
"""
KEYS = """
import ctypes, platform
number = {"x86_64": 250, "aarch64": 219}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
print("id" if libc.syscall(number, 0, -4, 1) > 0 else ctypes.get_errno())
"""
OLD_CALLS = """
int main(void) {
    int result;
    __asm__ volatile ("int $0x80" : "=a"(result) : "a"(20));
    return result <= 0;
}
"""


def victim() -> subprocess.Popen[str]:
    """A process with a secret in its memory, which lets anybody of its user look."""
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def test_a_tree_of_processes_is_bounded(
    attack: Attack, limited: Limited, alive: Callable[[], list[int]]
) -> None:
    """Three hundred processes where one hundred are allowed."""
    free = await attack(limited(False, Limits(processes=0)), MANY)
    assert free.text == "made 300\n"
    outcome = await attack(limited(True, Limits(processes=100)), MANY, "stay")
    assert outcome.stopped == "it had more than 100 processes"
    assert outcome.exit_code is None
    assert alive() == []


async def test_a_fork_bomb_ends(limited: Limited, alive: Callable[[], list[int]]) -> None:
    """The shell's fork bomb, cut at two thousand; the test above is the control."""
    context = limited(True, Limits(processes=200))
    result = await run_shell(ShellArguments(command=BOMB), context)
    assert "stopped: it had more than 200 processes" in result.text
    assert not result.ok
    assert alive() == []


async def test_a_daemon_ends_with_its_command(
    attack: Attack,
    unconfined: ToolContext,
    confined: ToolContext,
    root: Path,
    alive: Callable[[], list[int]],
) -> None:
    """A process that left its session, its parent and its output, and stays."""
    await attack(unconfined, DAEMON)
    left = alive()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(left) == 1
    (root / "daemon").unlink()
    assert (await attack(confined, DAEMON)).exit_code == 0
    assert (root / "daemon").read_text() == "runs"
    assert alive() == []


@pytest.mark.parametrize("whose", ["own", "user"])
async def test_nothing_can_be_traced(
    attack: Attack, unconfined: ToolContext, confined: ToolContext, whose: str
) -> None:
    """ptrace of the user's process, and of a child of the command's own."""
    with victim() as process:
        assert process.stdout is not None
        process.stdout.readline()
        pid = process.pid if whose == "user" else 0
        assert (await attack(unconfined, TRACE, pid)).text.startswith("0 ")
        assert (await attack(confined, TRACE, pid)).text.startswith("-1 1\n")
        process.kill()


async def test_no_memory_of_the_user_can_be_read(
    attack: Attack, unconfined: ToolContext, confined: ToolContext
) -> None:
    """/proc/PID/mem of a process of the user's."""
    with victim() as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert "the secret" in (await attack(unconfined, READ_MEMORY, process.pid, address)).text
        assert "the secret" not in (await attack(confined, READ_MEMORY, process.pid, address)).text
        process.kill()


def typed_by(launch: Launch) -> bytes:
    """What the command put into the input of the terminal that it was started with."""
    import pty
    import tty

    ours, terminal = pty.openpty()
    tty.setraw(terminal)
    try:
        subprocess.run(
            launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
        os.set_blocking(terminal, False)
        with suppress(BlockingIOError):
            return os.read(terminal, 10)
        return b""
    finally:
        os.close(ours)
        os.close(terminal)


def test_nothing_is_typed_into_the_terminal(
    unconfined: ToolContext, confined: ToolContext, root: Path, python: str
) -> None:
    """TIOCSTI: keys for the shell that runs after the agent."""
    argv = (python, "-I", "-S", "-c", TYPE)
    legacy = Path("/proc/sys/dev/tty/legacy_tiocsti")
    possible = os.geteuid() == 0 or not legacy.exists() or legacy.read_text() == "1\n"
    assert typed_by(unconfined.sandbox.wrap(argv, root)) == (b"x" if possible else b"")
    assert typed_by(confined.sandbox.wrap(argv, root)) == b""


async def test_the_users_keys_are_out_of_reach(
    attack: Attack, unconfined: ToolContext, confined: ToolContext
) -> None:
    """keyctl: the kernel's keyrings belong to no namespace."""
    assert (await attack(unconfined, KEYS)).text == "id\n"
    assert (await attack(confined, KEYS)).text == "1\n"


async def test_another_set_of_system_calls_is_no_way_around(
    unconfined: ToolContext, confined: ToolContext, root: Path
) -> None:
    """32-bit calls, whose numbers mean other things than the filter's."""
    (root / "a.c").write_text(OLD_CALLS)
    subprocess.run(["cc", "-o", "a", "a.c"], cwd=root, check=True)
    assert (await run_command("./a", unconfined, 60)).exit_code == 0
    assert (await run_command("./a", confined, 60)).exit_code == 128 + signal.SIGSYS


@pytest.mark.parametrize(
    "command",
    ["unshare --user true", "unshare --map-root-user --mount true", "unshare --user --net true"],
)
async def test_no_namespace_is_made(
    unconfined: ToolContext, confined: ToolContext, command: str
) -> None:
    """A user namespace gives capabilities back, with which mounts are undone."""
    assert (await run_command(command, unconfined, 60)).exit_code == 0
    assert (await run_command(command, confined, 60)).exit_code != 0


async def test_a_planted_bwrap_is_never_run(
    root: Path, confined: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program called bwrap (or bash) in the workspace and first in PATH."""
    for name in ("bwrap", "bash", "printf"):
        (root / name).write_text(f"#!/bin/sh\necho {name} > {root}/ran\n")
        (root / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}:{os.environ['PATH']}")
    monkeypatch.chdir(root)
    assert shutil.which("bwrap") == str(root / "bwrap")
    subprocess.run(["bwrap"], check=True)
    (root / "ran").unlink()
    assert find_program() == "/usr/bin/bwrap"
    assert find_sandbox().confines
    assert (await run_command("echo fine", confined, 60)).text == "fine\n"
    assert not (root / "ran").exists()


async def test_a_function_of_the_environment_does_not_replace_the_start(
    unconfined: ToolContext, confined: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BASH_ENV and exported functions, which a bash runs before its own script."""
    (root / "rc").write_text(f"echo rc >> {root}/ran\n")
    monkeypatch.setenv("BASH_ENV", str(root / "rc"))
    monkeypatch.setenv("BASH_FUNC_printf%%", f"() {{ echo printf >> {root}/ran; }}")
    subprocess.run(["/bin/bash", "-c", "printf x"], check=True)
    assert (root / "ran").read_text() == "rc\nprintf\n"
    (root / "ran").unlink()
    for context in (unconfined, confined):
        assert (await run_command("printf x", context, 60)).text == "x"
        assert not (root / "ran").exists()


async def test_an_unknown_variable_is_not_passed_on(
    unconfined: ToolContext, confined: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in a variable whose name does not say so."""
    monkeypatch.setenv("COMPANY_LICENCE", "the secret")
    assert b"the secret" in subprocess.run(["env"], check=True, capture_output=True).stdout
    for context in (unconfined, confined):
        assert "the secret" not in (await run_command("env", context, 60)).text
