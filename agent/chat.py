"""One model and one session at a time, and what slash commands can do with them.

Everything here runs on the loop of :mod:`agent.conversation`. Light to import: what is heavy is
imported when it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import approval
from agent.asking import as_answer, as_question, trust_question
from agent.commands.base import Command
from agent.errors import UsageError
from agent.events import (
    CallReturned,
    Event,
    LogSet,
    ModelReplied,
    Notice,
    SessionStarted,
    TurnEnded,
    WorkProgress,
)
from agent.messages import Usage
from agent.ui.repl.host import Decision, Message, News, Question

if TYPE_CHECKING:
    from agent.app import Session
    from agent.commands.hooks import Hook
    from agent.engine.base import Engine, Sampling
    from agent.policy import Approval, Grants, Policy
    from agent.session.resume import Earlier
    from agent.session.store import SessionLog

Report = Callable[[WorkProgress | Notice], None]
MODES: tuple[Approval, ...] = ("ask", "auto", "never")
MOST_DIFFS = 200  # of a session, for /diff
MOST_NOTE = 4_000  # characters of what the user's own command printed
MOST_PASTE = 6_000  # characters of a paste that the model sees at once


@dataclass(frozen=True)
class Loaded:
    """A model that can be talked to: `plan` is a line about memory, `tries` as in a Job."""

    engine: Engine
    name: str
    sampling: Sampling
    tries: int = 1
    plan: str = ""


@dataclass(frozen=True)
class Terms:
    """What holds in the folder. `load` gets the name of a model, '' for the default; it may take
    long, and what it reports is shown. `undecided` are files of the folder's own configuration
    that nobody has decided about; `notices` are lines for the user."""

    load: Callable[[str, Report], Loaded]
    policy: Policy
    grants: Grants
    check: str = ""
    hooks: tuple[Hook, ...] = ()
    undecided: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setup:
    """What a conversation is made from.

    `terms` runs on a thread; it gets the user's decision about the folder's own configuration, or
    None. `state` is None where no session is kept. `resume` is the id of a session, or 'here' for
    the last one in the folder. `commands` are those that this user has.
    """

    folder: Path
    state: Path | None
    terms: Callable[[bool | None], Terms]
    commands: Callable[[], Sequence[Command]]
    model: str = ""
    resume: str = ""
    check: str = ""
    themes: Callable[[], Sequence[str]] = tuple


@dataclass
class Totals:
    """Of the session so far; `used` is the length of the log in tokens."""

    usage: Usage = field(default_factory=Usage)
    turns: int = 0
    seconds: float = 0.0
    answer: str = ""
    used: int = 0
    n_ctx: int = 0
    diffs: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Count one event in."""
        match event:
            case SessionStarted():
                self.n_ctx = event.n_ctx
            case LogSet() | ModelReplied() if event.start >= 0:
                self.used = event.start + len(event.tokens)
            case CallReturned() if event.diff:
                self.diffs = [*self.diffs, event.diff][-MOST_DIFFS:]
            case TurnEnded():
                self.usage.add(event.usage)
                self.turns += 1
                self.seconds += event.seconds
                self.answer = event.answer or self.answer
            case _:
                pass


class Chat:
    """`show` gets all news; `ask` shows a question to the user and brings back the decision.

    Implements :class:`agent.commands.base.Actions`.
    """

    def __init__(
        self,
        setup: Setup,
        show: Callable[[News], None],
        ask: Callable[[Question], Awaitable[Decision]],
    ) -> None:
        self.setup = setup
        self.check_command = setup.check
        self.totals = Totals()
        self.session: Session | None = None
        self._show = show
        self._ask = ask
        self._terms: Terms | None = None
        self._loaded: Loaded | None = None
        self._log: SessionLog | None = None
        self._notes: list[str] = []
        self._titled = False

    # The user interface that a Session knows.

    closed = False

    def show(self, event: Event) -> None:
        """One event of the session."""
        self.totals.take(event)
        self._show(event)

    async def start(self) -> None:
        """Load the model and open the session. Raises IngleError, InterruptedError."""
        terms = await asyncio.to_thread(self.setup.terms, None)
        if terms.undecided:
            decided = await self._ask(trust_question(self.setup.folder, terms.undecided))
            terms = await asyncio.to_thread(self.setup.terms, decided.key == "y")
        self._terms = terms
        self.check_command = self.check_command or terms.check
        for text in terms.notices:
            self._show(Notice(text))
        earlier = await asyncio.to_thread(self._earlier, self.setup.resume)
        name = self.setup.model or (earlier.model if earlier else "")
        self._loaded = await asyncio.to_thread(terms.load, name, self._show)
        await self._open(earlier)

    def close(self) -> None:
        """A Session's consumer: nothing is left to write."""

    async def end(self) -> None:
        """Free the model and close the log."""
        if self.session is not None:
            await self.session.close()
        elif self._loaded is not None:
            await self._loaded.engine.close()
        self._loaded = self.session = None
        if self._log is not None:
            self._log.close()

    def interrupt_engine(self) -> None:
        """End what the engine does soon; from any thread."""
        if self._loaded is not None:
            self._loaded.engine.interrupt()

    async def do(self, message: Message) -> TurnEnded:
        """One turn. Raises IngleError."""
        from agent.app import Job
        from agent.config import Limits

        session, loaded = self._ready()
        text = await asyncio.to_thread(self._text, message)
        job = Job(
            text, session.workspace, message.files, self.check_command, Limits(turns=0),
            loaded.sampling, tries=loaded.tries,
        )  # fmt: skip
        ended = await session.do(job)
        await self._run_hooks("turn_end", {"stop": ended.stop, "changed": list(ended.changed)})
        return ended

    async def _run_hooks(self, event: str, about: dict[str, Any]) -> None:
        from agent.commands.hooks import run_hooks

        hooks = self._terms.hooks if self._terms else ()
        about = {"session": self.session_id, "folder": str(self.root), **about}
        answer = await run_hooks(hooks, event, about, self.root)
        for text in answer.notices:
            self._show(Notice(text))

    async def give_title(self) -> None:
        """Once a session, when nothing else is to be done."""
        if self.session is not None and not self._titled:
            self._titled = True
            await self.session.give_title()

    async def prepare(self, text: str) -> None:
        """Let what is certain of the next prompt be read already."""
        # Not every session can.
        prepare = getattr(self.session, "prepare", None)
        if prepare is not None:
            await prepare(text)

    def note(self, command: str, output: str, exit_code: int) -> None:
        """The model sees with the next message what a command of the user printed."""
        kept = output if len(output) <= MOST_NOTE else f"[…]\n{output[-MOST_NOTE:]}"
        self._notes.append(f"I ran `{command}` (exit code {exit_code}):\n```\n{kept}\n```")

    def _text(self, message: Message) -> str:
        from tools.output import OutputStore

        store = OutputStore(self._log.output if self._log else None, MOST_PASTE)
        text = message.text
        for paste in message.pastes:
            shown = store.cut(paste.text, "paste")
            text = f"{text}\n\n{paste.label}:\n```\n{shown}\n```"
        notes, self._notes = self._notes, []
        return "\n\n".join([*notes, text])

    def _earlier(self, name: str) -> Earlier | None:
        from agent.session.resume import last_in, load_earlier

        if not name:
            return None
        if self.setup.state is None:
            raise UsageError("sessions are not kept, so none can go on")
        if name == "here":
            name = last_in(self.setup.state, self.setup.folder)
        return load_earlier(self.setup.state, name)

    async def _open(self, earlier: Earlier | None, *, fork: bool = False) -> None:
        """Make a session around the engine that is there; the one before is closed."""
        from agent.app import Session, open_workspace
        from agent.session.store import SessionLog

        loaded, terms = self._loaded, self._terms
        assert loaded is not None and terms is not None
        if earlier and earlier.model != loaded.name:
            raise UsageError(
                f"session {earlier.session} was made with {earlier.model}, whose tokens "
                f"{loaded.name} cannot read: /model {earlier.model} first"
            )
        if earlier and not fork:
            assert self.setup.state is not None
            log = SessionLog.resume(self.setup.state, earlier.session)
        else:
            log = SessionLog.create(self.setup.state)
        if self._log is not None:
            self._log.close()
        self._log = log
        self.totals = Totals()
        for event in earlier.events if earlier else ():
            self.totals.take(event)
            if fork and not isinstance(event, SessionStarted):
                log.append(event)
        if self.session is not None:
            if self.session._presence:
                self.session._presence.leave()
            await loaded.engine.rewind(0)
        workspace = open_workspace(self.setup.folder)
        session = Session(
            loaded.engine, workspace, log, self, self._approve, loaded.plan, earlier,
            policy=self.session.policy if self.session else terms.policy, grants=terms.grants,
        )  # fmt: skip
        await session.start(sandbox="auto")
        self.session = session
        self._titled = bool(earlier and earlier.title)

    async def _approve(self, asked: approval.Question) -> approval.Answer:
        """Let the user decide about a call."""
        return as_answer(await self._ask(as_question(asked)))

    @property
    def mode(self) -> str:
        """The approval mode; '' while there is no session."""
        return self.session.policy.approval if self.session else ""

    def next_mode(self) -> None:
        """The next approval mode; it holds from the next turn on."""
        session, _ = self._ready()
        mode = MODES[(MODES.index(session.policy.approval) + 1) % len(MODES)]
        session.policy = replace(session.policy, approval=mode)
        if session._dispatcher is not None:
            policy = replace(session._dispatcher.policy, approval=mode)
            session._dispatcher = replace(session._dispatcher, policy=policy)

    def _ready(self) -> tuple[Session, Loaded]:
        if self.session is None or self._loaded is None:
            raise UsageError("no model is loaded: /model NAME loads one")
        return self.session, self._loaded

    # What commands can do.

    @property
    def commands(self) -> Sequence[Command]:
        return self.setup.commands()

    @property
    def model(self) -> str:
        return self._loaded.name if self._loaded else ""

    @property
    def root(self) -> Path:
        return self.setup.folder

    @property
    def themes(self) -> Sequence[str]:
        return self.setup.themes()

    def kinds(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for stretch in self.session.ledger.stretches if self.session else ():
            for kind, _, count in stretch.parts:
                found[kind] = found.get(kind, 0) + count
        return found

    @property
    def sessions_in(self) -> Path | None:
        return self.setup.state

    @property
    def session_id(self) -> str:
        return self._log.id if self._log else ""

    async def load(self, model: str) -> str:
        """Take another model; the session begins anew, since its tokens mean nothing to it."""
        before = self._loaded
        if self._terms is None:
            raise UsageError("the settings could not be read: correct them and start again")
        loaded = await asyncio.to_thread(self._terms.load, model, self._show)
        if self.session is not None:
            await self.session.close()
        elif before is not None:
            await before.engine.close()
        self.session, self._loaded = None, loaded
        await self._open(None)
        return f"{loaded.name} is loaded; the conversation begins anew"

    async def clear(self) -> str:
        self._ready()
        await self._open(None)
        return "a new session; the one before can be had back with /resume"

    async def resume(self, session: str, *, fork: bool = False) -> str:
        self._ready()
        here = self._log.id if self._log else ""
        earlier = await asyncio.to_thread(self._earlier, session or here)
        if earlier is None:
            raise UsageError("which session? /resume ID")
        if earlier.session == here and not fork:
            return "that is this session"
        await self._open(earlier, fork=fork)
        what = "a copy of session" if fork else "session"
        return f"{what} {earlier.session} goes on" + (f": {earlier.title}" if earlier.title else "")

    async def later(self, what: str, *arguments: str) -> str:
        """Something that the session itself does, where it can."""
        session, _ = self._ready()
        action: Any = getattr(session, what, None)
        if action is None:
            raise UsageError(f"/{what} is not there yet")
        said = await action(*arguments)
        return said if isinstance(said, str) else ""
