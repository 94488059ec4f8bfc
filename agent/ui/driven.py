"""A session that another program drives: orders on stdin, events on stdout, a line of JSON each.

All lines are written by one thread, in the order of what happened; docs/headless.md says what a
program can rely on.
"""

from __future__ import annotations

import json
import queue
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from agent.errors import ExitCode
from agent.events import INTERNAL, TRANSIENT, ApprovalAsked, Notice, SessionStarted, TurnEnded
from agent.messages import Usage
from agent.session.lines import to_line
from agent.ui.headless import inert
from agent.ui.orders import Order, parse_order
from agent.ui.repl.host import (
    Asked,
    Began,
    Decision,
    Host,
    Message,
    News,
    Said,
    StatusChanged,
    Wish,
)
from agent.ui.terminal import Output

Stop = Literal["end", "signal", "gone", "failed"]
END = "end"  # the command behind everything that is queued
KEYS = {"once": "y", "session": "s", "always": "a", "no": "n"}
NOBODY = "nobody is there to approve it: the input has ended"


@dataclass
class Outcome:
    """What the session came to; `exit_code` is that of the last turn, or of what ended it."""

    session: str = ""
    stop: Stop = "end"
    turns: int = 0
    exit_code: int = 0
    answer: str = ""
    usage: Usage = field(default_factory=Usage)


class Driver:
    """Shows the news of `host`, and gives it the orders. A :class:`agent.ui.repl.host.Screen`."""

    def __init__(self, host: Host, out: Output) -> None:
        self._host = host
        self._out = out
        self._inbox: queue.SimpleQueue[News | tuple[int, bytes] | Literal["eof", "signal"]] = (
            queue.SimpleQueue()
        )
        self._outcome = Outcome()
        self._question: ApprovalAsked | None = None
        self._open: dict[str, Future[Decision]] = {}
        self._ending = False  # no prompt comes any more
        self._deaf = False  # no order comes any more
        self._over = False
        self._refused = 0

    def show(self, news: News) -> None:
        """Called on the host's thread."""
        self._inbox.put(news)

    def run(self, first: Message | None, lines: Iterable[bytes]) -> Outcome:
        """Work until the orders are at their end and everything is done, or a signal comes."""
        signals = {number: signal.signal(number, self._signalled)
                   for number in (signal.SIGINT, signal.SIGTERM)}  # fmt: skip
        try:
            self._host.start(self)
            if first is not None:
                self._host.submit(first)
            threading.Thread(target=self._read, args=(lines,), daemon=True).start()
            while not self._over:
                self._take(self._inbox.get())
        finally:
            self._host.close()
            for number, before in signals.items():
                signal.signal(number, before)
        while not self._inbox.empty():
            self._take(self._inbox.get())
        return self._finish()

    def _read(self, lines: Iterable[bytes]) -> None:
        for number, line in enumerate(lines, 1):
            self._inbox.put((number, line))
        self._inbox.put("eof")

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        """The first one ends the session in order, a second one the process."""
        if self._outcome.stop == "signal":
            raise KeyboardInterrupt
        self._outcome.stop = "signal"
        self._inbox.put("signal")

    def _take(self, item: News | tuple[int, bytes] | Literal["eof", "signal"]) -> None:
        if item == "signal":
            self._over = True
        elif item == "eof":
            self._end_of_input()
        elif isinstance(item, tuple):
            self._line(*item)
        elif not isinstance(item, str):
            self._news(item)
        if self._out.closed and not self._over:
            self._outcome.stop = "gone"
            self._over = True

    # Orders.

    def _line(self, number: int, line: bytes) -> None:
        if not line.strip():
            return
        try:
            self._obey(parse_order(line))
        except ValueError as error:
            self._refused += 1
            self._write("error", text=str(error), line=number)

    def _obey(self, order: Order) -> None:
        if order.type == "approval":
            self._answer(order)
        elif order.type == "interrupt":
            self._host.interrupt()
        elif self._ending:
            raise ValueError(f"{order.type}: the session ends, since an end came before")
        elif order.type == "compact":
            self._host.command("compact", order.focus)
        elif order.type == "end":
            self._end()
        else:
            files = tuple(map(Path, order.files))
            message = Message(order.text, files, id=order.id)
            self._host.submit(message, now=order.type == "steer")

    def _answer(self, order: Order) -> None:
        future = self._open.pop(order.id, None)
        if future is None:
            raise ValueError(f"approval: nothing is asked with the id {order.id[:40]!r}")
        try:
            future.set_result(Decision(KEYS[order.answer], order.reason))
        except InvalidStateError as error:
            raise ValueError(f"approval: {order.id!r} is not asked any more") from error

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._host.command(END, "")

    def _end_of_input(self) -> None:
        self._deaf = True
        self._end()
        for future in self._open.values():
            _refuse(future)

    # News.

    def _news(self, news: News) -> None:
        if self._question is not None and not isinstance(news, Asked):
            self._show_question()
        match news:
            case ApprovalAsked():
                self._question = news  # shown when it can be answered
            case Asked():
                self._ask(news.answer)
            case Began():
                self._write("prompt_began", id=news.message.id)
            case Said(form="error"):
                self._outcome.exit_code = news.exit_code or ExitCode.FAILED
                self._write("error", text=news.text, line=0)
            case Said():
                if news.text:
                    self._event(Notice(news.text))
            case StatusChanged():
                if news.status.state == "failed" and not self._over:
                    self._outcome.stop = "failed"
                    self._over = True
            case Wish():
                self._over = self._over or news.what == "exit"
            case _:
                self._event(news)

    def _ask(self, future: Future[Decision]) -> None:
        if self._question is None or self._deaf:
            _refuse(future)
        else:
            self._open[self._question.id] = future
        self._show_question()

    def _show_question(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            self._event(question)

    def _event(self, event: Any) -> None:
        if isinstance(event, SessionStarted):
            self._outcome.session = event.session
        elif isinstance(event, TurnEnded):
            self._outcome.turns += 1
            self._outcome.exit_code = event.exit_code
            self._outcome.answer = event.answer
            self._outcome.usage.add(event.usage)
        if not isinstance(event, (*INTERNAL, *TRANSIENT)):
            self._out.write(inert(to_line(event)))

    def _write(self, kind: str, **fields: object) -> None:
        self._out.write(inert(json.dumps({"type": kind, **fields}) + "\n"))

    def _finish(self) -> Outcome:
        """Say what it came to, as the last line."""
        outcome = self._outcome
        if outcome.stop in ("signal", "gone"):
            outcome.exit_code = ExitCode.INTERRUPTED
        elif not outcome.turns and self._refused and not outcome.exit_code:
            outcome.exit_code = ExitCode.USAGE
        self._write(
            "session_ended", session=outcome.session, stop=outcome.stop, turns=outcome.turns,
            exit_code=int(outcome.exit_code), usage=asdict(outcome.usage),
        )  # fmt: skip
        return outcome


def _refuse(future: Future[Decision]) -> None:
    if not future.done():
        future.set_result(Decision("n", NOBODY))
