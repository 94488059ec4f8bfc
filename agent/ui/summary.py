"""The last line of a turn: how it ended and what it took."""

from __future__ import annotations

from agent.events import Folded, Summarised, TurnEnded, Undone
from agent.messages import Usage
from agent.ui.calls import duration
from agent.ui.escape import safe_line

SEPARATOR = " · "
_ENDS = {
    "answer": "done",
    "check_passed": "done",
    "check_failed": "the check still fails",
    "turns": "stopped: no model turns left",
    "time": "stopped: the time is up",
    "tokens": "stopped: no tokens left",
    "tool_calls": "stopped: no tool calls left",
    "context": "stopped: the context is full",
    "repeated": "stopped: the same call again and again",
    "denied": "stopped: a permission was refused",
    "interrupted": "interrupted",
    "error": "failed",
}


def is_success(end: TurnEnded) -> bool:
    """Whether the turn did what it was meant to do."""
    return end.exit_code == 0


def summary(end: TurnEnded) -> list[str]:
    """`done in 31.2s`, `3 model turns`, ...: the parts of the line, safe for a terminal."""
    how = _ENDS.get(end.stop, f"stopped: {safe_line(end.stop)}")
    parts = [f"{how} {'in' if how == 'done' else 'after'} {duration(end.seconds)}"]
    if end.check_passed is not None and end.stop != "check_failed":
        parts.append("check passed" if end.check_passed else "check failed")
    parts.append(_count(end.turns, "model turn"))
    parts += tokens(end.usage)
    if end.changed:
        parts.append(f"{_count(len(end.changed), 'file')} changed")
    return parts


def tokens(usage: Usage) -> list[str]:
    """Prompt tokens, generated tokens, and the speed of generation."""
    parts = [f"{usage.prompt:,} new + {usage.reused:,} reused prompt tokens"]
    parts.append(f"{usage.generated:,} generated")
    if usage.decode_s > 0 and usage.generated:
        parts.append(f"{usage.generated / usage.decode_s:.1f} tok/s")
    return parts


_FOLDED = {"full": "the window was full", "early": "it saves time", "asked": "you asked for it"}


def fold_line(event: Folded) -> str:
    """What a fold did, as one line."""
    why = _FOLDED.get(event.why, safe_line(event.why))
    return f"folded {event.before:,} tokens to {event.after:,}: {why}"


def notes_line(event: Summarised) -> str:
    """That the model noted where it stands, or why its notes were not taken, as one line."""
    took = f" in {duration(event.seconds)}" if event.seconds else ""
    if event.refused:
        return f"notes on the work so far were not taken: {safe_line(event.refused)}"
    return f"noted where the work stands{took}"


def undone_line(event: Undone) -> str:
    """That turns were taken back or brought back, with the files that were restored."""
    what = "brought back" if event.redo else "taken back"
    files = f": {', '.join(map(safe_line, event.files))}" if event.files else ""
    return f"{_count(event.turns, 'turn')} {what}{files}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def fill(parts: list[str], width: int) -> list[str]:
    """The parts in as few lines of `width` cells as hold them, broken only between parts."""
    from agent.ui.terminal import wrap

    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(SEPARATOR) + len(part) <= width:
            lines[-1] += SEPARATOR + part
        else:
            lines += wrap(part, width)
    return lines
