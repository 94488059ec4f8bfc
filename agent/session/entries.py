"""What of a session can be found again: its events as entries with a handle and a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from agent.events import (
    CallDelta,
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    Event,
    ModelReplied,
    SessionStarted,
    Summarised,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
)
from agent.handles import Handles

# What recall brought back is in the index under its own handle already.
RECALL = "recall"
# The line that tools.output puts where it cut; its path is only ever used by its last part.
_KEPT = re.compile(
    r"\[lines \d+-\d+ left out, [\d,]+ characters; "
    r"[^\]\n]*?(/[^\]\n]+?\.txt)[^\]\n]*: read that path"
)


@dataclass(frozen=True)
class Entry:
    """One thing that was said or done.

    `kind` is 'task', 'answer', 'thinking', 'call', 'result', 'rejected', 'check', 'summary' or
    'partial'. `name` is the tool or the command of the check, `path` the file that it is about.
    `offset` is where its event stands in the log in bytes (-1: in memory only), `order` counts
    entries in time. `output` names the file in the session's output folder that has all of it.
    """

    handle: str
    kind: str
    text: str
    name: str = ""
    path: str = ""
    offset: int = -1
    order: int = 0
    output: str = ""


class Reader:
    """Makes entries out of events that come in the order of the log.

    Its state is plain data, so that reading can go on later where it stopped.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self._handles = Handles(state.get("handles"))
        self._thinking: str = state.get("thinking", "")
        self._text: str = state.get("text", "")
        self._paths: dict[str, str] = dict(state.get("paths", {}))  # of calls that are running

    def state(self) -> dict[str, Any]:
        """All that it knows, as plain data."""
        return {
            "handles": self._handles.state(),
            "thinking": self._thinking,
            "text": self._text,
            "paths": dict(self._paths),
        }

    def take(self, event: Event, offset: int) -> Iterator[Entry]:
        """The entries that are complete with `event`, which stands at byte `offset`."""
        if isinstance(event, ThinkingDelta):
            self._thinking += event.text
        elif isinstance(event, TextDelta | CallDelta):
            self._text += event.text
        elif isinstance(event, SessionStarted | TaskGiven | TurnEnded):
            yield from self._cut_off(offset)
        handle = self._handles.of(event)
        if isinstance(event, ModelReplied):
            yield from self._replied(event, handle, offset)
        elif handle:
            yield from self._entry(event, handle, offset)

    def _cut_off(self, offset: int) -> Iterator[Entry]:
        """What the model had said when it was stopped: no ModelReplied has it."""
        text = "\n\n".join(part for part in (self._thinking, self._text) if part.strip())
        self._thinking = self._text = ""
        if text:
            yield Entry(self._handles.next("p"), "partial", text, offset=offset)

    def _replied(self, event: ModelReplied, handle: str, offset: int) -> Iterator[Entry]:
        thinking = self._thinking
        self._thinking = self._text = ""
        if thinking.strip():
            yield Entry(f"t{handle[1:]}", "thinking", thinking, offset=offset)
        if event.text.strip():
            yield Entry(handle, "answer", event.text, offset=offset)

    def _entry(self, event: Event, handle: str, offset: int) -> Iterator[Entry]:
        match event:
            case TaskGiven():
                text = "\n".join([event.text, *(f"with {file}" for file in event.files)])
                yield Entry(handle, "task", text, path=" ".join(event.files), offset=offset)
            case CallMade():
                self._paths[event.id] = path = str(event.arguments.get("path") or "")
                if event.name != RECALL:
                    text = call_text(event.name, event.arguments)
                    yield Entry(handle, "call", text, event.name, path, offset)
            case CallReturned():
                path = self._paths.pop(event.id, "")
                path = " ".join(event.changed) or path
                if event.name != RECALL:
                    kept = kept_output(event.text)
                    yield Entry(handle, "result", event.text, event.name, path, offset, 0, kept)
            case CallRejected():
                text = f"{event.text}\n{event.reason}"
                yield Entry(handle, "rejected", text, offset=offset)
            case CheckEnded():
                verdict = "passed" if event.passed else "failed"
                text = f"{event.command}: {verdict}\n{event.text}"
                kept = kept_output(event.text)
                yield Entry(handle, "check", text, event.command, "", offset, 0, kept)
            case Summarised(refused=""):
                yield Entry(handle, "summary", event.text, offset=offset)


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """A call as text: its short arguments on the first line, its long ones below."""
    head, below = [name], []
    for key, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if "\n" in text:
            below.append(f"{key}:\n{text}")
        else:
            head.append(f"{key}={text}")
    return "\n".join([" ".join(head), *below])


def kept_output(text: str) -> str:
    """The name of the file that has all of an output that was cut; '' when it was not."""
    match = _KEPT.search(text)
    return PurePath(match[1]).name if match else ""
