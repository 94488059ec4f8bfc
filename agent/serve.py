"""ingle as an MCP server: the tool `do` runs one task at a time in a folder of the user's choice.

The model is loaded at the first task and stays; each task is a session of its own.
"""

# No `from __future__ import annotations`: the SDK reads the types of functions inside a function.

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from agent.app import Session
from agent.config import Limits
from agent.engine.base import Engine, Sampling
from agent.errors import ExitCode, IngleError, UsageError
from agent.events import (
    CallMade,
    CallReturned,
    CheckEnded,
    CheckStarted,
    Event,
    Notice,
    TextDelta,
    TurnEnded,
    WorkProgress,
)
from agent.job import Job, open_workspace
from agent.policy import Grants, Policy
from agent.session.store import SessionLog
from agent.ui.escape import safe_line

BUSY = "busy: another task is running, and there is one model: try again when it is done"
MOST_WAITING = 100
LEAST_PAUSE_S = 0.25  # between two notifications about the same stage
MOST_TEXT = 200_000

Say = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Machine:
    """What runs tasks: an engine that may not be loaded yet, and how its model is steered."""

    engine: Engine
    plan: str = ""
    tries: int = 1
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Allowed:
    """What may be done in one folder, and its own check, '' where it has none."""

    policy: Policy = field(default_factory=Policy)
    grants: Grants | None = None
    check: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Terms:
    """What every task has in common. `state` None keeps no sessions on disk; `rights` reads what
    the settings say about a folder (its root), and raises ConfigError."""

    folders: tuple[Path, ...]
    state: Path | None
    rights: Callable[[Path], Allowed] = lambda _root: Allowed()
    sandbox: Literal["auto", "off"] = "auto"
    family: str = ""


class Spent(BaseModel):
    """Tokens that were evaluated as prompt, taken from the cache, and generated."""

    prompt: int
    reused: int
    generated: int


class Done(BaseModel):
    """How a task ended. `exit_code` is that of `agent do`: 0 is done, 1 failed, 55 a limit."""

    answer: str
    changed: list[str]
    exit_code: int
    stop: str
    check_passed: bool | None
    seconds: float
    usage: Spent
    session: str


class Jobs:
    """Runs one task at a time. `open_machine` blocks; it is called once, at the first task."""

    def __init__(self, open_machine: Callable[[], Machine], terms: Terms):
        self._open = open_machine
        self._terms = terms
        self._machine: Machine | None = None
        self._one = asyncio.Lock()

    async def do(
        self, task: str, folder: str, check: str, limits: Limits, say: Say
    ) -> tuple[TurnEnded, str]:
        """How it ended, and the session's id.

        Raises:
            UsageError, IngleError: it could not be started.
            CancelledError: the client gave up; the task has ended in order by then.
        """
        if self._one.locked():
            raise UsageError(BUSY)
        async with self._one:
            if not task.strip() or "\0" in task:
                raise UsageError("the task is empty, or has a NUL character in it")
            workspace = open_workspace(allowed_folder(folder, self._terms.folders))
            if self._machine is None:
                await say("preparing the model")
                self._machine = await asyncio.to_thread(self._open)
            machine = self._machine
            allowed = await asyncio.to_thread(self._terms.rights, workspace.root)
            job = Job(
                task=task, workspace=workspace, check=check or allowed.check, limits=limits,
                sampling=machine.sampling, sandbox=self._terms.sandbox,
                tries=machine.tries, family=self._terms.family,
            )  # fmt: skip
            return await self._run(machine, job, allowed, say)

    async def idle(self) -> None:
        """Wait until no task is running."""
        async with self._one:
            pass

    async def close(self) -> None:
        """Free the model."""
        if self._machine is not None:
            await self._machine.engine.close()

    async def _run(
        self, machine: Machine, job: Job, allowed: Allowed, say: Say
    ) -> tuple[TurnEnded, str]:
        log = SessionLog.create(self._terms.state)
        reporter = Reporter()
        for text in allowed.notices:
            reporter.show(Notice(text))
        session = Session(
            machine.engine, job.workspace, log, reporter, plan=machine.plan,
            policy=allowed.policy, grants=allowed.grants,
        )  # fmt: skip
        working = asyncio.create_task(_work(session, job))
        telling = asyncio.create_task(reporter.tell(say))
        try:
            # Not awaited itself: a cancelled client must not tear the engine's cleanup apart.
            await asyncio.wait([working])
            reporter.close()
            await asyncio.wait([telling])
            return working.result(), log.id
        finally:
            with anyio.CancelScope(shield=True):
                working.cancel()
                telling.cancel()
                await asyncio.gather(working, telling, return_exceptions=True)
                with suppress(IngleError, AssertionError):
                    await machine.engine.rewind(0)  # the next task is another conversation
            log.close()


async def _work(session: Session, job: Job) -> TurnEnded:
    await session.start(sandbox=job.sandbox, family=job.family)
    return await session.do(job)


class Reporter:
    """A user interface whose user is another program: the steps of a task as short lines."""

    def __init__(self) -> None:
        self.closed = False
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._said_at: dict[str, float] = {}
        self._written = 0

    def show(self, event: Event) -> None:
        line = self._line(event)
        if line and self._lines.qsize() < MOST_WAITING:  # else the client reads too slowly
            self._lines.put_nowait(safe_line(line)[:300])

    def close(self) -> None:
        """There are no more lines."""
        self._lines.put_nowait("")

    async def tell(self, say: Say) -> None:
        """Pass the lines on until the last one."""
        while line := await self._lines.get():
            await say(line)

    def _line(self, event: Event) -> str:
        match event:
            case WorkProgress(stage=stage, done=done, total=total):
                due = done >= total or self._is_due(stage)
                return f"{stage} {done}/{total}" if due else ""
            case TextDelta(text=text):
                self._written += len(text)
                due = self._is_due("writing")
                return f"writing, {self._written} characters" if due else ""
            case CallMade(name=name, arguments=arguments):
                what = arguments.get("path") or arguments.get("command") or ""
                return f"{name} {what}".strip()
            case CallReturned(name=name, ok=ok):
                return "" if ok else f"{name} failed"
            case CheckStarted(command=command):
                return f"check: {command}"
            case CheckEnded(passed=passed):
                return "check passed" if passed else "check failed"
            case Notice(text=text):
                return text
        return ""

    def _is_due(self, stage: str) -> bool:
        now = time.monotonic()
        if now - self._said_at.get(stage, -LEAST_PAUSE_S) < LEAST_PAUSE_S:
            return False
        self._said_at[stage] = now
        return True


def allowed_folder(folder: str, folders: Sequence[Path]) -> Path:
    """The folder that a client named, links followed; a relative one is below the first allowed.

    Raises:
        UsageError: it is not in one of `folders`.
    """
    if "\0" in folder:
        raise UsageError("the folder has a NUL character in it")
    wanted = (folders[0] / folder).resolve()
    if not any(wanted.is_relative_to(allowed) for allowed in folders):
        names = ", ".join(map(str, folders))
        raise UsageError(f"{folder} is outside of what is served: {names}")
    return wanted


def ingle_server(jobs: Jobs) -> MCPServer:
    """The server with its one tool."""
    server = MCPServer(
        "ingle", title="ingle", version=version("ingle"), log_level="WARNING",
        instructions="A coding agent on a local model: it works in a folder until a check passes.",
    )  # fmt: skip

    @server.tool(
        description="Let a local coding agent do a task in a folder. With a check, a command that "
        "has to pass, it works until that passes. One task at a time.",
        annotations=ToolAnnotations(destructive_hint=True, open_world_hint=False),
    )
    async def do(
        task: str,
        ctx: Context,
        folder: str = ".",
        check: str = "",
        max_time_s: Annotated[float, Field(ge=0)] = 0,
        max_tokens: Annotated[int, Field(ge=0)] = 0,
    ) -> Annotated[CallToolResult, Done]:
        steps = 0

        async def say(line: str) -> None:
            nonlocal steps
            steps += 1
            await ctx.report_progress(steps, None, line)

        limits = Limits(time_s=max_time_s, tokens=max_tokens)
        try:
            ended, session = await jobs.do(task, folder, check, limits, say)
        except IngleError as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        return as_result(ended, session)

    return server


def as_result(ended: TurnEnded, session: str) -> CallToolResult:
    """What the client gets: text for a model, and the same as structured content."""
    usage = {k: v for k, v in asdict(ended.usage).items() if k in Spent.model_fields}
    done = Done(
        answer=ended.answer[:MOST_TEXT], changed=list(ended.changed), exit_code=ended.exit_code,
        stop=ended.stop, check_passed=ended.check_passed, seconds=round(ended.seconds, 3),
        usage=Spent(**usage), session=session,
    )  # fmt: skip
    lines = [done.answer] if done.answer else []
    lines.append(f"changed: {', '.join(done.changed) or 'nothing'}")
    if done.check_passed is not None:
        lines.append("the check passes" if done.check_passed else "the check fails")
    if done.exit_code != ExitCode.DONE:
        lines.append(f"not done ({done.stop}, exit code {done.exit_code})")
    return CallToolResult(
        content=[TextContent(text="\n".join(lines))],
        structured_content=done.model_dump(),
        is_error=done.exit_code != ExitCode.DONE,
    )
