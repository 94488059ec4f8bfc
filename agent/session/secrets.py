"""Events without the likely secrets in them: what may leave the machine, or be shown to others.

The log on disk keeps its texts as they were: the exact tokens in it are what lets a session go on,
and a token that was masked would be another one. docs/sessions.md says what that means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from agent.events import CallDelta, Event, ModelReplied, TextDelta, ThinkingDelta
from tools.secrets import contains_secret, mask

__all__ = ["contains_secret", "joined", "mask", "masked"]


def masked(events: Iterable[Event]) -> Iterator[Event]:
    """The events with :func:`mask` over every text, and without tokens, which are texts too."""
    for event in joined(events):
        values = {
            field.name: _masked(getattr(event, field.name)) for field in dataclasses.fields(event)
        }
        if isinstance(event, ModelReplied):
            values["tokens"] = values["parts"] = ()
        yield type(event)(**values)


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """Neighbouring deltas of one kind in one piece: a secret may come in several."""
    whole: Event | None = None
    for event in events:
        both = _both(whole, event)
        if both is None and whole is not None:
            yield whole
        whole = both or event
    if whole is not None:
        yield whole


def _both(one: Event | None, other: Event) -> Event | None:
    if isinstance(one, TextDelta) and isinstance(other, TextDelta):
        return TextDelta(one.text + other.text)
    if isinstance(one, ThinkingDelta) and isinstance(other, ThinkingDelta):
        return ThinkingDelta(one.text + other.text)
    if isinstance(one, CallDelta) and isinstance(other, CallDelta):
        name, path = other.name or one.name, other.path or one.path
        return CallDelta(name, path, one.text + other.text)
    return None


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked_named(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_masked(item) for item in value)
    return value


def _masked_named(name: Any, value: Any) -> Any:
    """An argument whose name says that it is a secret."""
    if isinstance(name, str) and isinstance(value, str) and value:
        head = f"{name}: "
        both = mask(head + value)
        if both.startswith(head):
            return both[len(head) :]
    return _masked(value)
