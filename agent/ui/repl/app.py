"""The REPL: a prompt-toolkit application of a few lines below plain terminal output."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.input import Input

from agent.errors import IngleError
from agent.events import TurnEnded
from agent.ui.repl.application import make_application
from agent.ui.repl.asking import Asking, question_lines
from agent.ui.repl.complete import ReplCompleter
from agent.ui.repl.draft import Pastes, message, split_command
from agent.ui.repl.feed import Feed
from agent.ui.repl.greeting import greeting
from agent.ui.repl.history import HistoryFile
from agent.ui.repl.host import Asked, Host, News, Said, Status, StatusChanged, Wish
from agent.ui.repl.output import FramedOutput, terminal_size
from agent.ui.repl.paint import Painter
from agent.ui.repl.settings import ReplSettings
from agent.ui.repl.steady import Steady
from agent.ui.repl.suspended import Suspended
from agent.ui.repl.theme import theme_or_default
from agent.ui.repl.view import View
from agent.ui.repl.wishes import grant

# A second Ctrl-C within this time quits.
TWICE_S = 2.0
# How often the clock in the status line moves while the model works.
TICK_S = 0.25
STOPPING = "stopping; Ctrl-C twice leaves"


class Repl:
    """One interactive session at a terminal. `run` returns when the user leaves."""

    def __init__(
        self,
        host: Host,
        settings: ReplSettings,
        output: FramedOutput,
        keyboard: Input | None = None,
    ) -> None:
        self.host = host
        self.settings = settings
        self.output = output
        self.status = Status()
        self.pastes = Pastes()
        self.asking = Asking(time.monotonic)
        self.history = HistoryFile(settings.history)
        self.completer = ReplCompleter(lambda: host.commands, lambda: host.servers, host.files)
        self.draft = Buffer(
            completer=ThreadedCompleter(self.completer),
            complete_while_typing=True,
            history=self.history,
            multiline=True,
            on_text_changed=lambda _buffer: self._typed(),
            tempfile_suffix=".md",
        )
        self.reason = Buffer(multiline=False)
        self.hint = ""
        self.theme, self._trouble = theme_or_default(settings.theme, settings.themes)
        self.view = View(self.make_painter(), time.monotonic)
        self._last_interrupt = -TWICE_S
        self.steady: Steady | None = None
        self._suspended = 0
        self._drawn = 0.0
        self._background: asyncio.Future[None] | None = None
        self._held: list[News] = []
        self.app = make_application(self, keyboard)

    async def run(self) -> None:
        """Show the prompt, start the host behind it, and work until the user leaves."""
        loop = asyncio.get_running_loop()
        feed = Feed(loop, self._take)
        self.steady = Steady(loop.call_later, self._foresee)
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, self.leave)
        loop.add_signal_handler(signal.SIGINT, self._signalled)
        loop.set_exception_handler(self._defect)
        ticking = asyncio.ensure_future(self._tick())
        try:
            await self.app.run_async(
                pre_run=lambda: self._soon(feed),
                handle_sigint=False,
                set_exception_handler=False,
            )
        except EOFError:
            pass  # the terminal is gone
        finally:
            ticking.cancel()
            self.asking.drop()
            await asyncio.to_thread(self.host.close)

    def _soon(self, feed: Feed) -> None:
        asyncio.get_running_loop().call_soon(self._started, feed)

    def _started(self, feed: Feed) -> None:
        """The prompt is there: everything heavy begins now."""
        self.view.show(Said("\n".join(greeting(self.host.root, self.width())), "note"))
        for problem in (self.history.problem, self._trouble):
            if problem:
                self.view.show(Said(problem, "error"))
        self.flush()
        self.host.start(feed)

    def _defect(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A defect of ours in a key or a frame costs that key or frame, and is said."""
        error = context.get("exception")
        if isinstance(error, EOFError | OSError):
            self.leave()  # the terminal is gone
            return
        text = f"{type(error).__name__}: {error}" if error else str(context.get("message"))
        self.hint = f"{text} (a defect of agent)"

    # What the keys do.

    def enter(self) -> None:
        """Send the draft, run the command, or insert what the user chose."""
        self._send(now=False)

    def steer(self) -> None:
        """Send the draft before everything else, and end what is being done."""
        self._send(now=True)

    def _send(self, *, now: bool) -> None:
        text = self.draft.text
        if not text.strip():
            return
        self.hint = ""
        if text.startswith("!") and self._shell(text.strip()):
            self._sent()
            return
        command = split_command(text)
        if command is not None:
            self._sent()
            self.say(Said(f"/{' '.join(filter(None, command))}", "echo"))
            self.host.command(*command)
            return
        try:
            self.host.submit(message(text, self.pastes, self.host.root), now=now)
        except IngleError as error:
            self.hint = str(error)
            return
        self._sent()

    def _sent(self) -> None:
        self.draft.append_to_history()
        self.draft.reset()
        self.pastes = Pastes()

    def _shell(self, text: str) -> bool:
        hidden = text.startswith("!!")
        command = text.lstrip("!").strip()
        if not command:
            return False
        self._background = asyncio.ensure_future(self._run_shell(command, hidden=hidden))
        return True

    async def _run_shell(self, command: str, *, hidden: bool) -> None:
        from agent.ui.repl.shell import run_for_user

        async with self.suspended():
            code, output = await run_for_user(command, self.host.root, keep=not hidden)
        if code:
            self.say(Said(f"exit {code}", "error"))
        if not hidden:
            self.host.note(command, output, code)

    def escape(self) -> None:
        """Stop what is being done."""
        if self.status.state == "working":
            self.host.interrupt()
            self.hint = STOPPING

    def interrupt(self) -> None:
        """Ctrl-C: stop the work, else empty the draft; a second one leaves."""
        now = time.monotonic()
        if now - self._last_interrupt < TWICE_S:
            self.leave()
            return
        self._last_interrupt = now
        if self.status.state == "working":
            self.host.interrupt()
            self.hint = STOPPING
            return
        self.draft.reset()
        self.hint = "Ctrl-C again leaves"

    def _signalled(self) -> None:
        # While a command of the user has the terminal, Ctrl-C is for that command.
        if not self._suspended:
            self.interrupt()

    def edit(self) -> None:
        """Write the draft in the user's editor."""
        self._background = asyncio.ensure_future(self._edit())

    async def _edit(self) -> None:
        self.held(1)
        try:
            await self.draft.open_in_editor()
        finally:
            self.held(-1)

    def leave(self) -> None:
        """End in order."""
        if self.app.is_running and not self.app.is_done:
            self.app.exit()

    def unfold(self) -> None:
        if self.view.unfold():
            self.flush()
        else:
            self.hint = "nothing is folded"

    def take_back(self) -> bool:
        """The message that was queued last comes back to the prompt."""
        text = self.host.take_back() if self.status.queued else ""
        if text:
            self.draft.document = Document(text)
        return bool(text)

    def answer(self, key: str) -> None:
        """A key while a question stands."""
        choice = self.asking.choice(key)
        if choice is None or not self.asking.armed:
            self.asking.key_pressed()
            return
        if choice.needs_reason:
            self.asking.rejecting = choice
            self.reason.reset()
            self.app.layout.focus(self.reason)
            return
        self._decide(key)

    def reject(self) -> None:
        """The reason for a no is typed."""
        if self.asking.rejecting is not None:
            self._decide(self.asking.rejecting.key, self.reason.text.strip())

    def _decide(self, key: str, reason: str = "") -> None:
        choice = self.asking.choice(key)
        self.asking.decide(key, reason)
        self.app.layout.focus(self.draft)
        if choice is not None:
            because = f": {reason}" if reason else ""
            self.say(Said(f"{choice.label}{because}", "note"))

    def say(self, said: Said) -> None:
        """Print something of our own."""
        self.view.show(said)
        self.flush()

    # What the host brings.

    def _take(self, news: Sequence[News]) -> None:
        if self._suspended:
            self._held += news
            return
        for item in news:
            if isinstance(item, StatusChanged):
                self._changed(item.status)
            elif isinstance(item, Wish):
                grant(self, item)
            elif isinstance(item, Asked):
                self.asking.add(item)
                self.view.print_lines(question_lines(self.view.painter, item))
            else:
                self.view.show(item)
                if isinstance(item, TurnEnded):
                    self._turn_ended()
        self.flush()

    def _turn_ended(self) -> None:
        self.completer.forget_files()
        if self.hint == STOPPING:
            self.hint = ""

    def _changed(self, status: Status) -> None:
        before, self.status = self.status.state, status
        if self.steady is not None and status.state != before:
            self.steady.forget()
            if status.state == "ready":
                self.steady.typed(self.draft.text)

    def flush(self) -> None:
        """Print what is new above the prompt, and draw the prompt again, in one frame."""
        if self._suspended or not self.app.is_running or self.app.is_done:
            return
        self.view.resize(self.width())
        lines = self.view.take()
        with self.output.frame():
            if lines:
                self.app.renderer.erase()
                self.output.write_raw("".join(f"{line}\r\n" for line in lines))
            # What the windows show is kept until the next redraw, which only this one counts as.
            self.app._redraw()
        self._drawn = time.monotonic()

    def suspended(self) -> Suspended:
        """The terminal belongs to somebody else meanwhile."""
        return Suspended(self)

    def held(self, count: int) -> None:
        """Count who has the terminal; with the last one gone, what came meanwhile is shown."""
        self._suspended += count
        if not self._suspended:
            news, self._held = self._held, []
            self._take(news)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            is_busy = self.status.state in ("working", "loading")
            if self.asking.current or (is_busy and time.monotonic() - self._drawn >= TICK_S):
                self.app.invalidate()
            if self.output.lost:
                self.leave()

    def _typed(self) -> None:
        self.hint = ""
        if self.steady is not None and self.status.state == "ready":
            self.steady.typed(self.draft.text)

    def _foresee(self, words: str) -> None:
        """The draft goes on to begin with these words."""
        # A file that is missing is said when the message is sent.
        with suppress(IngleError):
            self.host.prepare(message(words, Pastes(), self.host.root))

    # What is drawn.

    def width(self) -> int:
        return max(1, terminal_size(self.output.stdout).columns)

    def rows(self) -> int:
        return terminal_size(self.output.stdout).rows

    def make_painter(self) -> Painter:
        return Painter(self.width(), self.settings.colour, self.theme)
