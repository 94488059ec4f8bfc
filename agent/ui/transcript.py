"""A session that is over, as text to read: everything in full, nothing in colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.events import Event
from agent.session.secrets import joined
from agent.ui.story import FAILED, OK, Block, story
from agent.ui.summary import SEPARATOR

_VERDICTS = {OK: "ok", FAILED: "failed"}


def transcript(events: Iterable[Event]) -> Iterator[str]:
    """Lines, safe for a terminal, without their line ends."""
    told = story(joined(events))
    if told.facts:
        facts = dict(told.facts)
        folder = facts.pop("folder")
        yield SEPARATOR.join(facts.values())
        yield folder
        yield f"about: {told.title}"
    last = "facts" if told.facts else ""
    for block in told.blocks:
        if last and not (last == block.kind == "note"):
            yield ""
        yield from _lines(block)
        last = block.kind
    if last and last != "end":
        yield ""
        yield "unfinished: the session was cut off here"


def _lines(block: Block) -> Iterator[str]:
    match block.kind:
        case "task":
            yield from (f"> {line}" for line in block.text.split("\n"))
            yield from [f"> with {block.aside}"] if block.aside else []
        case "answer":
            yield from block.text.split("\n")
        case "thinking":
            yield "thinking"
            yield from _indented(block.text)
        case "call":
            yield f"● {block.head}"
            yield from _indented(block.given)
            if block.state in _VERDICTS:
                yield f"  {_VERDICTS[block.state]}, {block.aside}"
            yield from _indented(block.diff or block.text)
        case "check":
            verdict = "passed" if block.state == OK else "failed"
            yield f"check {block.head}: {verdict} in {block.aside}"
            yield from _indented(block.text)
        case "rejected":
            yield f"✗ {block.head}"
            yield from _indented(block.text)
        case "note":
            yield f"! {block.head}"
            yield from _indented(block.text)
        case _:
            yield block.head


def _indented(text: str) -> Iterator[str]:
    yield from (f"    {line}" for line in text.split("\n") if text.strip())
