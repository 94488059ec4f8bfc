"""Calls whose results the model has not read yet: a fold of the session's events.

A turn that is cut off leaves such calls. Of one that was running nobody knows what it did: the
model is told so, since doing it again could do it twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.events import CallMade, CallReturned, Event, LogSet, ModelReplied, TurnEnded, Undone
from agent.messages import ToolOutput

UNKNOWN = (
    "outcome unknown: the work was cut off while this ran, and it was not run again. "
    "It may be done, or half done: look before you repeat it."
)
# After these the model was to have the last word.
_COMPLETE = ("answer", "check_passed", "check_failed", "repeated")


@dataclass(frozen=True)
class _Call:
    """A call of the message that begins at `reply`."""

    reply: int
    made: CallMade
    returned: CallReturned | None = None


class Owed:
    """What the model is owed, as far as the events that were taken say."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._calls: dict[str, _Call] = {}
        self._reply = 0  # where in the log the last message of the model begins
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """The next event of the session."""
        if isinstance(event, CallMade):
            self._calls[event.id] = _Call(self._reply, event)
        elif isinstance(event, CallReturned) and event.id in self._calls:
            self._calls[event.id] = replace(self._calls[event.id], returned=event)
        elif isinstance(event, ModelReplied):
            self._forget(event.start)  # in place of a message that stood there
            self._reply = event.start
        elif isinstance(event, LogSet):
            for kind, call, _ in event.parts:
                if kind == "result":
                    self._calls.pop(call, None)
            if not event.tokens:
                self._forget(event.start)
        elif isinstance(event, Undone) or (
            isinstance(event, TurnEnded) and event.stop in _COMPLETE
        ):
            self._calls.clear()

    def unknown(self) -> list[CallReturned]:
        """The events that say of each call without a result that nobody knows it."""
        return [
            CallReturned(call.made.id, call.made.name, ok=False, text=UNKNOWN)
            for call in self._calls.values()
            if call.returned is None
        ]

    def outputs(self) -> list[ToolOutput]:
        """All that the model has to read, in the order of the calls."""
        return [
            ToolOutput(call.made.id, call.made.name, call.returned.text)
            for call in self._calls.values()
            if call.returned is not None
        ]

    def _forget(self, start: int) -> None:
        """The messages behind the first `start` tokens are gone, and their calls with them."""
        self._calls = {key: call for key, call in self._calls.items() if call.reply < start}
