"""The text that stands for what was folded: the user's own words, what is known, and handles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.context.ledger import Ledger, Record
from agent.events import PlanChanged

_CONSTRAINT = re.compile(
    r"\b(must|never|always|only|without|do not|don't|does not|should|shall|need|needs|keep|"
    r"no longer|at most|at least|exactly|instead|avoid|prefer|use)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?!\s|$))+[.!?]*")
MOST_FILES = 30


def digest(ledger: Ledger, hidden: Sequence[Record], chars: int, *, recall: str) -> str:
    """What the model is told about `hidden`, in at most about `chars` characters.

    The user's words come first and are never left out altogether; `recall` says how to bring
    something back.
    """
    parts = [f"This session goes on. Its earlier part was folded.{recall}"]
    users = [record for record in hidden if record.kind == "user"]
    if users:
        parts.append("The user said:\n" + "\n".join(words_of(users, chars // 2)))
    if ledger.summary:
        parts.append(ledger.summary)
    if ledger.plan.steps:
        parts.append("The plan:\n" + "\n".join(plan_lines(ledger.plan, chars // 4)))
    if ledger.changed:
        names = ledger.changed[-MOST_FILES:]
        more = len(ledger.changed) - len(names)
        parts.append(f"Files written: {', '.join(names)}" + (f" and {more} more" if more else ""))
    room = chars - sum(len(part) + 2 for part in parts)
    events = [record for record in hidden if record.kind != "user"]
    if lines := lines_of(events, room):
        parts.append("Folded, oldest first:\n" + "\n".join(lines))
    return "\n\n".join(parts)


def words_of(users: Sequence[Record], chars: int) -> list[str]:
    """The user's messages, each as whole as there is room, the last one first in line."""
    lines: list[str] = []
    left = chars
    for place, record in enumerate(reversed(users)):
        share = left // 2 if place < len(users) - 1 else left
        said = _within(record.detail.strip(), max(share, 80))
        left -= len(said)
        cut = "" if said == record.detail.strip() else f" [{record.handle} has all of it]"
        lines.append(f"{record.handle}: {said}{cut}")
        if left < 80 and place < len(users) - 1:
            first, last = users[0].handle, users[-place - 2].handle
            lines.append(f"[{first} to {last} have what was said before]")
            break
    return lines[::-1]


def plan_lines(plan: PlanChanged, chars: int) -> list[str]:
    """The plan in about `chars` characters: where it is longer, the steps that come next."""
    lines = plan.lines
    if sum(len(line) + 1 for line in lines) <= chars:
        return lines
    shown = [f"[x] {len(plan.done)} steps are done"] if plan.done else []
    left = [line for number, line in enumerate(lines, 1) if number not in plan.done]
    for place, line in enumerate(left):
        chars -= len(line) + 1
        if chars < 0 and place:
            return [*shown, f"[ ] and {len(left) - place} more"]
        shown.append(line)
    return shown


def constraints(text: str) -> list[str]:
    """The sentences, word for word, that say how the work has to be."""
    found = (match[0].strip() for match in _SENTENCE.finditer(text))
    return [sentence for sentence in found if sentence and _CONSTRAINT.search(sentence)]


def _within(text: str, chars: int) -> str:
    """The text; or its beginning and its constraints; or as much of it as fits."""
    if len(text) <= chars:
        return text
    begin = text[: chars // 2].rsplit("\n", 1)[0].rstrip()
    kept, room = [], chars - len(begin)
    for sentence in constraints(text[len(begin) :]):
        room -= len(sentence) + 1
        if room < 0:
            break
        kept.append(sentence)
    return " ... ".join([begin, " ".join(kept)]) if kept else f"{begin} ..."


def lines_of(records: Sequence[Record], chars: int) -> list[str]:
    """A line for each record, the newest ones; how many there were before them."""
    lines: list[str] = []
    for record in reversed(records):
        line = _line(record)
        chars -= len(line) + 1
        if chars < 60:
            left = len(records) - len(lines)
            lines.append(f"[{left} before that: {records[0].handle} to {records[left - 1].handle}]")
            break
        lines.append(line)
    return lines[::-1]


def _line(record: Record) -> str:
    state = f" (out of date: {record.superseded})" if record.superseded else ""
    detail = f": {record.detail}" if record.kind == "check" and record.detail else ""
    said = "said: " if record.kind == "text" else ""
    return f"{record.handle} {said}{record.about}{detail}{state}"
