"""Short names for what is in a session: u3 is the third task, r12 the result of the 12th call.

The numbering is a fold of the events and of nothing else, so that whoever sees all events of a
session, from its log or as they come, gives the same names.

====  ==========================================================
u3    the third message of the user
a7    the 7th answer of the model; t7 is what it thought before
i12   the 12th call, what it was given; r12 is its result
c5    the 5th run of the check
b1    the first text that was meant as a call and could not be read
s2    the second summary
p1    the first message of the model that was cut off
====  ==========================================================
"""

from __future__ import annotations

import re
from typing import Any

from agent.events import CallMade, CallReturned, Event, type_name

# By the names of the event types, since types may be added.
PREFIXES = {
    "task_given": "u",
    "model_replied": "a",
    "call_made": "i",
    "call_rejected": "b",
    "check_ended": "c",
    "summarised": "s",
}
_HANDLE = re.compile(r"\s*\[?([uatircbsp])(\d{1,9})\]?\s*")


class Handles:
    """Gives each event its handle; the events come in the order of the log."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        """Begin anew, or where :meth:`state` was taken."""
        self._counts: dict[str, int] = dict((state or {}).get("counts", {}))
        self._open: dict[str, int] = dict((state or {}).get("open", {}))

    def of(self, event: Event) -> str:
        """The handle of the next event; '' for one that has none."""
        if isinstance(event, CallReturned):
            number = self._open.pop(event.id, 0)
            return f"r{number}" if number else ""
        prefix = PREFIXES.get(type_name(type(event)), "")
        if not prefix:
            return ""
        handle = self.next(prefix)
        if isinstance(event, CallMade):
            self._open[event.id] = self._counts[prefix]
        return handle

    def next(self, prefix: str) -> str:
        """The next handle of a kind that is no single event."""
        self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return f"{prefix}{self._counts[prefix]}"

    def state(self) -> dict[str, Any]:
        """All that it knows, as plain data."""
        return {"counts": dict(self._counts), "open": dict(self._open)}


def handle_in(text: str) -> str:
    """The handle that `text` is, as 'r12' or '[r12]'; '' when it is something else."""
    match = _HANDLE.fullmatch(text.lower())
    return f"{match[1]}{int(match[2])}" if match else ""
