"""Hooks: the user's own commands that are told what the agent does, and may stop it.

In the user's own config.toml, never in a project's::

    [hooks]
    before_tool = ["my-hook --flag"]
    after_tool = []
    turn_end = ["notify-send done"]

A hook gets one JSON object on stdin: `event`, `session`, `folder` and, for a tool, `tool`,
`arguments` and after it `ok` and `text`; before it `copy` says that it is tried in a copy of the
folder first. It may answer with a JSON object on stdout: `{"allow": false, "reason": "..."}` stops
a call before it runs, `{"note": "..."}` shows a line to the user. No answer means that all is well.
A hook that hangs, fails or prints anything else is a notice.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import ConfigError
from tools.sandbox.environment import outside

EVENTS = ("before_tool", "after_tool", "turn_end")
SECONDS = 10.0
MOST_OUTPUT = 64_000  # bytes of an answer


@dataclass(frozen=True)
class Hook:
    """`command` is a program and its arguments; no shell reads it."""

    event: str
    command: tuple[str, ...]
    seconds: float = SECONDS


@dataclass(frozen=True)
class Answer:
    """What the hooks say together; `notices` are for the user."""

    allow: bool = True
    reason: str = ""
    notices: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Hooks:
    """The hooks of a session, run in its `folder`; `tell` gets lines for the user."""

    hooks: tuple[Hook, ...] = ()
    session: str = ""
    folder: Path = Path()
    tell: Callable[[str], None] = lambda _text: None

    async def run(self, event: str, about: dict[str, Any]) -> Answer:
        """What those for `event` say together; their notices are told."""
        known = {"session": self.session, "folder": str(self.folder)}
        answer = await run_hooks(self.hooks, event, {**known, **about}, self.folder)
        for text in answer.notices:
            self.tell(text)
        return answer


def read_hooks(lines: Mapping[str, Sequence[str]]) -> tuple[Hook, ...]:
    """The hooks of a `[hooks]` section. Raises ConfigError, which names what is wrong."""
    return tuple(_hook(event, line) for event in EVENTS for line in lines.get(event, ()))


def _hook(event: str, line: str) -> Hook:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"hooks.{event}: {line!r} is no command: {error}") from error
    if not words or "\0" in line:
        raise ConfigError(f"hooks.{event}: {line!r} is no command")
    return Hook(event, tuple(words))


async def run_hooks(hooks: Sequence[Hook], event: str, about: dict[str, Any], cwd: Path) -> Answer:
    """Run those for `event`, one after the other; the first that says no ends it."""
    notices: list[str] = []
    for hook in hooks:
        if hook.event != event:
            continue
        answer = await _run(hook, {"event": event, **about}, cwd)
        notices += answer.notices
        if not answer.allow:
            return Answer(False, answer.reason, tuple(notices))
    return Answer(notices=tuple(notices))


async def _run(hook: Hook, about: dict[str, Any], cwd: Path) -> Answer:
    name = " ".join(hook.command)
    try:
        process = await asyncio.create_subprocess_exec(
            *hook.command, cwd=cwd, env=outside(os.environ, cwd),
            start_new_session=True, limit=MOST_OUTPUT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return Answer(notices=(f"the hook {name} cannot be started: {error.strerror}",))
    try:
        async with asyncio.timeout(hook.seconds):
            told = json.dumps(about, default=str).encode("ascii")
            output = await _talk(process, told)
            code = await process.wait()
    except TimeoutError:
        return Answer(notices=(f"the hook {name} was ended after {hook.seconds:g}s",))
    finally:
        await _end(process)
    if code:
        return Answer(notices=(f"the hook {name} failed with exit code {code}",))
    return _understood(name, output)


async def _talk(process: asyncio.subprocess.Process, told: bytes) -> bytes:
    """Write to it and read from it at the same time, at most :data:`MOST_OUTPUT` bytes."""

    async def write() -> None:
        assert process.stdin is not None
        with suppress(OSError):  # it need not read
            process.stdin.write(told)
            await process.stdin.drain()
        process.stdin.close()

    assert process.stdout is not None
    writing = asyncio.create_task(write())
    kept = b""
    try:
        while chunk := await process.stdout.read(4096):
            kept = (kept + chunk)[: MOST_OUTPUT + 1]
    finally:
        writing.cancel()
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of the hook stays behind, whatever it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        await process.wait()


def _understood(name: str, output: bytes) -> Answer:
    if not output.strip():
        return Answer()
    try:
        said = json.loads(output)
    except ValueError:
        said = None
    if not isinstance(said, dict) or len(output) > MOST_OUTPUT:
        return Answer(notices=(f"the hook {name} printed something that is no JSON object",))
    allow, reason, note = said.get("allow", True), said.get("reason", ""), said.get("note", "")
    if not isinstance(allow, bool) or not isinstance(reason, str) or not isinstance(note, str):
        return Answer(notices=(f"the hook {name} gave an answer that is not understood",))
    return Answer(allow, reason, (note,) if note else ())
