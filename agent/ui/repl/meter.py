"""Numbers of the status line: speed, reuse, time, and how far a stage is."""

from __future__ import annotations

from collections.abc import Callable

from agent.events import (
    CallDelta,
    ModelReplied,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    WorkProgress,
)
from agent.ui.calls import duration
from agent.ui.escape import safe_line
from agent.ui.repl.host import Began, Status
from agent.ui.status import Stage, describe
from agent.ui.summary import SEPARATOR

BAR_CELLS = 16
# A speed is not said before this much time was measured.
LEAST_S = 0.5


class Meter:
    """Follows the events of a session; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turn_since: float | None = None
        self._pieces = 0
        self._first_piece = 0.0
        self._speed = 0.0
        self._reuse: float | None = None

    def show(self, news: object) -> None:
        """Take one event in; others than those that count are let by."""
        match news:
            case Began() | TaskGiven():
                self._turn_since = self._turn_since or self._clock()
            case TextDelta() | ThinkingDelta() | CallDelta():
                if not self._pieces:
                    self._first_piece = self._clock()
                self._pieces += 1
            case ModelReplied():
                self._replied(news)
            case WorkProgress():
                self._pieces = 0
            case TurnEnded():
                self._turn_since, self._pieces = None, 0
            case _:
                pass

    def _replied(self, event: ModelReplied) -> None:
        usage = event.usage
        self._pieces = 0
        if usage.decode_s > 0 and usage.generated:
            self._speed = usage.generated / usage.decode_s
        if usage.prompt + usage.reused:
            self._reuse = usage.reused / (usage.prompt + usage.reused)

    def speed(self) -> float:
        """Tokens a second: of what is being written, else of the last message; 0.0 if unknown."""
        seconds = self._clock() - self._first_piece
        if self._pieces > 1 and seconds >= LEAST_S:
            # A piece of text is about a token.
            return self._pieces / seconds
        return self._speed

    def parts(self, status: Status) -> list[str]:
        """The status line in parts, the most important first."""
        parts = [safe_line(status.model) or "no model"]
        if status.state == "loading":
            parts.append("loading")
        if status.mode:
            parts.append(status.mode)
        if status.n_ctx:
            parts.append(f"ctx {100 * status.used // status.n_ctx}%")
        if (speed := self.speed()) > 0:
            parts.append(f"{speed:.1f} tok/s")
        if self._reuse is not None:
            parts.append(f"reuse {self._reuse:.0%}")
        if self._turn_since is not None:
            parts.append(duration(self._clock() - self._turn_since))
        return parts

    def line(self, status: Status, width: int) -> str:
        """As many of the parts as fit."""
        from rich.cells import cell_len

        from agent.ui.terminal import cut

        text = ""
        for part in self.parts(status):
            longer = f"{text}{SEPARATOR}{part}" if text else cut(part, width)
            if cell_len(longer) > width:
                break
            text = longer
        return text

    def stage_line(self, stage: Stage, width: int) -> str:
        """A bar and the stage in words: how much, how fast, how long it still takes."""
        words = describe(stage, self._clock())
        if stage.last.stage == "attempts" or width < 3 * BAR_CELLS:
            return words
        filled = BAR_CELLS * stage.last.done // max(1, stage.last.total)
        return f"{'█' * filled}{'░' * (BAR_CELLS - filled)} {words}"
