"""The only place that builds things: from plain settings to a finished task."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

from agent.check import CheckResult
from agent.config import Limits
from agent.context.budget import Budget
from agent.context.project import CHARS_PER_TOKEN, Shown, choose, list_files, own_tests
from agent.context.prompt import is_question, prompt_text, system_text, task_text
from agent.dialects.choose import choose_dialect
from agent.dispatch import Dispatcher
from agent.engine.base import Engine, Sampling
from agent.engine.base import Progress as EngineProgress
from agent.engine.llama import LlamaEngine, LlamaSettings
from agent.errors import ConfigError, ExitCode, IngleError, UsageError
from agent.events import Event, Notice, SessionStarted, TaskGiven, TurnEnded, WorkProgress
from agent.exchange import Exchange
from agent.loop import Loop
from agent.messages import System
from agent.models.fit import fit
from agent.models.machine import available_memory, physical_cores
from agent.models.resolve import ResolvedModel
from agent.policy import Policy
from agent.session.store import SessionLog
from agent.turn import Progress, Task
from tools.base import ToolContext
from tools.catalog import default_tools
from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.sandbox.probe import find_sandbox
from tools.text import NotText, decode
from tools.workspace import Workspace

SMALL_MODEL = 3_000_000_000  # bytes of the file
EXIT_CODES = {
    "answer": ExitCode.DONE,
    "check_passed": ExitCode.DONE,
    "turns": ExitCode.TURNS,
    "time": ExitCode.BUDGET,
    "tokens": ExitCode.BUDGET,
    "tool_calls": ExitCode.BUDGET,
    "context": ExitCode.BUDGET,
    "denied": ExitCode.DENIED,
    "check_failed": ExitCode.FAILED,
    "repeated": ExitCode.FAILED,
    "error": ExitCode.FAILED,
    "interrupted": ExitCode.INTERRUPTED,
}


class Consumer(Protocol):
    """A user interface: it gets every event, in order; `closed` when nobody looks any more."""

    @property
    def closed(self) -> bool: ...

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Job:
    """One task as the command line describes it."""

    task: str
    workspace: Workspace
    attach: tuple[Path, ...] = ()
    check: str = ""
    limits: Limits = field(default_factory=Limits)
    sampling: Sampling = field(default_factory=Sampling)
    sandbox: Literal["auto", "off"] = "auto"
    n_ctx: int | None = None
    tries: int = 1


def open_workspace(folder: Path) -> Workspace:
    """The workspace at `folder`. Raises UsageError, ConfigError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give an existing one with --dir")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ConfigError(f"{folder} cannot be read: check its permissions")
    return Workspace(folder)


def llama_engine(model: ResolvedModel, requested: int | None) -> LlamaEngine:
    """An engine that is not loaded yet, sized for the model and this machine."""
    from agent.engine.native import supports_gpu

    gpu = supports_gpu()
    # Weights and cache are in the memory of the GPU there; llama.cpp knows its size, we do not.
    memory = 0 if gpu else available_memory()
    size = fit(model.header, available_bytes=memory, gpu=gpu, requested=requested)
    name = model.entry.name if model.entry else model.path.name
    return LlamaEngine(LlamaSettings(model.path, size.n_ctx, physical_cores(), name))


def tries_for(model: ResolvedModel) -> int:
    """How many likely answers to try against a check before the model sees what failed.

    A small model mostly repeats itself when it is told what failed; its second choices are better
    (`bench.run repairs`). A large one learns from the failure.
    """
    return 8 if model.header.file_size < SMALL_MODEL else 1


class Session:
    """A log, an engine and a workspace; :meth:`do` runs tasks in it, one after the other."""

    def __init__(
        self,
        engine: Engine,
        workspace: Workspace,
        log: SessionLog,
        consumer: Consumer,
        ask: Callable[[str], bool] | None = None,
    ):
        self.engine = engine
        self.workspace = workspace
        self.log = log
        self.consumer = consumer
        self.ask = ask
        self._exchange: Exchange | None = None
        self._dispatcher: Dispatcher | None = None

    def emit(self, event: Event) -> None:
        """To disk first, then to the user.

        Raises:
            BrokenPipeError: the user has gone; the work ends.
        """
        self.log.append(event, sync=type(event).__name__ in ("TaskGiven", "CallMade"))
        self.consumer.show(event)
        if warning := self.log.take_warning():
            self.consumer.show(Notice(warning))
        if self.consumer.closed and not isinstance(event, TurnEnded):
            raise BrokenPipeError

    async def start(self, *, sandbox: Literal["auto", "off"]) -> None:
        """Load the model and try the sandbox at the same time."""

        def loading(progress: EngineProgress) -> None:
            self.consumer.show(WorkProgress(progress.stage, progress.done, progress.total))

        probing = asyncio.to_thread(find_sandbox, sandbox)
        if isinstance(self.engine, LlamaEngine) and not self.engine.loaded:
            found, _ = await asyncio.gather(probing, self.engine.load(loading))
        else:
            found = await probing
        info = self.engine.info
        self.emit(
            SessionStarted(
                self.log.id, str(self.workspace.root), info.model, info.n_ctx, time.time(),
                version("ingle"),
            )
        )  # fmt: skip
        self._dispatcher = self._make_dispatcher(found, off=sandbox == "off")
        dialect = choose_dialect(info.chat_template, blocks=True)
        system = System(system_text(dialect.system_note), self._dispatcher.specs())
        self._exchange = Exchange(self.engine, dialect, system, self.emit)

    async def close(self) -> None:
        await self.engine.close()

    def _make_dispatcher(self, sandbox: Sandbox, *, off: bool) -> Dispatcher:
        context = ToolContext(self.workspace, sandbox, OutputStore(self.log.output))
        policy = Policy(sandbox.confines, sandbox_off_by_user=off, can_ask=self.ask is not None)
        return Dispatcher(default_tools(), context, policy, self.ask or (lambda _command: False))

    async def do(self, job: Job) -> TurnEnded:
        """Run one task to its end; never raises for what the model does."""
        assert self._exchange is not None and self._dispatcher is not None, "start() comes first"
        loop = Loop(self._exchange, self._dispatcher, self.engine.info.n_ctx, self.emit)
        done = Progress()
        stop = "interrupted"
        try:
            async with asyncio.timeout(job.limits.time_s or None):
                task = await self._prepare(job, loop)
                stop = await loop.run(task, done)
        except TimeoutError:
            stop = "time"
        except (asyncio.CancelledError, BrokenPipeError):
            stop = "interrupted"
        except IngleError:
            self._end("error", done)
            raise
        return self._end(stop, done)

    def _end(self, stop: str, done: Progress) -> TurnEnded:
        exit_code = EXIT_CODES[stop]
        if done.check_passed is False and exit_code is ExitCode.DONE:
            exit_code = ExitCode.FAILED
        ended = TurnEnded(
            stop, done.answer, int(exit_code), done.usage, done.changed,
            done.check_passed, time.monotonic() - done.started, done.turns,
        )  # fmt: skip
        self.emit(ended)
        return ended

    def _knows(self, file: str) -> bool:
        path = self.workspace.root / file
        return self.workspace.was_read(path) and not self.workspace.changed_since_read(path)

    async def _prepare(self, job: Job, loop: Loop) -> Task:
        """The prompt: the task, the files that matter, and what the check says before the work."""
        failure: CheckResult | None = None
        if job.check:
            failure = await loop.check(job.check)
            if failure.exit_code in (126, 127):
                self.emit(Notice("the check could not even start: is its command right?"))
        text = failure.failure if failure else ""
        attached = [attachment(self.workspace, path) for path in job.attach]
        files = await list_files(self.workspace.root)
        budget = Budget(self.engine.info.n_ctx, self.engine.info.n_ctx)
        # What the model has seen in this session, and is still so, stands in the window already.
        unseen = [file for file in files if not self._knows(file)]
        room = budget.attachments - int(sum(len(a.text) for a in attached) / CHARS_PER_TOKEN)
        shown = choose(self.workspace, unseen, job.task, text, max(0, room))
        named = {item.path for item in attached}
        shown = [*(item for item in shown if item.path not in named), *attached]
        # A small model is told, and made, to act first; a large one knows.
        act_first = job.tries > 1 and (bool(text) or not is_question(job.task))
        prompt = task_text(
            job.task,
            files=files,
            shown=shown,
            check=job.check,
            # A small model that sees the failure first recites it.
            failure="" if job.tries > 1 else text,
            note=prompt_text("act") if act_first else "",
        )
        self.emit(TaskGiven(job.task, tuple(item.path for item in shown)))
        return Task(
            prompt,
            job.limits,
            job.sampling,
            job.check,
            failing=bool(text),
            act_first=act_first,
            not_paths=own_tests(files, job.task),
            tries=job.tries,
        )


def attachment(workspace: Workspace, path: Path) -> Shown:
    """A file that the user named with -f. Raises UsageError."""
    try:
        data = path.read_bytes()
        text = decode(data).text
    except OSError as error:
        raise UsageError(f"cannot attach {path}: {error.strerror}") from error
    except NotText as error:
        raise UsageError(f"cannot attach {path}: {error}") from error
    real = path.resolve()
    if real.is_relative_to(workspace.root):
        workspace.remember(real, data)
        return Shown(workspace.name(real), text)
    return Shown(str(path), text)
