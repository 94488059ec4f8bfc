"""An event as one line of JSON, and a log's bytes as events."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from agent.events import (
    CallDelta,
    Event,
    ModelReplied,
    SessionStarted,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    from_json,
    to_json,
)

# Nothing that we write is longer; a hole in a broken file can be.
_LONGEST_LINE = 1 << 28


def to_line(event: Event) -> str:
    """One line of JSON in ASCII, with its newline.

    ASCII, because text of a model can hold lone surrogates, which UTF-8 cannot.
    """
    data = to_json(event)
    try:
        text = json.dumps(data, allow_nan=False)
    except ValueError:
        # A model can write NaN as an argument: Python reads that, and other readers do not.
        text = json.dumps(_finite(data), allow_nan=False)
    return text + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def parse(data: bytes) -> Iterator[Event]:
    """The events of a log.

    Left out: lines that a crash cut off or a disk changed, and events of a later version.
    """
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        event = from_json(value) if isinstance(value, dict) else None
        if event is not None:
            yield event


def complete_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a log from here on, each with its offset in bytes.

    The file stands behind the last one afterwards: a line that is still being written is left for
    the next time. What is too long to be one of ours is passed over.
    """
    while True:
        start = file.tell()
        line = file.readline(_LONGEST_LINE)
        if line.endswith(b"\n"):
            yield start, line
        elif len(line) < _LONGEST_LINE:
            file.seek(start)
            return


def fold(events: Iterable[Event]) -> list[Event]:
    """Drop the deltas that a ModelReplied covers; keep those of a reply that was cut off.

    The thinking, which is in no ModelReplied, becomes one delta.
    """
    kept: list[Event] = []
    start = 0  # where the reply that is being written can have begun
    for event in events:
        if isinstance(event, ModelReplied):
            kept[start:] = _covered(kept[start:])
        kept.append(event)
        if isinstance(event, ModelReplied | SessionStarted | TaskGiven | TurnEnded):
            start = len(kept)
    return kept


def _covered(events: Iterable[Event]) -> list[Event]:
    left: list[Event] = []
    for event in events:
        last = left[-1] if left else None
        if isinstance(event, ThinkingDelta) and isinstance(last, ThinkingDelta):
            left[-1] = ThinkingDelta(last.text + event.text)
        elif not isinstance(event, TextDelta | CallDelta):
            left.append(event)
    return left
