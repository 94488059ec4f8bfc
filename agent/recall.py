"""The recall tool: what was said and done earlier in the session, also what left the window."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from pydantic import Field

from agent.errors import IngleError
from agent.handles import handle_in
from agent.session.entries import Entry
from agent.session.index import Index
from agent.session.ranking import Hit
from tools.base import Arguments, Tool, ToolContext, ToolResult, failed
from tools.text import split_lines

HITS = 6
_KINDS = {
    "task": "the user's message",
    "answer": "your answer",
    "thinking": "your thinking",
    "call": "your call of",
    "result": "result of",
    "rejected": "a call that could not be read",
    "check": "check",
    "summary": "summary",
    "partial": "a message of yours that was cut off",
}


class RecallArguments(Arguments):
    query: str
    first_line: int = Field(default=1, ge=1)


def recall_tool(open_index: Callable[[], Index]) -> Tool[RecallArguments]:
    """The tool; `open_index` gives the session's index, and may take its time.

    It is asked at each call, in a thread of its own.
    """
    return Tool(
        "recall",
        "Find earlier parts of this session by words, or show one by its handle, such as r12.",
        RecallArguments,
        partial(_run, open_index),
    )


async def _run(
    open_index: Callable[[], Index], arguments: RecallArguments, context: ToolContext
) -> ToolResult:
    try:
        return await asyncio.to_thread(_recall, open_index, arguments, context.output.limit)
    except IngleError as error:
        return failed(f"nothing can be recalled: {error}")


def _recall(open_index: Callable[[], Index], arguments: RecallArguments, limit: int) -> ToolResult:
    index = open_index()
    index.refresh()
    handle = handle_in(arguments.query)
    if not handle:
        return _found(index.search(arguments.query, HITS), arguments.query, limit)
    entry = index.get(handle)
    if entry is not None:
        return _window(entry, arguments.first_line, limit)
    last = index.last()
    hint = f"the newest is {last}" if last else "nothing was said yet"
    return failed(f"there is no {handle} in this session: {hint}; or give words to look for")


def _found(hits: list[Hit], query: str, limit: int) -> ToolResult:
    """Excerpts, as many as fit, the best first."""
    if not query.strip():
        return failed("query is empty: give words to look for, or a handle such as r12")
    if not hits:
        return ToolResult(f"nothing in this session has {query!r}: try other words")
    note = "[all of one: recall with its handle as query, and its line as first_line]"
    shown: list[str] = []
    room = limit - len(note)
    for hit in hits:
        block = f"[{hit.handle}] {_about(hit.kind, hit.name, hit.path)}, line {hit.line}"
        block += f"\n{hit.snippet}\n"
        room -= len(block) + 1
        if room < 0 and shown:
            break
        shown.append(block)
    return ToolResult("\n".join([*shown, note])[:limit])


def _about(kind: str, name: str, path: str) -> str:
    """`result of shell`, `your call of write notes.md`, on one short line."""
    words = [_KINDS.get(kind, kind), name, "" if path == name else path]
    text = " ".join(" ".join(words).split())
    return text if len(text) <= 120 else f"{text[:119]}…"


def _window(entry: Entry, first: int, limit: int) -> ToolResult:
    """The lines of an entry from `first` on, as many as fit, and how to read on."""
    lines = split_lines(entry.text) or [""]
    total = len(lines)
    if first > total:
        return failed(f"{entry.handle} has only {total} lines")
    shown: list[str] = []
    room = limit
    for line in lines[first - 1 :]:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    notes = ""
    if not shown:
        shown = [lines[first - 1][:limit]]
        notes = f"\n[line {first} has {len(lines[first - 1]):,} characters and is cut]"
    end = first + len(shown) - 1
    if end < total:
        notes += f"\n[read on with first_line={end + 1}]"
    about = _about(entry.kind, entry.name, entry.path)
    head = f"[{entry.handle}] {about}, lines {first}-{end} of {total}"
    return ToolResult("\n".join([head, *shown]) + notes)
