"""Events to what stands on the screen: lines that last, and what goes on right now.

Knows no terminal: :meth:`View.show` takes news in, :meth:`View.take` gives the lines that are new,
and :meth:`View.live` what stands above the prompt at this moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

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
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    WorkProgress,
)
from agent.ui.calls import cut_off_line, duration, filled, headline, reason_lines
from agent.ui.escape import safe, safe_line
from agent.ui.repl.blocks import Block, Blocks
from agent.ui.repl.cards import Fold, call_card, check_card, diff_lines, unfolded
from agent.ui.repl.host import Began, Drawn, Said
from agent.ui.repl.meter import Meter
from agent.ui.repl.paint import Painter
from agent.ui.status import Stage, Thinking, Writing
from agent.ui.summary import fill, fold_line, is_success, notes_line, summary, tokens
from agent.ui.terminal import cut, wrap

MOST_FOLDS = 20
MOST_THOUGHTS = 50_000  # characters of thinking that are kept to be unfolded


class View:
    """`clock` is monotonic, in seconds; with `hint_keys` it says which key shows what is folded."""

    def __init__(
        self, painter: Painter, clock: Callable[[], float], *, hint_keys: bool = True
    ) -> None:
        self.painter = painter
        self._hint_keys = hint_keys
        self.meter = Meter(clock)
        self._clock = clock
        self._new: list[str] = []
        self._block = ""  # the kind of what was shown last
        self._blocks = Blocks()
        self._calls: dict[str, str] = {}
        self._running = ""  # the head of the call or check that runs
        self._running_since = 0.0
        self._stage: Stage | None = None
        self._thinking: Thinking | None = None
        self._thoughts = ""
        self._writing = Writing()
        self._written: CallDelta | None = None
        self._folds: deque[Fold] = deque(maxlen=MOST_FOLDS)
        self._said = False

    def resize(self, width: int) -> None:
        """What comes from now on is made for this width."""
        if width != self.painter.width:
            self.painter = replace(self.painter, width=width)

    def take(self) -> list[str]:
        """The lines that are new since the last call, each safe, with its colours."""
        lines, self._new = self._new, []
        return lines

    def show(self, news: Event | Began | Said | Drawn) -> None:
        """Take one thing in."""
        self.meter.show(news)
        if not isinstance(news, WorkProgress):
            self._stage = None
        match news:
            case TextDelta():
                self._end_thinking()
                for block in self._blocks.add(news.text):
                    self._print_block(block)
            case ThinkingDelta():
                self._think(news.text)
            case WorkProgress():
                self._progress(news)
            case CallDelta():
                self._end_text()
                self._writing.add(news.text)
                self._written = news
            case CallMade() | CallReturned() | CheckStarted() | CheckEnded() | CallRejected():
                self._call(news)
            case ModelReplied():
                self._end_text()
                self._writing, self._written = Writing(), None
            case Notice():
                self._notice(news.text)
            case Began():
                self._began(news)
            case Said():
                self._answer(news)
            case Drawn():
                self._end_text()
                self._lines(self.painter.picture(news.picture), "said")
            case Folded():
                self._aside(fold_line(news))
            case Summarised():
                self._aside(notes_line(news))
                if news.text:
                    self._fold(Fold("notes", news.text))
            case TaskGiven():
                self._given(news)
            case SessionStarted():
                pass
            case TurnEnded():
                self._ended(news)
            case _:
                pass

    def print_lines(self, lines: list[str]) -> None:
        """Print lines that are ready, apart from what stands above them."""
        self._end_text()
        self._lines(lines, "said")

    def unfold(self) -> bool:
        """Print the text that was folded last, in full; False when there is none."""
        if not self._folds:
            return False
        self._lines(unfolded(self.painter, self._folds.pop()), "unfolded")
        return True

    def live(self, rows: int) -> list[tuple[str, str]]:
        """At most `rows` lines of what goes on: (style, text)."""
        lines = [("", line) for line in self._growing(rows - 1)]
        activity = self._activity()
        if activity:
            lines.append(("dim", cut(activity, max(1, self.painter.width - 1))))
        return lines[-rows:] if rows > 0 else []

    def _growing(self, rows: int) -> list[str]:
        text = self._blocks.growing
        if not text.strip() or rows < 1:
            return []
        # Only the end is seen, so only the end is made ready.
        text = safe(text[-rows * self.painter.width :]).expandtabs(4)
        indent = "  " if self._blocks.in_code else ""
        width = max(1, self.painter.width - 1 - len(indent))
        pieces: list[str] = []
        for line in text.split("\n"):
            pieces += wrap(line, width) if indent else (filled(line, width) or [""])
        while pieces and not pieces[-1].strip():
            del pieces[-1]
        return [indent + piece for piece in pieces[-rows:]]

    def _activity(self) -> str:
        now = self._clock()
        if self._running:
            return f"● {self._running} … {duration(now - self._running_since)}"
        if self._written is not None:
            return self._writing.describe(self._written)
        if self._thinking is not None:
            return self._thinking.describe()
        return self.meter.stage_line(self._stage, self.painter.width) if self._stage else ""

    def _progress(self, event: WorkProgress) -> None:
        if self._stage is None or not self._stage.continues(event):
            self._stage = Stage(event, self._clock())
        self._stage.last = event
        if event.done >= event.total and event.stage != "attempts":
            self._stage = None

    def _think(self, text: str) -> None:
        self._close_text()
        if self._thinking is None:
            self._thinking, self._thoughts = Thinking(self._clock()), ""
        self._thinking.add(text)
        self._thoughts = (self._thoughts + text)[:MOST_THOUGHTS]

    def _end_thinking(self) -> None:
        if self._thinking is None:
            return
        line = self._thinking.summary(self._clock())
        self._thinking = None
        line += " (Ctrl-O)" if self._hint_keys else ""
        self._lines([self.painter.span(line, "dim")], "lines")
        self._fold(Fold("thinking", self._thoughts))

    def _end_text(self) -> None:
        self._end_thinking()
        self._close_text()

    def _close_text(self) -> None:
        for block in self._blocks.end():
            self._print_block(block)

    def _print_block(self, block: Block) -> None:
        if block.kind == "code":
            lines = self.painter.code(block.text, block.language, block.shown)
            self._lines(lines if block.text else [], "code" if block.shown else "text")
            self._block = "text" if block.last else "code"
        else:
            self._lines(self.painter.markdown(block.text), "text")

    def _call(
        self, event: CallMade | CallReturned | CheckStarted | CheckEnded | CallRejected
    ) -> None:
        self._end_text()
        self._running = ""
        match event:
            case CallMade():
                self._calls[event.id] = self._run(headline(event.name, event.arguments))
            case CheckStarted():
                self._run(f"check {safe_line(event.command)}")
            case CallReturned():
                head = self._calls.pop(event.id, safe_line(event.name))
                self._card(*call_card(self.painter, head, event))
            case CheckEnded():
                self._card(*check_card(self.painter, event))
            case CallRejected():
                self._writing, self._written = Writing(), None
                head = self.painter.line([("✗ ", "red"), ("a call that cannot be read", "red")])
                reason = reason_lines(event.reason, self.painter.width)
                self._card([head, *map(self.painter.line, reason)], None)

    def _run(self, head: str) -> str:
        self._writing, self._written = Writing(), None
        self._running, self._running_since = head, self._clock()
        return head

    def _card(self, lines: list[str], fold: Fold | None) -> None:
        if fold:
            if self._hint_keys:
                lines = [*lines, self.painter.span("    Ctrl-O shows all of it", "dim")]
            self._fold(fold)
        self._lines(lines, "lines")

    def _fold(self, fold: Fold) -> None:
        self._folds.append(fold)

    def _notice(self, text: str) -> None:
        self._end_text()
        pieces = [p for line in safe(text).split("\n") for p in filled(line, self._room(2))]
        marks = ["! ", *["  "] * len(pieces)]
        self._lines(
            [
                self.painter.span(mark + piece, "yellow")
                for mark, piece in zip(marks, pieces, strict=False)
            ],
            "lines",
        )

    def _aside(self, text: str) -> None:
        """One dimmed line about what was done to the window."""
        self._end_text()
        line = cut(text, max(1, self.painter.width - 1))
        self._lines([self.painter.span(line, "dim")], "lines")

    def _began(self, news: Began) -> None:
        self._end_text()
        lines = [p for x in safe(news.message.text).split("\n") for p in wrap(x, self._room(2))]
        shown = [("❯ " if n == 0 else "  ") + line for n, line in enumerate(lines)]
        self._lines([self.painter.span(line, "user") for line in shown], "user")

    def _given(self, event: TaskGiven) -> None:
        names = ", ".join(safe_line(name) for name in event.files)
        if names:
            text = cut(f"  with {names}", max(1, self.painter.width - 1))
            self._lines([self.painter.span(text, "dim")], "user")

    def _answer(self, news: Said) -> None:
        self._end_text()
        if news.form == "markdown":
            self._lines(self.painter.markdown(news.text), "said")
        elif news.form == "diff":
            self._lines(diff_lines(self.painter, news.text, len(news.text))[0], "said")
        else:
            style = {"error": "red", "echo": "user", "note": "dim"}.get(news.form, "")
            text = safe(news.text).expandtabs(4)
            pieces = [p for line in text.split("\n") for p in self._wrapped(line)] if text else []
            self._lines([self.painter.span(piece, style) for piece in pieces], "said")

    def _wrapped(self, line: str) -> list[str]:
        """Prose is broken between words, a table where it does not fit."""
        if line.startswith(" ") or "  " in line:
            return wrap(line, self.painter.width)
        return filled(line, self.painter.width) or [""]

    def _ended(self, event: TurnEnded) -> None:
        self._end_text()
        if self._running:
            seconds = self._clock() - self._running_since
            line = cut_off_line(self._running, seconds, self.painter.width)
            self._lines([self.painter.line(line)], "lines")
        self._calls.clear()
        self._running, self._stage = "", None
        self._writing, self._written = Writing(), None
        style = "dim" if is_success(event) else "yellow" if event.stop != "error" else "red"
        # Tokens and speed stand in the status line already.
        counts = tokens(event.usage)
        parts = [part for part in summary(event) if part not in counts]
        if event.changed and self._hint_keys:
            parts += ["/diff shows it", "/undo takes it back"]
        lines = fill(parts, self.painter.width)
        self._lines([self.painter.span(line, style) for line in lines], "summary")

    def _room(self, used: int) -> int:
        return max(1, self.painter.width - used)

    def _lines(self, lines: list[str], block: str) -> None:
        """Things of one kind stand together, others apart; text is always apart."""
        if not lines:
            return
        if self._block and (self._block != block or block in ("text", "said")) and block != "code":
            self._new.append("")
        self._block = block
        self._new += lines
