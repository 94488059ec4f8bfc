"""Runs git in the sandbox, bounded in time and output, with a hostile configuration overridden."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.base import ToolContext
from tools.git.config import ALWAYS, git_environment
from tools.git.program import find_git
from tools.sandbox.base import Launch
from tools.sandbox.environment import LOADER, child_environment
from tools.sandbox.profiles import GIT, READ_ONLY

if TYPE_CHECKING:
    from git.cmd import Git

GIT_S = 60.0
MOST_BYTES = 8_000_000  # of one command's output
CHUNK = 1 << 16


class GitFailed(Exception):
    """A git command failed; the text is for the model."""


@dataclass(frozen=True)
class Outcome:
    """What a git command did; `cut` says that it printed more than was read."""

    code: int
    out: bytes
    err: str
    cut: bool = False

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """The first line of what went wrong, without git's own prefix."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
        return errors[0].removeprefix("fatal: ").removeprefix("error: ") if errors else ""


async def run_git(
    context: ToolContext,
    arguments: Sequence[str],
    settings: Mapping[str, str] = ALWAYS,
    *,
    writes: bool = False,
    given: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run git in the workspace's root; `given` is its input, `env` adds to its environment.

    `writes` lets it write into the repository.

    Raises:
        SandboxUnavailable: nothing confines commands here and the user did not switch it off.
        GitFailed: git is not installed, or took too long.
    """
    root = context.workspace.root
    stop = threading.Event()
    program = find_git(child_environment(os.environ, root)["PATH"], root)
    if program is None:
        raise GitFailed("the program git is not installed here")
    # GitPython starts the git of PATH when it is imported: that may lie in the workspace.
    os.environ["GIT_PYTHON_GIT_EXECUTABLE"] = program
    argv = [program, "--no-pager", *arguments]
    launch = context.sandbox.wrap(argv, root, GIT if writes else READ_ONLY)
    env = git_environment(launch.env, settings) | dict(env or {})
    env["GIT_CEILING_DIRECTORIES"] = str(root.parent)
    working = asyncio.to_thread(_run, Launch(launch.argv, env, launch.cwd), given, stop)
    try:
        return await working
    finally:
        stop.set()


def _run(launch: Launch, given: bytes, stop: threading.Event) -> Outcome:
    from git.cmd import Git
    from git.exc import GitCommandNotFound

    # GitPython adds to our environment instead of replacing it.
    loader = {name: "" for name in os.environ if name.startswith(LOADER)}
    unset = [
        word
        for name in os.environ
        if name not in launch.env or name in loader
        for word in ("-u", name)
    ]
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        git: Git = Git(str(launch.cwd))
        try:
            process: Any = git.execute(
                ["/usr/bin/env", *unset, *launch.argv],
                istream=file if given else None,
                as_process=True,
                env=launch.env | loader,
                start_new_session=True,
            )
        except (GitCommandNotFound, OSError) as error:
            raise GitFailed(f"git does not start: {error}") from error
        try:
            return _collect(process, stop)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.proc.wait()


def _collect(process: Any, stop: threading.Event) -> Outcome:
    """Read both streams until they end, the time is up, or there is too much."""
    streams = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    out, err = streams.values()
    deadline = time.monotonic() + GIT_S
    with selectors.DefaultSelector() as selector:
        for number in streams:
            selector.register(number, selectors.EVENT_READ)
        while selector.get_map():
            if stop.is_set() or time.monotonic() > deadline:
                raise GitFailed(f"git took more than {GIT_S:.0f} s and was stopped")
            for key, _ in selector.select(0.1):
                data = os.read(key.fd, CHUNK)
                streams[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
            if len(out) > MOST_BYTES or len(err) > MOST_BYTES:
                return Outcome(0, bytes(out[:MOST_BYTES]), _text(err), cut=True)
    return Outcome(process.proc.wait(), bytes(out), _text(err))


def _text(data: bytearray) -> str:
    return data[:CHUNK].decode("utf-8", "replace")
