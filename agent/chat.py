"""One model and one session at a time, and what slash commands can do with them.

Everything here runs on the loop of :mod:`agent.conversation`. Light to import: what is heavy is
imported when it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import approval
from agent.asking import as_answer, as_question, trust_question
from agent.commands.base import Command, find
from agent.commands.prompts import named, prompt_commands
from agent.errors import IngleError, UsageError
from agent.events import Event, Notice, SessionTitled, TurnEnded
from agent.terms import Loaded, Setup, Terms, Totals
from agent.ui.repl.host import Decision, Message, News, Question, Said

if TYPE_CHECKING:
    from agent.app import Session
    from agent.config import Folders
    from agent.hooks import Hooks
    from agent.job import Job
    from agent.policy import Approval
    from agent.session.resume import Earlier
    from agent.session.stats import Prices
    from agent.session.store import SessionLog
    from tools.base import Tool

MODES: tuple[Approval, ...] = ("ask", "auto", "never")
MOST_NOTE = 4_000  # characters of what the user's own command printed
MOST_PASTE = 6_000  # characters of a paste that the model sees at once


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
        self._titled = self._titled or isinstance(event, SessionTitled)
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
        earlier, problem = None, ""
        try:
            earlier = await asyncio.to_thread(self._earlier, self.setup.resume)
        except IngleError as error:
            problem = str(error)
        name = self.setup.model or (earlier.model if earlier else "")
        self._loaded = await asyncio.to_thread(terms.load, name, self._show)
        try:
            self._readable(earlier)
            log = self._log_of(earlier.session if earlier else "")
        except IngleError as error:
            earlier, log, problem = None, self._log_of(""), str(error)
        if problem:
            self._show(Said(f"{problem}: this is a new session", "error"))
        await self._open(earlier, log)
        self._show(Said(await asyncio.to_thread(self._about_check), "note"))

    def _about_check(self) -> str:
        """Whether messages are checked, and how they can be; '' where nothing is to be said."""
        from agent.commands.suggest import likely_check

        if self.check_command:
            return f"messages are worked on until `{self.check_command}` passes"
        likely = likely_check(self.root)
        return f"/check {likely} lets messages be worked on until it passes" if likely else ""

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
        session, _ = self._ready()
        text = await asyncio.to_thread(self._text, message)
        self._notes = []
        ended = await session.do(self._job(text, message))
        about = {"stop": ended.stop, "changed": list(ended.changed)}
        await self._hooks().run("turn_end", about)
        return ended

    def _job(self, text: str, message: Message) -> Job:
        from agent.config import Limits
        from agent.job import Job

        session, loaded = self._ready()
        job = Job(
            text, session.workspace, message.files, self.check_command, Limits(turns=0),
            loaded.sampling, tries=loaded.tries,
        )  # fmt: skip
        return self.setup.shape(job)

    def _hooks(self) -> Hooks:
        from agent.hooks import Hooks

        def tell(text: str) -> None:
            self._show(Notice(text))

        hooks = self._terms.hooks if self._terms else ()
        return Hooks(hooks, self.session_id, self.root, tell)

    async def give_title(self) -> None:
        """Once a session, when nothing else is to be done."""
        if self.session is not None and not self._titled:
            await self.session.give_title()

    async def prepare(self, draft: Message, go_on: Callable[[], bool]) -> None:
        """Let what is certain of the next prompt be read already, as long as `go_on` says so."""
        if self.session is not None:
            text = self._text(draft) if draft.text else ""
            await self.session.prepare(self._job(text, draft), go_on)

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
        return "\n\n".join([*self._notes, text])

    def _earlier(self, name: str) -> Earlier | None:
        from agent.session.resume import last_in, load_earlier

        if not name:
            return None
        if self.setup.state is None:
            raise UsageError("sessions are not kept, so none can go on")
        if name == "here":
            name = last_in(self.setup.state, self.setup.folder)
        return load_earlier(self.setup.state, name)

    async def _open(self, earlier: Earlier | None, log: SessionLog) -> None:
        """Make a session around the engine that is there; the one before is closed."""
        from agent.app import Session, open_workspace
        from tools.code.places import store_file

        loaded, terms, folders = self._loaded, self._terms, self.setup.folders
        assert loaded is not None and terms is not None
        if self._log is not None and self._log is not log:
            self._log.close()
        self._log = log
        self.totals = Totals()
        for event in earlier.events if earlier else ():
            self.totals.take(event)
        before = self.session
        if before is not None:
            await before.leave()
            await loaded.engine.rewind(0)
        workspace = open_workspace(self.setup.folder)
        session = Session(
            loaded.engine, workspace, log, self, self._approve, loaded.plan, earlier,
            maps=store_file(folders.cache, workspace.root) if folders else None,
            policy=before.policy if before else terms.policy, grants=terms.grants,
            profile="small" if loaded.tries > 1 else "full", folders=folders, hooks=terms.hooks,
            elicit=self._elicit,
        )  # fmt: skip
        await session.start(sandbox="auto", family=self.setup.family)
        self.session = session
        self._titled = bool(earlier and earlier.title)

    def _readable(self, earlier: Earlier | None) -> None:
        """Raises UsageError where the tokens of a session are of another model."""
        loaded = self._loaded
        if earlier and loaded and earlier.model != loaded.name:
            raise UsageError(
                f"session {earlier.session} was made with {earlier.model}, whose tokens "
                f"{loaded.name} cannot read: /model {earlier.model} first"
            )

    def _log_of(self, session: str) -> SessionLog:
        """The log of a session, '' for a new one."""
        from agent.session.store import SessionLog

        if not session or self.setup.state is None:
            return SessionLog.create(self.setup.state)
        return SessionLog.resume(self.setup.state, session)

    async def _approve(self, asked: approval.ApprovalRequest) -> approval.Answer:
        """Let the user decide about a call."""
        return as_answer(await self._ask(as_question(asked)))

    async def _elicit(
        self, server: str, message: str, schema: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Let the user answer what an MCP server wants to know."""
        from agent.elicitation import fill_in

        return await fill_in(server, message, schema, self._ask)

    @property
    def mode(self) -> str:
        """The approval mode; '' while there is no session."""
        return self.session.policy.approval if self.session else ""

    def next_mode(self) -> None:
        """The next approval mode; it holds from the next call on."""
        session, _ = self._ready()
        mode = MODES[(MODES.index(session.policy.approval) + 1) % len(MODES)]
        session.set_approval(mode)

    def _ready(self) -> tuple[Session, Loaded]:
        if self.session is None or self._loaded is None:
            raise UsageError("no model is loaded: /model NAME loads one")
        return self.session, self._loaded

    # What commands can do.

    @property
    def commands(self) -> Sequence[Command]:
        manager = self.session.servers if self.session else None
        if manager is None:
            return self.setup.commands()
        return [*self.setup.commands(), *prompt_commands(manager)]

    @property
    def servers(self) -> Mapping[str, str]:
        """MCP servers that a message can name as @server, and a word on each."""
        manager = self.session.servers if self.session else None
        return manager.mentionable() if manager else {}

    def find(self, name: str) -> Command | None:
        """The command of that name, or the only one that begins so."""
        manager = self.session.servers if self.session else None
        return find(self.commands, name) or (named(manager, name) if manager else None)

    @property
    def model(self) -> str:
        return self._loaded.name if self._loaded else ""

    @property
    def root(self) -> Path:
        return self.setup.folder

    @property
    def themes(self) -> Sequence[str]:
        return self.setup.themes()

    def say(self, news: News) -> None:
        self._show(news)

    @property
    def prices(self) -> Prices | None:
        return self._terms.prices if self._terms else None

    @property
    def folders(self) -> Folders | None:
        return self.setup.folders

    def events(self) -> list[Event]:
        from agent.session import read_session

        if self._log is None:
            return []
        if self._log.folder is None or self.setup.state is None:
            return list(self._log.unsaved)
        return read_session(self.setup.state, self._log.id)

    @property
    def tools(self) -> Sequence[Tool[Any]]:
        return self.session.tools if self.session else ()

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
        await self._open(None, self._log_of(""))
        return f"{loaded.name} is loaded; the conversation begins anew"

    async def clear(self) -> str:
        self._ready()
        await self._open(None, self._log_of(""))
        return "a new session; the one before can be had back with /resume"

    async def resume(self, session: str) -> str:
        self._ready()
        here = self.session_id
        earlier = await asyncio.to_thread(self._earlier, session)
        if earlier is None:
            raise UsageError("which session? /resume ID")
        if earlier.session == here:
            return "that is this session"
        self._readable(earlier)
        await self._open(earlier, self._log_of(earlier.session))
        return f"session {earlier.session} goes on" + (
            f": {earlier.title}" if earlier.title else ""
        )

    async def fork(self, session: str, turn: int) -> str:
        from agent.session.fork import fork

        self._ready()
        source = await asyncio.to_thread(self._earlier, session or self.session_id)
        if source is None or self.setup.state is None:
            raise UsageError("there is nothing to copy yet")
        self._readable(source)
        copy = await asyncio.to_thread(fork, self.setup.state, source.session, turn)
        earlier = await asyncio.to_thread(self._earlier, copy)
        await self._open(earlier, self._log_of(copy))
        return f"this is {copy} now, a copy of session {source.session}"

    async def again(self) -> None:
        from agent.session.resume import folded

        self._ready()
        assert self._log is not None
        events = await asyncio.to_thread(self.events)
        earlier = folded(self.session_id, events)
        await self._open(earlier, self._log)

    async def compact(self, focus: str) -> str:
        session, _ = self._ready()
        return await session.compact(focus)
