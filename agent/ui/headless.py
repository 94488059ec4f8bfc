"""`--output json` and `--output stream-json`: events for programs, on stdout."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, TextIO

from agent.events import (
    INTERNAL,
    SCHEMA,
    TRANSIENT,
    CheckEnded,
    Event,
    SessionStarted,
    TurnEnded,
)
from agent.session.lines import to_line
from agent.ui.terminal import Output


def inert(line: str) -> str:
    """The same JSON without what a runner of GitHub takes for a command anywhere in a line."""
    return line.replace("##[", "##\\u005b")


class JsonPrinter:
    """One object when the turn is over; docs/stream-json.md has its fields.

    `closed` is true when nobody reads stdout any more, `ended` when the result was printed.
    """

    def __init__(self, stdout: TextIO | None = None) -> None:
        self.ended = False
        self._out = Output(stdout or sys.stdout, {})
        self._session = ""
        self._check: dict[str, Any] | None = None

    @property
    def closed(self) -> bool:
        return self._out.closed

    def show(self, event: Event) -> None:
        """Take one event in; the last one of the turn prints."""
        if isinstance(event, SessionStarted):
            self._session = event.session
        elif isinstance(event, CheckEnded):
            self._check = {
                "command": event.command,
                "passed": event.passed,
                "exit_code": event.exit_code,
            }
        elif isinstance(event, TurnEnded):
            self.ended = True
            self._out.write(inert(json.dumps(self._result(event)) + "\n"))

    def close(self) -> None:
        """Nothing is left to write."""

    def _result(self, end: TurnEnded) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "session": self._session,
            "answer": end.answer,
            "changed": list(end.changed),
            "check": self._check,
            "usage": asdict(end.usage),
            "stop": end.stop,
            "exit_code": end.exit_code,
            "seconds": end.seconds,
            "turns": end.turns,
        }


class StreamJsonPrinter:
    """One event a line, as it happens; `progress` includes the transient ones.

    `closed` is true when nobody reads stdout any more, `ended` when the last event was printed.
    """

    def __init__(self, stdout: TextIO | None = None, *, progress: bool = False) -> None:
        self.ended = False
        self._out = Output(stdout or sys.stdout, {})
        self._progress = progress

    @property
    def closed(self) -> bool:
        return self._out.closed

    def show(self, event: Event) -> None:
        """Write the event."""
        self.ended = self.ended or isinstance(event, TurnEnded)
        if isinstance(event, INTERNAL):
            return
        if self._progress or not isinstance(event, TRANSIENT):
            self._out.write(inert(to_line(event)))

    def close(self) -> None:
        """Nothing is left to write."""
