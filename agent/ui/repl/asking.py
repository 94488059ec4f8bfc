"""A question to the user while it stands: what is shown of it, and which keys answer it."""

from __future__ import annotations

from collections.abc import Callable

from agent.ui.calls import filled
from agent.ui.escape import safe, safe_line
from agent.ui.repl.cards import diff_lines
from agent.ui.repl.host import Asked, Choice, Decision
from agent.ui.repl.paint import Painter
from agent.ui.terminal import wrap

# Keys that were meant for the draft must not answer a question that has just come up.
QUIET_S = 0.6


class Asking:
    """Questions, one at a time; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: list[Asked] = []
        self._last_key = -QUIET_S
        self.rejecting: Choice | None = None  # the no whose reason is being typed

    @property
    def current(self) -> Asked | None:
        """The question that stands."""
        return self._waiting[0] if self._waiting else None

    def add(self, asked: Asked) -> None:
        """One more question; it stands when those before it are answered."""
        self._waiting.append(asked)

    def key_pressed(self) -> None:
        """The user types something that is no answer."""
        self._last_key = self._clock()

    @property
    def armed(self) -> bool:
        """Whether a key is an answer now: nobody has just been typing."""
        return self.current is not None and self._clock() - self._last_key >= QUIET_S

    def choice(self, key: str) -> Choice | None:
        """What the key means."""
        asked = self.current
        choices = asked.question.choices if asked else ()
        return next((choice for choice in choices if choice.key == key), None)

    def decide(self, key: str, reason: str = "") -> Asked | None:
        """Answer the question that stands; which one that was."""
        if not self._waiting:
            return None
        asked = self._waiting.pop(0)
        self.rejecting = None
        if not asked.answer.done():
            asked.answer.set_result(Decision(key, reason))
        return asked

    def drop(self) -> None:
        """Nobody answers any more: all are cancelled."""
        for asked in self._waiting:
            asked.answer.cancel()
        self._waiting.clear()
        self.rejecting = None


def question_lines(painter: Painter, asked: Asked) -> list[str]:
    """The whole question for the scrollback, where it can be read at any length."""
    question = asked.question
    width = max(1, painter.width - 2)
    lines = [painter.span(f"? {line}", "yellow") for line in filled(safe(question.title), width)]
    for line in safe(question.command).split("\n") if question.command else []:
        lines += [f"  {piece}" for piece in wrap(line.expandtabs(4), width)]
    for name, text in question.details:
        pieces = filled(f"{safe_line(name)}: {safe_line(text)}", width)
        lines += [painter.span(f"  {piece}", "dim") for piece in pieces]
    if question.diff:
        lines += diff_lines(painter, question.diff, len(question.diff))[0]
    return lines


def choice_lines(asked: Asked, width: int) -> list[str]:
    """The choices in as few lines as hold them."""
    lines: list[str] = []
    for choice in asked.question.choices:
        text = f"[{choice.key}] {safe_line(choice.label)}"
        if lines and len(lines[-1]) + 2 + len(text) <= width:
            lines[-1] += f"  {text}"
        else:
            lines += wrap(text, max(1, width))
    return lines
