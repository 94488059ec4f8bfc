"""A session as blocks for a document: what each renderer of an export shows, in order.

Texts are safe for a terminal and a page: what cannot be seen is escaped. They are not escaped for
any markup yet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from agent.events import (
    ApprovalAsked,
    ApprovalGiven,
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
from agent.ui.summary import SEPARATOR, fold_line, notes_line, summary, undone_line

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"


@dataclass(frozen=True)
class Block:
    """One thing that happened.

    `kind` is 'task', 'answer', 'thinking', 'call', 'rejected', 'check', 'note' or 'end'. `head` is
    one line. `given` are long arguments, `text` is prose or output, `diff` a unified diff. `state`
    is OK, FAILED, UNKNOWN or ''; `aside` says more about it, such as its time.
    """

    kind: str
    head: str = ""
    text: str = ""
    given: str = ""
    diff: str = ""
    state: str = ""
    aside: str = ""


@dataclass(frozen=True)
class Story:
    """A session to read: `facts` are lines about it, by name."""

    title: str
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


def story(events: Iterable[Event]) -> Story:
    """The session whose events these are, deltas folded."""
    known = list(events)
    tasks = [event.text.strip() for event in known if isinstance(event, TaskGiven)]
    titles = [event.title for event in known if isinstance(event, SessionTitled)]
    first = next((task for task in tasks if task), "a session").split("\n")[0]
    starts = [event for event in known if isinstance(event, SessionStarted)]
    return Story(
        safe_line(titles[-1] if titles else first),
        tuple(_facts(starts[0], starts[-1])) if starts else (),
        tuple(_blocks(known)),
    )


def _facts(first: SessionStarted, last: SessionStarted) -> Iterator[tuple[str, str]]:
    yield "session", safe_line(last.session)
    yield "begun", time.strftime("%Y-%m-%d %H:%M", time.localtime(first.time))
    yield "model", safe_line(last.model)
    yield "context", f"{last.n_ctx:,} tokens"
    yield "folder", safe_line(last.workspace)
    if first.forked_from:
        turn = f", turn {first.forked_at}" if first.forked_at else ""
        yield "copy of", f"{safe_line(first.forked_from)}{turn}"
    yield "made by", f"ingle {safe_line(last.version)}"


def _blocks(events: list[Event]) -> Iterator[Block]:
    """The blocks; a call and its result are one."""
    open_calls: dict[str, int] = {}
    blocks: list[Block] = []
    for event in events:
        if isinstance(event, CallMade):
            open_calls[event.id] = len(blocks)
        if isinstance(event, CallReturned) and event.id in open_calls:
            at = open_calls.pop(event.id)
            blocks[at] = _returned(blocks[at], event)
        else:
            blocks += _block(event)
    yield from (block for block in blocks if block.head or block.text.strip())


def _returned(call: Block, event: CallReturned) -> Block:
    code = f"exit {event.exit_code}, " if event.exit_code is not None else ""
    return replace(
        call,
        text="" if event.diff else _text(event.text),
        diff=_text(event.diff),
        state=OK if event.ok else FAILED,
        aside=f"{code}{duration(event.seconds)}",
    )


def _block(event: Event) -> list[Block]:
    match event:
        case TaskGiven():
            with_files = ", ".join(safe_line(file) for file in event.files)
            return [Block("task", aside=with_files, text=_text(event.text))]
        case ModelReplied() | TextDelta():
            return [Block("answer", text=_text(event.text))]
        case ThinkingDelta():
            return [Block("thinking", text=_text(event.text))]
        case CallMade():
            head = headline(event.name, event.arguments)
            return [Block("call", head, given=_given(event.name, event.arguments), state=UNKNOWN)]
        case CallReturned():
            return [_returned(Block("call", safe_line(event.name)), event)]
        case CallDelta():
            head = f"{safe_line(event.name) or 'a call'} {safe_line(event.path)}".strip()
            return [Block("rejected", f"{head}: not written to its end", _text(event.text))]
        case CallRejected():
            head = f"a call that cannot be read: {safe_line(event.reason)}"
            return [Block("rejected", head, _text(event.text), state=FAILED)]
        case CheckEnded():
            state, text = (OK, "") if event.passed else (FAILED, _text(event.text))
            head = safe_line(event.command)
            return [Block("check", head, text, state=state, aside=duration(event.seconds))]
        case TurnEnded():
            return [Block("end", SEPARATOR.join(summary(event)))]
        case Folded():
            return [Block("note", fold_line(event))]
        case Summarised():
            return [Block("note", notes_line(event), _text(event.text))]
        case Undone():
            return [Block("note", undone_line(event))]
    return [Block("note", note) for note in _notes(event)]


def _notes(event: Event) -> Iterator[str]:
    match event:
        case Notice():
            yield from (line for line in _text(event.text).split("\n") if line.strip())
        case ApprovalAsked():
            yield f"asked: {safe_line(event.headline)}"
        case ApprovalGiven():
            yield f"answered: {safe_line(event.kind)} {safe_line(event.reason)}".rstrip()


def _given(name: str, arguments: dict[str, Any]) -> str:
    """Arguments of several lines, where no diff shows them."""
    if name in ("write", "edit"):
        return ""
    texts = {
        k: v if isinstance(v, str) else json.dumps(v, default=str) for k, v in arguments.items()
    }
    long = {key: _text(text) for key, text in texts.items() if "\n" in text.strip()}
    return "\n".join(f"{safe_line(key)}:\n{text}" for key, text in long.items())


def _text(text: str) -> str:
    return safe_output(text).strip("\n")
