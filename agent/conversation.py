"""Several turns with one model on a thread of its own: the host of an interactive user interface.

The thread runs an event loop with the session in it. Messages and commands wait in a queue; an
interrupt ends the turn that runs and keeps what was said.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.chat import Chat
from agent.commands.base import Command, Outcome, unknown
from agent.errors import IngleError
from agent.events import (
    CallMade,
    CallReturned,
    CheckEnded,
    CheckStarted,
    ModelReplied,
    TurnEnded,
    WorkProgress,
)
from agent.terms import Setup
from agent.ui.repl.host import (
    Asked,
    Began,
    CommandInfo,
    Decision,
    Drawn,
    Message,
    News,
    Question,
    Said,
    Screen,
    Status,
    StatusChanged,
    Wish,
)

# An interrupted model ends its message; what has not ended by then is cut off.
PATIENCE_S = 1.0


@dataclass(frozen=True)
class Item:
    """One thing in the queue: a message, or a command and what stands behind its name."""

    message: Message | None = None
    command: Command | None = None
    argument: str = ""

    @property
    def text(self) -> str:
        if self.command:
            return f"/{self.command.name} {self.argument}".rstrip()
        return self.message.text if self.message else ""


class Conversation:
    """A :class:`agent.ui.repl.host.Host`. `files` lists the project's files, slowly."""

    def __init__(self, setup: Setup, files: Callable[[], Sequence[str]]) -> None:
        self._setup = setup
        self._list_files = files
        self._chat = Chat(setup, self._show, self._ask)
        self._screen: Screen | None = None
        self._thread = threading.Thread(target=self._run, name="conversation")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._queue: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._state = "loading"
        self._model = setup.model
        self._working: asyncio.Task[None] | None = None
        self._aside: asyncio.Task[None] | None = None
        self._draft: Message | None = None  # what is to be read ahead next
        self._is_unnamed = False
        self._is_naming = False
        self._is_awaited = False  # somebody waits for the end of the aside
        self._in_tool = False
        self._closing = False
        self._asked: set[Future[Decision]] = set()

    # Called by the user interface, on its thread.

    @property
    def root(self) -> Path:
        return self._setup.folder

    @property
    def servers(self) -> Mapping[str, str]:
        return self._chat.servers

    @property
    def commands(self) -> Sequence[CommandInfo]:
        return [CommandInfo(c.name, c.argument, c.help) for c in self._chat.commands]

    def start(self, screen: Screen) -> None:
        self._screen = screen
        self._thread.start()

    def submit(self, message: Message, *, now: bool = False) -> None:
        self._post(lambda: self._enqueue(Item(message), now=now))

    def take_back(self) -> str:
        with self._lock:
            item = self._queue.pop() if self._queue else None
        self._changed()
        return item.text if item else ""

    def command(self, name: str, argument: str) -> None:
        self._post(lambda: self._command(name, argument))

    def note(self, command: str, output: str, exit_code: int) -> None:
        self._post(lambda: self._chat.note(command, output, exit_code))

    def interrupt(self) -> None:
        self._post(self._interrupt)

    def prepare(self, draft: Message) -> None:
        self._post(lambda: self._foresee(draft))

    def next_mode(self) -> None:
        self._post(self._next_mode)

    def files(self) -> Sequence[str]:
        return self._list_files()

    def close(self) -> None:
        self._closing = True
        self._chat.interrupt_engine()
        if self._thread.is_alive():
            self._post(self._end)
            self._thread.join()

    # The thread.

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        with self._lock:
            self._loop = asyncio.get_running_loop()
            early, self._early = self._early, []
        for action in early:
            action()
        try:
            await self._guarded(self._chat.start)
            self._state = "ready" if self._chat.session else "failed"
            self._changed()
            self._foresee(Message(""))
            while not self._closing:
                await self._wake.wait()
                self._wake.clear()
                await self._work()
        finally:
            await self._end_aside()
            await self._chat.end()

    async def _work(self) -> None:
        """Everything that is in the queue, one after the other."""
        while not self._closing:
            with self._lock:
                item = self._queue.popleft() if self._queue else None
            if item is None:
                return
            self._state = "working"
            self._changed()
            self._working = asyncio.create_task(self._do(item))
            await asyncio.wait([self._working])
            self._working, self._in_tool = None, False
            self._state = "ready" if self._chat.session else "failed"
            self._changed()
        self._is_unnamed = True
        self._foresee(self._draft or Message(""))

    async def _do(self, item: Item) -> None:
        message = item.message
        if message is not None:
            self._show(Began(message))
        try:
            await self._end_aside()
        except asyncio.CancelledError:
            self._show(Said("stopped", "note"))
            return
        if item.command is not None:
            await self._run_command(item.command, item.argument)
        elif message is not None:
            await self._guarded(lambda: self._chat.do(message))

    async def _run_command(self, command: Command, argument: str) -> None:
        outcome = await self._guarded(lambda: command.run(self._chat, argument))
        if isinstance(outcome, Message):
            self._enqueue(Item(outcome), now=False, first=True)
        elif isinstance(outcome, (Said, Wish, Drawn)):
            self._show(outcome)
        self._changed()

    async def _guarded(self, work: Callable[[], Awaitable[Outcome | TurnEnded]]) -> object:
        """What comes of it; an error is shown and ends nothing else."""
        try:
            return await work()
        except IngleError as error:
            self._show(Said(str(error), "error", int(error.exit_code)))
        except (InterruptedError, asyncio.CancelledError):
            if not self._closing:
                self._show(Said("stopped", "note"))
        except Exception as error:  # noqa: BLE001 - a defect of ours must not take the session along
            self._show(Said(f"{type(error).__name__}: {error} (a defect of agent)", "error"))
            self._show_trace(error)
        return None

    def _show_trace(self, error: Exception) -> None:
        import os
        import traceback

        if os.environ.get("INGLE_DEBUG", "") not in ("", "0"):
            self._show(Said("".join(traceback.format_exception(error)), "note"))

    def _post(self, action: Callable[[], None]) -> None:
        """Run `action` on the thread, as soon as it is there."""
        with self._lock:
            if self._loop is None:
                self._early.append(action)
                return
            loop = self._loop
        with suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(action)

    # On the thread.

    def _enqueue(self, item: Item, *, now: bool, first: bool = False) -> None:
        with self._lock:
            if now or first:
                self._queue.appendleft(item)
            else:
                self._queue.append(item)
        if now:
            self._interrupt()
        self._wake.set()
        self._changed()

    def _command(self, name: str, argument: str) -> None:
        command = self._chat.find(name)
        if command is None:
            self._show(Said(unknown(self._chat.commands, name), "error"))
            self._changed()
        elif command.waits:
            self._enqueue(Item(command=command, argument=argument), now=False)
        else:
            running = asyncio.ensure_future(self._run_command(command, argument))
            running.add_done_callback(lambda _task: None)

    def _interrupt(self) -> None:
        working = self._working
        self._answer_nothing()
        if working is None:
            return
        if self._in_tool:
            working.cancel()
            return
        self._chat.interrupt_engine()
        if self._aside is not None:  # it waits for the aside
            working.cancel()
            return
        asyncio.get_running_loop().call_later(PATIENCE_S, self._cut_off, working)

    def _cut_off(self, working: asyncio.Task[None]) -> None:
        if self._working is working:
            working.cancel()

    def _foresee(self, draft: Message) -> None:
        """Read this ahead in the time in which nobody waits; the next message ends it."""
        self._draft = draft
        if self._is_naming:
            self._chat.interrupt_engine()
        is_free = self._aside is None or self._aside.done()
        if self._state == "ready" and not self._queue and not self._closing and is_free:
            self._is_awaited = False
            self._aside = asyncio.ensure_future(self._idle())

    async def _idle(self) -> None:
        """The newest draft is read ahead, and then the session gets its name."""
        with suppress(IngleError, InterruptedError):
            while not self._is_awaited and not self._closing:
                draft, self._draft = self._draft, None
                if draft is not None:
                    await self._chat.prepare(draft, self._has_time)
                elif self._is_unnamed:
                    self._is_naming = True
                    await self._chat.give_title()
                    self._is_unnamed = self._draft is not None  # that was in the way
                    self._is_naming = False
                else:
                    return

    def _has_time(self) -> bool:
        return self._draft is None and not self._is_awaited and not self._closing

    async def _end_aside(self) -> None:
        """Wait until nothing goes on beside; of what is read ahead that is one step at most."""
        if self._aside is None:
            return
        self._is_awaited = True
        if self._is_naming:
            self._chat.interrupt_engine()
        await asyncio.wait([self._aside])
        self._aside, self._is_naming = None, False

    def _next_mode(self) -> None:
        with suppress(IngleError):
            self._chat.next_mode()
        self._changed()

    def _end(self) -> None:
        self._answer_nothing()
        for task in (self._working, self._aside):
            if task is not None:
                task.cancel()
        self._wake.set()

    def _answer_nothing(self) -> None:
        for future in list(self._asked):
            future.cancel()

    # News.

    def _show(self, news: News) -> None:
        if isinstance(news, WorkProgress) and self._closing:
            # Ends a download, which listens to nothing else.
            raise InterruptedError
        if isinstance(news, (CallMade, CheckStarted)):
            self._in_tool = True
        elif isinstance(news, (CallReturned, CheckEnded)):
            self._in_tool = False
        if self._screen is not None:
            self._screen.show(news)
        if isinstance(news, ModelReplied):
            self._changed()

    def _changed(self) -> None:
        with self._lock:
            queued = tuple(item.text for item in self._queue)
        totals = self._chat.totals
        model = self._chat.model or self._setup.model
        self._show(
            StatusChanged(
                Status(self._state, model, self._chat.mode, totals.n_ctx, totals.used, queued)
            )
        )

    async def _ask(self, question: Question) -> Decision:
        """Wait for the user; nothing is allowed where nobody answers."""
        answer: Future[Decision] = Future()
        self._asked.add(answer)
        self._show(Asked(question, answer))
        try:
            return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            if answer.cancelled() and not _is_cancelled():
                return Decision("n")
            answer.cancel()
            raise
        finally:
            self._asked.discard(answer)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
