"""The only place that builds things: from plain settings to a finished task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

from agent import approval
from agent.briefing import Briefing
from agent.config import Folders
from agent.context.instructions import SHARE, instructions
from agent.context.ledger import Ledger
from agent.context.prompt import system_text
from agent.delegate import Parent, delegate_tool
from agent.dialects.choose import choose_dialect
from agent.dispatch import Dispatcher, telling
from agent.energy import Meter, open_meter
from agent.engine.base import Engine
from agent.engine.base import Progress as EngineProgress
from agent.engine.llama import LlamaEngine
from agent.errors import ExitCode, IngleError, UsageError
from agent.events import (
    CallReturned,
    CheckEnded,
    Event,
    Folded,
    ModelReplied,
    Notice,
    SessionStarted,
    SessionTitled,
    TurnEnded,
    WorkProgress,
)
from agent.exchange import Exchange
from agent.hooks import Hook, Hooks
from agent.job import Job, open_workspace
from agent.loop import Loop
from agent.mcp.manager import Manager
from agent.mcp.session import Elicit, SessionServers
from agent.messages import Segment, System
from agent.plan import plan_tool
from agent.policy import Approval, Grants, Policy, SandboxMode
from agent.recall import recall_tool
from agent.session.files import Saver
from agent.session.index import Index
from agent.session.owed import Owed
from agent.session.presence import Presence, notice
from agent.session.remind import reminders
from agent.session.resume import Earlier
from agent.session.store import SessionLog
from agent.title import make_title
from agent.toolbox import Profile, fixed_tools
from agent.turn import Progress
from agent.window import Window
from agent.work import work
from mcp_servers.web.tools import Web
from tools.base import Tool, ToolContext
from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.sandbox.probe import find_sandbox
from tools.sandbox.profiles import READ_ONLY, WORKSPACE
from tools.workspace import Workspace

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


class Session:
    """A log, an engine and a workspace; :meth:`do` runs tasks in it, one after the other."""

    def __init__(
        self,
        engine: Engine,
        workspace: Workspace,
        log: SessionLog,
        consumer: Consumer,
        ask: approval.Ask | None = None,
        plan: str = "",
        earlier: Earlier | None = None,
        maps: Path | None = None,
        policy: Policy | None = None,
        grants: Grants | None = None,
        profile: Profile = "small",
        folders: Folders | None = None,
        hooks: tuple[Hook, ...] = (),
        elicit: Elicit | None = None,
        meter: Meter | None = None,
    ):
        self.engine = engine
        self.workspace = workspace
        self.log = log
        self.consumer = consumer
        self.ask = ask
        self.policy = policy or Policy()
        self.grants = grants or Grants()
        self.plan = plan
        self.earlier = earlier
        self.profile = profile
        self._hooks = hooks
        self._meter = meter
        self._load_s = 0.0  # seconds of loading that no turn has counted yet
        self._web = Web()
        past = earlier.events if earlier else ()
        self._mcp = SessionServers(folders, workspace.root, self._web, self.emit, past, elicit)
        self._maps = maps
        self._index: Index | None = None
        self.ledger = Ledger.of(earlier.events if earlier else ())
        self._owed = Owed(earlier.events if earlier else ())
        self._exchange: Exchange | None = None
        self._window: Window | None = None
        state = log.folder.parent.parent if log.folder else None
        self._presence = Presence(state, workspace.root, log.id) if state else None
        self._saver = Saver.at(state, workspace.root, self.emit) if state else None
        self._dispatcher: Dispatcher | None = None

    def emit(self, event: Event) -> None:
        """To disk first, then to the user.

        Raises:
            BrokenPipeError: the user has gone; the work ends.
        """
        self.log.append(event, sync=type(event).__name__ in ("TaskGiven", "CallMade"))
        self.ledger.take(event)
        self._mcp.take(event)
        self._owed.take(event)
        if self._meter and isinstance(event, (ModelReplied, CallReturned, CheckEnded)):
            self._meter.sample()
        if isinstance(event, Folded):
            self.workspace.hide()  # what was folded has to be shown again
        self.consumer.show(event)
        if warning := self.log.take_warning():
            self.consumer.show(Notice(warning))
        if self.consumer.closed and not isinstance(event, TurnEnded):
            raise BrokenPipeError

    async def start(self, *, sandbox: SandboxMode | Literal["auto"], family: str = "") -> None:
        """Load the model and try the sandbox at the same time; 'auto' is what the policy says."""
        if sandbox != "auto":
            self.policy = replace(self.policy, sandbox=sandbox)

        def loading(progress: EngineProgress) -> None:
            self.consumer.show(WorkProgress(progress.stage, progress.done, progress.total))

        off = self.policy.sandbox == "off"
        profile = READ_ONLY if self.policy.sandbox == "read-only" else WORKSPACE
        probing = asyncio.to_thread(find_sandbox, "off" if off else "auto", profile)
        if isinstance(self.engine, LlamaEngine) and not self.engine.loaded:
            found, _ = await asyncio.gather(probing, self.engine.load(loading))
            self._load_s = self.engine.info.load_s
        else:
            found = await probing
        self._meter = self._meter or await asyncio.to_thread(open_meter)
        info = self.engine.info
        self.emit(
            SessionStarted(
                self.log.id, str(self.workspace.root), info.model, info.n_ctx, time.time(),
                version("ingle"), plan=self.plan,
            )
        )  # fmt: skip
        if self._presence and (text := notice(self._presence.newcomers())):
            self.emit(Notice(text))
        self._mcp.start(found, info.n_ctx)
        self._dispatcher = self._make_dispatcher(found)
        dialect = choose_dialect(
            info.chat_template, blocks=True, family=family, bos=info.bos, eos=info.eos
        )
        known = self.ledger.front
        agents = instructions(self.workspace.root, int(info.n_ctx * SHARE), self._count)
        text = system_text(dialect.system_note, agents)
        system = System(text, self._dispatcher.specs(), agents)
        past = self.earlier or Earlier(self.log.id, info.model, (), ended=True, replies=0)
        self._exchange = Exchange(
            self.engine, dialect, system, self.emit,
            tokens=past.tokens, ended=past.ended, replies=past.replies,
            late=self._dispatcher.late_specs, front=known,
        )  # fmt: skip
        self._window = Window(self._exchange, self.ledger, info.n_ctx, self.emit, self._recall_note)
        if (needed := self._window.least) > info.n_ctx:
            raise UsageError(
                f"the fixed prompt needs a window of at least {needed:,} tokens, and this one has "
                f"{info.n_ctx:,}: give more with --ctx"
            )

    async def close(self) -> None:
        """Leave, and unload the model."""
        await self.leave()
        await self.engine.close()

    async def leave(self) -> None:
        """End all that belongs to this session; the engine stays, and may serve another one."""
        if self._presence:
            self._presence.leave()
        if self._exchange is not None:
            await self._exchange.forget_draft()
        await self._mcp.close()
        if self._index:
            self._index.close()
            self._index = None

    @property
    def servers(self) -> Manager | None:
        """MCP servers, where `folders` say which."""
        return self._mcp.manager

    def _make_dispatcher(self, sandbox: Sandbox) -> Dispatcher:
        info = self.engine.info
        tools = fixed_tools(self.profile, self.workspace.root, info.model, self._web, self._mcp.off)
        if self.profile == "full":
            tools += (
                plan_tool(lambda: self.ledger.plan, self.emit),
                delegate_tool(self._parent),
            )
        rules = (*self.policy.rules, *self._mcp.rules())
        policy = replace(self.policy, can_ask=self.ask is not None, rules=rules)
        tools += self._mcp.tools(tools)
        context = ToolContext(self.workspace, sandbox, OutputStore(self.log.output))
        ask = telling(self.ask or approval.nobody, self.emit)
        hooks = Hooks(
            self._hooks, self.log.id, self.workspace.root, lambda text: self.emit(Notice(text))
        )
        made = Dispatcher(tools, context, policy, ask, grants=self.grants, hooks=hooks)
        self._mcp.serve(made)
        if self.ledger.folds:
            made.declare(recall_tool(self._open_index))  # a fold of before has told of it
        return made

    @property
    def tools(self) -> tuple[Tool[Any], ...]:
        """All that the model can call now."""
        made = self._dispatcher
        return (*made.tools, *made.late) if made is not None else ()

    def _parent(self) -> Parent:
        """The conversation whose steps can be done apart."""
        assert self._exchange is not None and self._window is not None, "start() comes first"
        dispatcher = self._dispatcher
        assert dispatcher is not None
        return Parent(self._exchange, self._window, lambda: dispatcher, self.emit, self._saver)

    def set_approval(self, mode: Approval) -> None:
        """From the next call on this is what is asked about."""
        self.policy = replace(self.policy, approval=mode)
        if self._dispatcher is not None:
            self._dispatcher.policy = replace(self._dispatcher.policy, approval=mode)

    async def compact(self, focus: str = "") -> str:
        """Fold the window now, after notes that look at `focus` above all; a line for the user."""
        assert self._window is not None, "start() comes first"
        before = self.ledger.used
        await self._window.make_notes(focus)
        if not await self._window.compact():
            return "nothing can be folded yet"
        return f"folded: {before:,} tokens to {self.ledger.used:,}"

    async def prepare(
        self, job: Job | None = None, go_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Evaluate the fixed prompt while the user is typing, and behind it what the prompt of
        `job` begins with, whose task is the beginning of a draft; as long as `go_on` says so."""
        assert self._exchange is not None and self._window is not None, "start() comes first"
        await self._exchange.prepare()
        if job is None or not job.task or not go_on():
            return
        assert self._dispatcher is not None
        loop = Loop(self._exchange, self._dispatcher, self._window, self.emit)
        if text := await self._briefing(loop).foresee(job):
            most = self._window.room() - self._window.wanted
            await self._exchange.read_ahead(text, most, go_on)

    async def do(self, job: Job) -> TurnEnded:
        """Run one task to its end; never raises for what the model does."""
        assert self._exchange is not None and self._window is not None, "start() comes first"
        assert self._dispatcher is not None
        loop = Loop(self._exchange, self._dispatcher, self._window, self.emit)
        loop.runner.saver = self._saver
        if self._presence and (text := notice(self._presence.newcomers())):
            self.emit(Notice(text))
        for event in self._owed.unknown():
            self.emit(event)
        loop.owed = self._owed.outputs()
        done = Progress()
        done.usage.load_s, self._load_s = self._load_s, 0.0
        if self._meter:
            self._meter.begin()
        stop = "interrupted"
        try:
            async with asyncio.timeout(job.limits.time_s or None):
                stop = await work(job, done, loop, self._briefing(loop), self._count)
        except TimeoutError:
            stop = "time"
        except (asyncio.CancelledError, BrokenPipeError):
            stop = "interrupted"
        except IngleError:
            await self._save_files()
            self._end("error", done)
            raise
        await self._save_files()
        return self._end(stop, done)

    def _briefing(self, loop: Loop) -> Briefing:
        n_ctx = self.engine.info.n_ctx
        return Briefing(
            loop.runner, n_ctx, self._count, self.emit, self._maps, self._remind, self._mcp.brought
        )

    def _open_index(self) -> Index:
        if self._index is None:
            self._index = Index.open(self.log.folder, self.log.unsaved)
        return self._index

    def _remind(self, message: str, chars: int) -> str:
        """What was folded and bears on `message`; nothing where nothing was folded."""
        if not self.ledger.folds:
            return ""
        try:
            return reminders(self._open_index(), message, self.ledger.visible, chars)
        except IngleError:
            return ""

    def _recall_note(self) -> str:
        """Let the model call recall from now on, and how it is told."""
        assert self._dispatcher is not None
        tool = self._dispatcher.declare(recall_tool(self._open_index))
        again = self._mcp.told_again()
        return f" Tool {tool.name}(query): {tool.description}{again}"

    def _count(self, text: str) -> int:
        return len(self.engine.tokenize([Segment(text)]))

    async def _save_files(self) -> None:
        if self._saver:
            await self._saver.after()

    async def give_title(self) -> None:
        """Let the model name a session that is kept, beside the conversation."""
        if (
            self._exchange is None
            or self.log.folder is None
            or (self.earlier and self.earlier.title)
        ):
            return
        if title := await make_title(self._exchange):
            self.emit(SessionTitled(title))

    def _end(self, stop: str, done: Progress) -> TurnEnded:
        exit_code = EXIT_CODES[stop]
        if done.check_passed is False and exit_code is ExitCode.DONE:
            exit_code = ExitCode.FAILED
        answer = done.answer or (done.denied if stop == "denied" else "")
        ended = TurnEnded(
            stop, answer, int(exit_code), done.usage, done.changed, done.check_passed,
            time.monotonic() - done.started, done.turns,
            self._meter.total() if self._meter else None,
        )  # fmt: skip
        self.emit(ended)
        return ended


__all__ = ["Consumer", "Job", "Session", "open_workspace"]
