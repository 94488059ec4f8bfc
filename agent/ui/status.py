"""What goes on right now, in one line that is rewritten; gone when something lasting is said."""

from __future__ import annotations

from collections.abc import Callable

from agent.events import CallDelta, WorkProgress
from agent.ui.calls import duration
from agent.ui.escape import safe_line
from agent.ui.summary import SEPARATOR
from agent.ui.terminal import Output, cut

# Seconds between two drawings on a terminal, and between two lines elsewhere.
FRAME_S = 0.08
SPARSE_S = 10.0
_VERBS = {"write": "writing", "edit": "editing", "blueprint": "planning the files"}


class Stage:
    """The speed of one stage of work, measured from its first report."""

    def __init__(self, first: WorkProgress, now: float) -> None:
        self.first = first
        self.started = now
        self.last = first

    def continues(self, progress: WorkProgress) -> bool:
        """Whether the report belongs to this stage and not to the next of its kind."""
        return (progress.stage, progress.total) == (
            self.last.stage,
            self.last.total,
        ) and progress.done >= self.last.done

    def rate(self, now: float) -> float:
        """Units a second; 0.0 while nobody can know."""
        seconds = now - self.started
        return (self.last.done - self.first.done) / seconds if seconds > 0.2 else 0.0


def describe(stage: Stage, now: float) -> str:
    """The stage in words: what, how much of it, how fast, and how long it still takes."""
    done, total, rate = stage.last.done, stage.last.total, stage.rate(now)
    if stage.last.stage == "load":
        return f"loading the model … {done * 100 // max(1, total)}%"
    if stage.last.stage == "attempts":
        return f"writing {total} answers at once … {done:,} tokens"
    if stage.last.stage == "download":
        text = f"fetching the model … {done / 1e9:.2f} of {total / 1e9:.2f} GB"
        speed = f" · {rate / 1e6:.1f} MB/s"
    elif stage.last.stage != "prefill":  # a call says how far it is
        what = safe_line(stage.last.stage)
        return f"{what} … {done * 100 // total}%" if total else f"{what} … {done:,}"
    else:
        text = f"reading … {done:,} of {total:,} tokens"
        speed = f" · {rate:,.0f} tok/s"
    if rate <= 0 or done >= total:
        return text
    return f"{text}{speed} · {_left((total - done) / rate)} left"


def _left(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds < 99.5 else duration(seconds)


class Writing:
    """Counts the lines of a call while it is being written."""

    def __init__(self) -> None:
        self.newlines = 0
        self.escaped = 0

    def add(self, text: str) -> None:
        self.newlines += text.count("\n")
        self.escaped += text.count("\\n")

    def describe(self, delta: CallDelta) -> str:
        """`writing stats.py … 24 lines`"""
        # Content travels either as it is or inside a JSON string, where newlines are escapes.
        lines = self.newlines or self.escaped
        what = f"{_VERBS.get(delta.name, 'calling ' + delta.name)} {delta.path}".rstrip()
        if not delta.name:
            what = "calling a tool"
        count = f" {lines} line{'' if lines == 1 else 's'}" if lines else ""
        return f"{safe_line(what)} …{count}"


class Thinking:
    """Counts the words of a model that thinks, which are not shown."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._words = 0
        self._in_word = False

    def add(self, text: str) -> None:
        if not text:
            return
        goes_on = self._in_word and not text[0].isspace()
        self._words += len(text.split()) - int(goes_on)
        self._in_word = not text[-1].isspace()

    def describe(self) -> str:
        """`thinking … 24 words`"""
        return f"thinking … {self._count()}"

    def summary(self, now: float) -> str:
        """`thought for 3.0s · 24 words`"""
        return f"thought for {duration(now - self._started)}{SEPARATOR}{self._count()}"

    def _count(self) -> str:
        return f"{self._words:,} word{'' if self._words == 1 else 's'}"


class StatusLine:
    """Draws on a terminal; elsewhere it says how far a long stage is, now and then."""

    def __init__(self, out: Output, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock
        self._stage: Stage | None = None
        self._writing = Writing()
        self._thinking: Thinking | None = None
        self._drawn = False
        self._next_frame = 0.0
        self._next_line = 0.0

    def progress(self, event: WorkProgress) -> str:
        """Show the progress; the line to print for good, or "" (on a terminal always)."""
        now = self._clock()
        if self._stage is None or not self._stage.continues(event):
            self._stage = Stage(event, now)
            self._next_line = now + SPARSE_S
        self._stage.last = event
        if self._out.can.cursor:
            is_over = event.done >= event.total and event.stage != "attempts"
            if now >= self._next_frame or is_over:
                self._draw(describe(self._stage, now), now)
            return ""
        return self._now_and_then(describe(self._stage, now), now)

    def thinking(self, text: str) -> str:
        """Count more of the thinking; the line to print for good, or "" (on a terminal always)."""
        now = self._clock()
        if self._thinking is None:
            self._thinking = Thinking(now)
            self._next_frame, self._next_line = now, now + SPARSE_S
        self._thinking.add(text)
        if not self._out.can.cursor:
            return self._now_and_then(self._thinking.describe(), now)
        if now >= self._next_frame:
            self._draw(self._thinking.describe(), now)
        return ""

    def end_of_thinking(self) -> str:
        """The line about the thinking that is over now, or "" if there was none."""
        thinking, self._thinking = self._thinking, None
        return thinking.summary(self._clock()) if thinking else ""

    def writing(self, event: CallDelta) -> None:
        """Show how much of a call is written."""
        self._writing.add(event.text)
        now = self._clock()
        if self._out.can.cursor and now >= self._next_frame:
            self._draw(self._writing.describe(event), now)

    def running(self, head: str) -> None:
        """Show the call that runs."""
        self._writing = Writing()
        if self._out.can.cursor:
            self._draw(f"{head} …", self._clock())

    def end_of_call(self) -> None:
        """The call is written or given up: the next one counts from zero."""
        self._writing = Writing()

    def clear(self) -> None:
        """Remove the line; the cursor is at the start of an empty line then."""
        if self._drawn:
            self._out.write("\r\x1b[2K")
            self._drawn = False
        self._next_frame = 0.0

    def _now_and_then(self, line: str, now: float) -> str:
        if now < self._next_line:
            return ""
        self._next_line = now + SPARSE_S
        return line

    def _draw(self, text: str, now: float) -> None:
        # The last column stays empty: some terminals wrap when it is written.
        line = self._out.paint(cut(text, self._out.width() - 1), "dim")
        self._out.write(f"\r\x1b[2K{line}")
        self._drawn = True
        self._next_frame = now + FRAME_S
