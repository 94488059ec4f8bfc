"""The REPL in plain lines, for screen readers and for terminals that cannot move the cursor.

Nothing is rewritten and nothing is coloured: what the model says is printed when a line of it is
complete, and the prompt is a line that is read like any other.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TextIO

from agent.errors import ExitCode, IngleError
from agent.events import WorkProgress
from agent.ui.escape import safe
from agent.ui.repl.draft import Pastes, message, split_command
from agent.ui.repl.host import Asked, Began, Decision, Host, News, Status, StatusChanged, Wish
from agent.ui.repl.paint import Painter
from agent.ui.repl.view import View
from agent.ui.terminal import Output

PROMPT = "> "
# Between two lines about a long stage.
SPARSE_S = 10.0


class PlainScreen:
    """Prints news as they come, from whatever thread; `idle` is set while nothing is worked on."""

    def __init__(self, out: TextIO, leave: Callable[[], None]) -> None:
        self._out = Output(out, {"TERM": "dumb"})
        self._view = View(Painter(self._out.width(), colour=False), time.monotonic, hint_keys=False)
        self._leave = leave
        self._lock = threading.Lock()
        self._next_progress = time.monotonic() + SPARSE_S
        self.idle = threading.Event()
        self.questions: queue.Queue[Asked] = queue.Queue()
        self.status = Status()

    def show(self, news: News) -> None:
        """Print it, or remember it for the thread that reads."""
        with self._lock:
            if isinstance(news, StatusChanged):
                self._changed(news.status)
            elif isinstance(news, Asked):
                self.questions.put(news)
                self.idle.set()
            elif isinstance(news, Wish):
                self._grant(news)
            elif isinstance(news, WorkProgress):
                self._progress(news)
            elif not isinstance(news, Began):
                self._view.resize(self._out.width())
                self._view.show(news)
                self._print(self._view.take())

    def say(self, text: str) -> None:
        with self._lock:
            self._print([safe(text)])

    def prompt(self, text: str) -> None:
        with self._lock:
            self._out.write(text)

    def _print(self, lines: list[str]) -> None:
        self._out.write("".join(f"{line}\n" for line in lines))

    def _changed(self, status: Status) -> None:
        if status.state == "ready" and self.status.state == "loading":
            self._print([f"{safe(status.model)} is loaded"])
        self.status = status
        if status.state in ("ready", "failed") and not status.queued:
            self.idle.set()
        elif status.state == "working":
            self.idle.clear()

    def _grant(self, wish: Wish) -> None:
        if wish.what == "exit":
            self._leave()
        elif wish.what == "copy":
            self._print([safe(wish.value)])

    def _progress(self, event: WorkProgress) -> None:
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + SPARSE_S
            self._print([f"{event.stage}: {100 * event.done // max(1, event.total)}%"])


def run_plain(host: Host, stdin: TextIO | None = None, stdout: TextIO | None = None) -> int:
    """Read lines and send them until the user leaves: the exit code."""
    lines = stdin or sys.stdin
    gone = threading.Event()
    screen = PlainScreen(stdout or sys.stdout, gone.set)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, _hang_up)
    screen.say("Type a message, /help or /exit. Ctrl-C stops the model.")
    host.start(screen)
    try:
        while not gone.is_set():
            try:
                if not _one(host, screen, lines):
                    break
            except KeyboardInterrupt:
                host.interrupt()
                screen.say("stopping; an empty line, then Ctrl-D leaves")
    except EOFError:
        return ExitCode.DONE
    finally:
        host.close()
    return ExitCode.DONE


def _hang_up(_number: int, _frame: FrameType | None) -> None:
    raise EOFError


def _one(host: Host, screen: PlainScreen, lines: TextIO) -> bool:
    """Read one line and wait for what comes of it; False at the end of the input."""
    text = _read(screen, lines, PROMPT)
    if text is None:
        return False
    text = text.strip()
    if not text:
        return True
    command = split_command(text)
    screen.idle.clear()
    try:
        if command is not None:
            host.command(*command)
        else:
            host.submit(message(text, Pastes(), host.root))
    except IngleError as error:
        screen.say(str(error))
        return True
    while not screen.idle.wait() or not screen.questions.empty():
        asked = screen.questions.get()
        screen.idle.clear()
        _answer(screen, asked, lines)
    return True


def _answer(screen: PlainScreen, asked: Asked, lines: TextIO) -> None:
    question = asked.question
    screen.say("\n".join(filter(None, [question.title, question.command, question.diff])))
    for name, value in question.details:
        screen.say(f"{name}: {value}")
    keys = {choice.key: choice for choice in question.choices}
    screen.say(", ".join(f"{choice.key}: {choice.label}" for choice in question.choices))
    while not asked.answer.done():
        typed = (_read(screen, lines, "? ") or "").strip()
        choice = keys.get(typed[:1])
        if choice is None and typed:
            continue
        if choice is None:
            asked.answer.cancel()
        else:
            reason = _read(screen, lines, "why not? ") if choice.needs_reason else ""
            asked.answer.set_result(Decision(choice.key, (reason or "").strip()))


def _read(screen: PlainScreen, lines: TextIO, prompt: str) -> str | None:
    screen.prompt(prompt)
    line = lines.readline()
    return line if line else None
