"""The only place that builds things: from plain settings to a finished task."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from agent.check import CheckResult
from agent.config import Limits
from agent.context.budget import Budget
from agent.context.project import CHARS_PER_TOKEN, Shown, choose, list_files, own_tests
from agent.context.prompt import is_question, prompt_text, system_text, task_text
from agent.dialects.choose import choose_dialect
from agent.dispatch import Dispatcher
from agent.engine.base import Engine, Sampling
from agent.engine.base import Progress as EngineProgress
from agent.engine.llama import LlamaEngine
from agent.errors import ConfigError, ExitCode, IngleError, UsageError
from agent.events import (
    Event,
    Notice,
    SessionStarted,
    SessionTitled,
    TaskGiven,
    TurnEnded,
    WorkProgress,
)
from agent.exchange import Exchange
from agent.loop import Loop
from agent.messages import System, User
from agent.models.plan import Wish
from agent.policy import Policy
from agent.session.resume import Earlier
from agent.session.store import SessionLog
from agent.speech import Ask
from agent.turn import Progress, Task
from tools.base import ToolContext
from tools.catalog import default_tools
from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.sandbox.probe import find_sandbox
from tools.text import NotText, decode
from tools.workspace import Workspace

if TYPE_CHECKING:
    from agent.schema import AnswerSchema

# At most six words, so that a title is one short line whatever the model thinks of.
TITLE = r"""start: /[A-Za-z0-9][A-Za-z0-9'_-]{0,20}( [A-Za-z0-9][A-Za-z0-9'_.-]{0,20}){1,5}/ "\n"
"""
TITLE_TOKENS = 32
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
    wish: Wish = field(default_factory=Wish)
    tries: int = 1
    attempts: int = 1
    schema: AnswerSchema | None = None  # of the answer
    family: str = ""  # how the model is spoken to, where its template does not say


def open_workspace(folder: Path) -> Workspace:
    """The workspace at `folder`. Raises UsageError, ConfigError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give an existing one with --dir")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ConfigError(f"{folder} cannot be read: check its permissions")
    return Workspace(folder)


class Session:
    """A log, an engine and a workspace; :meth:`do` runs tasks in it, one after the other."""

    def __init__(
        self,
        engine: Engine,
        workspace: Workspace,
        log: SessionLog,
        consumer: Consumer,
        ask: Callable[[str], bool] | None = None,
        plan: str = "",
        earlier: Earlier | None = None,
    ):
        self.engine = engine
        self.workspace = workspace
        self.log = log
        self.consumer = consumer
        self.ask = ask
        self.plan = plan
        self.earlier = earlier
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

    async def start(self, *, sandbox: Literal["auto", "off"], family: str = "") -> None:
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
                version("ingle"), plan=self.plan,
            )
        )  # fmt: skip
        self._dispatcher = self._make_dispatcher(found, off=sandbox == "off")
        dialect = choose_dialect(
            info.chat_template, blocks=True, family=family, bos=info.bos, eos=info.eos
        )
        system = System(system_text(dialect.system_note), self._dispatcher.specs())
        past = self.earlier or Earlier(self.log.id, info.model, (), ended=True, replies=0)
        self._exchange = Exchange(
            self.engine, dialect, system, self.emit,
            tokens=past.tokens, ended=past.ended, replies=past.replies,
            late=self._dispatcher.late_specs,
        )  # fmt: skip

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

    async def give_title(self) -> None:
        """Let the model name a session that is kept, beside the conversation."""
        if (
            self._exchange is None
            or self.log.folder is None
            or (self.earlier and self.earlier.title)
        ):
            return
        ask = Ask(TITLE_TOKENS, Sampling(), answer=TITLE)
        reply = await self._exchange.aside([User(prompt_text("title"))], ask)
        if reply is not None and reply.text:
            self.emit(SessionTitled(reply.text))

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
            failure = await loop.runner.check(job.check)
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
            attempts=job.attempts,
            schema=job.schema,
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
