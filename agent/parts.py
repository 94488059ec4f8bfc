"""What rendered tokens are, as the ledger of the window counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.dialects.base import Dialect
from agent.engine.base import Engine
from agent.events import Part
from agent.messages import Message, Segment, System, ToolOutput, User


def front_parts(engine: Engine, dialect: Dialect, system: System, total: int) -> list[Part]:
    """What the `total` tokens of the fixed prompt are."""
    words = len(engine.tokenize(dialect.front(replace(system, tools=()))))
    own = len(engine.tokenize([Segment(system.instructions)]))
    parts: list[Part] = [("system", "", words - own), ("tools", "", total - words)]
    return [*parts, ("instructions", "", own)] if own else parts


def parts_of(
    engine: Engine, messages: Sequence[Message], total: int, front: Sequence[Part] = ()
) -> tuple[Part, ...]:
    """What `total` rendered tokens are, `front` before the messages; what the template wrote itself
    is the 'frame'."""
    parts = list(front)
    for message in messages:
        count = len(engine.tokenize([Segment(message.text)]))
        if isinstance(message, ToolOutput):
            parts.append(("result", message.call_id, count))
        elif isinstance(message, User):
            parts.append((message.source, "", count))
    rest = total - sum(count for _, _, count in parts)
    return (*parts, ("frame", "", rest))
