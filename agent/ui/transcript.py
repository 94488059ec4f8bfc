"""A session that is over, as text to read: everything in full, nothing in colour."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from agent.events import (
    CallDelta,
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    Event,
    Folded,
    ModelReplied,
    Notice,
    SessionStarted,
    SessionTitled,
    Summarised,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    Undone,
)
from agent.ui.calls import duration, headline
from agent.ui.escape import safe_line, safe_output
from agent.ui.summary import SEPARATOR, fold_line, notes_line, summary


def transcript(events: Iterable[Event]) -> Iterator[str]:
    """Lines, safe for a terminal, without their line ends."""
    last: Event | None = None
    for event in _joined(events):
        if not (isinstance(last, Notice) and isinstance(event, Notice)):
            yield from [""] if last is not None else []
        yield from _lines(event)
        last = event
    if last is not None and not isinstance(last, TurnEnded):
        yield ""
        yield "unfinished: the session was cut off here"


def _joined(events: Iterable[Event]) -> Iterator[Event]:
    """Without the events that show nothing, and neighbouring deltas in one piece."""
    whole: TextDelta | ThinkingDelta | CallDelta | None = None
    for event in events:
        if isinstance(event, TextDelta) and isinstance(whole, TextDelta):
            whole = TextDelta(whole.text + event.text)
            continue
        if isinstance(event, ThinkingDelta) and isinstance(whole, ThinkingDelta):
            whole = ThinkingDelta(whole.text + event.text)
            continue
        if isinstance(event, CallDelta) and isinstance(whole, CallDelta):
            name, path = event.name or whole.name, event.path or whole.path
            whole = CallDelta(name, path, whole.text + event.text)
            continue
        if whole is not None:
            yield whole
        whole = event if isinstance(event, TextDelta | ThinkingDelta | CallDelta) else None
        if whole is None and any(True for _ in _lines(event)):
            yield event
    if whole is not None:
        yield whole


def _lines(event: Event) -> Iterator[str]:
    match event:
        case SessionStarted():
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
            parts = [event.session, when, event.model, f"{event.n_ctx:,} tokens of context"]
            yield SEPARATOR.join(safe_line(part) for part in parts)
            yield safe_line(event.workspace)
        case TaskGiven():
            yield from (f"> {line}" for line in _split(event.text))
            yield from (f"> with {safe_line(file)}" for file in event.files)
        case SessionTitled():
            yield f"about: {safe_line(event.title)}"
        case ModelReplied() | TextDelta():
            yield from _split(event.text)
        case ThinkingDelta():
            yield "thinking"
            yield from _indented(event.text)
        case CallDelta():
            name = safe_line(event.name) or "a tool"
            yield f"● {name} {safe_line(event.path)}".rstrip() + " (not written to its end)"
            yield from _indented(event.text)
        case CallMade():
            yield f"● {headline(event.name, event.arguments)}"
            yield from _arguments(event.name, event.arguments)
        case CallReturned():
            code = "" if event.exit_code is None else f", exit {event.exit_code}"
            yield f"  {'ok' if event.ok else 'failed'}{code}, {duration(event.seconds)}"
            yield from _indented(event.diff or event.text)
        case CallRejected():
            yield f"✗ a call that cannot be read: {safe_line(event.reason)}"
            yield from _indented(event.text)
        case CheckEnded():
            verdict = "passed" if event.passed else "failed"
            yield f"check {safe_line(event.command)}: {verdict} in {duration(event.seconds)}"
            yield from [] if event.passed else _indented(event.text)
        case Notice():
            yield from (f"! {line}" for line in _split(event.text))
        case Folded():
            yield f"! {fold_line(event)}"
        case Summarised():
            yield f"! {notes_line(event)}"
            yield from _indented(event.text)
        case Undone():
            what = "brought back" if event.redo else "taken back"
            yield f"! {event.turns} turn{'' if event.turns == 1 else 's'} {what}"
            yield from (f"    {safe_line(file)}" for file in event.files)
        case TurnEnded():
            yield SEPARATOR.join(summary(event))
        case _:
            pass


def _arguments(name: str, arguments: dict[str, Any]) -> Iterator[str]:
    """What the headline does not show: the text that is written, and long commands."""
    if name in ("write", "edit"):
        # The diff of the result shows what became of it.
        return
    for key, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if "\n" in text.strip():
            yield f"  {safe_line(key)}:"
            yield from _indented(text)


def _split(text: str) -> list[str]:
    text = safe_output(text).strip("\n")
    return text.split("\n") if text.strip() else []


def _indented(text: str) -> Iterator[str]:
    yield from (f"    {line}" for line in _split(text))
