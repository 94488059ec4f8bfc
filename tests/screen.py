"""A user interface for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.events import Event


@dataclass
class Screen:
    """Keeps what it was shown; `on_show` may look, or close it."""

    closed: bool = False
    events: list[Event] = field(default_factory=list)
    on_show: Callable[[Event], None] = lambda _event: None

    def show(self, event: Event) -> None:
        self.events.append(event)
        self.on_show(event)

    def close(self) -> None:
        self.closed = True
