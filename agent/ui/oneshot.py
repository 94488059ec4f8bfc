"""`agent do` in a terminal or a pipe: progress on stderr, the answer on stdout.

Where both end in the same place the answer is read as it streams, and not printed again. Where
stdout goes elsewhere, stderr shows the text dimmed and stdout gets the last answer only.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from agent.events import (
    CallDelta,
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    CheckStarted,
    Event,
    Folded,
    ModelReplied,
    Notice,
    SessionStarted,
    Summarised,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    WorkProgress,
)
from agent.ui.calls import (
    Line,
    call_lines,
    check_lines,
    cut_off_line,
    filled,
    headline,
    reason_lines,
)
from agent.ui.escape import safe, safe_line
from agent.ui.status import StatusLine
from agent.ui.stream import Stream
from agent.ui.summary import fill, fold_line, is_success, notes_line, summary
from agent.ui.terminal import Output, same_place

# Longer lines of a log are cut; a terminal has its own width.
_LOG_WIDTH = 400


class OneshotPrinter:
    """Shows the events of one turn.

    `clock` is monotonic, in seconds. `closed` is true when nobody reads the answer any more.
    """

    def __init__(
        self,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        stdout, stderr = stdout or sys.stdout, stderr or sys.stderr
        environment = os.environ if environment is None else environment
        self._answer_to = Output(stdout, environment)
        self._out = Output(stderr, environment)
        self._together = same_place(stdout, stderr)
        self._status = StatusLine(self._out, clock)
        self._clock = clock
        self._calls: dict[str, str] = {}
        self._running = ""  # the head of the call or check that runs
        self._running_since = 0.0
        self._block = ""  # what was shown last: "text", "lines" or nothing yet
        self._stream: Stream | None = None
        self._said = ""  # by the reply that streams now
        self._last_said = ""

    @property
    def closed(self) -> bool:
        return self._answer_to.closed

    def show(self, event: Event) -> None:
        """Show one event. Raises IngleError where output is lost, as on a full disk."""
        match event:
            case WorkProgress():
                self._progress(event)
            case TextDelta():
                self._text(event.text)
            case ThinkingDelta():
                self._thinking(event.text)
            case CallDelta():
                self._end_text()
                self._status.writing(event)
            case CallMade():
                self._end_text()
                self._calls[event.id] = self._run(headline(event.name, event.arguments))
            case CallReturned():
                head, self._running = self._calls.pop(event.id, safe_line(event.name)), ""
                self._lines(call_lines(head, event, self._width()))
            case CheckStarted():
                self._end_text()
                self._run(f"check {safe_line(event.command)}")
            case CheckEnded():
                self._running = ""
                self._lines(check_lines(event, self._width()))
            case CallRejected():
                self._rejected(event)
            case ModelReplied():
                self._replied()
            case Notice():
                self._notice(event.text)
            case Folded():
                self._lines([[(fold_line(event), "dim")]])
            case Summarised():
                self._lines([[(notes_line(event), "dim")]])
            case SessionStarted():
                self._started(event)
            case TurnEnded():
                self._ended(event)
            case _:
                # TaskGiven: the user has just typed it.
                pass

    def pause(self) -> None:
        """Put the cursor on an empty line, for somebody else to write: a question, say."""
        self._end_text()
        self._status.clear()

    def close(self) -> None:
        """Leave the terminal as a shell wants it. May be called twice."""
        self.pause()

    def _width(self) -> int:
        return self._out.width() if self._out.can.cursor else _LOG_WIDTH

    def _progress(self, event: WorkProgress) -> None:
        self._end_text()
        line = self._status.progress(event)
        if line:
            self._lines([[(line, "dim")]])

    def _thinking(self, piece: str) -> None:
        self._close_stream()
        line = self._status.thinking(piece)
        if line:
            self._print([[(line, "dim")]], "lines")

    def _text(self, piece: str) -> None:
        self._end_thinking()
        self._said += piece
        if self._stream is None:
            self._stream = Stream(self._width() if self._out.can.cursor else None)
        was_open = self._stream.open
        visible = self._stream.add(piece)
        if self._stream.open and not was_open:
            self._begin("text")
        self._stream_out(visible)

    def _stream_out(self, text: str) -> None:
        # Beside an answer that goes elsewhere this is only for following the work.
        self._out.write(self._out.paint(text, *(() if self._together else ("dim",))))

    def _end_text(self) -> None:
        """Come to the end of what streams, be it text or thinking."""
        self._end_thinking()
        self._close_stream()

    def _end_thinking(self) -> None:
        line = self._status.end_of_thinking()
        if line:
            self._print([[(line, "dim")]], "lines")

    def _close_stream(self) -> None:
        if self._stream is not None and self._stream.open:
            self._stream_out(self._stream.end())
            self._out.write("\n")
        self._stream = None

    def _begin(self, block: str) -> None:
        """Text and lines about calls are apart by an empty line."""
        self._status.clear()
        if self._block and self._block != block:
            self._out.write("\n")
        self._block = block

    def _lines(self, lines: list[Line], block: str = "lines") -> None:
        self._end_text()
        self._print(lines, block)

    def _print(self, lines: list[Line], block: str) -> None:
        self._begin(block)
        for line in lines:
            painted = [self._out.paint(text, *([style] if style else [])) for text, style in line]
            self._out.write("".join(painted) + "\n")

    def _started(self, event: SessionStarted) -> None:
        parts = [safe_line(event.model), f"{event.n_ctx:,} tokens of context"]
        lines = fill(parts, self._width())
        if event.plan:
            lines = filled(safe_line(event.plan), self._width())
        self._lines([[(line, "dim")] for line in lines])

    def _rejected(self, event: CallRejected) -> None:
        self._status.end_of_call()
        head: Line = [("✗ ", "red"), ("a call that cannot be read", "red")]
        self._lines([head, *reason_lines(event.reason, self._width())])

    def _replied(self) -> None:
        self._end_text()
        self._status.end_of_call()
        self._last_said = self._said if self._said.strip() else self._last_said
        self._said = ""

    def _notice(self, text: str) -> None:
        lines = safe(text).strip().split("\n")
        pieces = [piece for line in lines for piece in filled(line, self._width() - 2)]
        self._lines(
            [
                [("! " if n == 0 else "  ", "yellow"), (piece, "yellow")]
                for n, piece in enumerate(pieces)
            ]
        )

    def _run(self, head: str) -> str:
        self._running, self._running_since = head, self._clock()
        self._status.running(head)
        return head

    def _ended(self, event: TurnEnded) -> None:
        self._replied()
        self._status.clear()
        if self._running:
            seconds = self._clock() - self._running_since
            self._lines([cut_off_line(self._running, seconds, self._width())])
            self._running = ""
        answer = event.answer.strip()
        if answer and not (self._together and answer == self._last_said.strip()):
            if self._together:
                self._begin("text")
            self._answer_to.write(safe(answer) + "\n")
        style = "dim" if is_success(event) else "yellow" if event.stop != "error" else "red"
        # The summary stands apart from the text as well as from the calls.
        self._lines([[(line, style)] for line in fill(summary(event), self._width())], "summary")
