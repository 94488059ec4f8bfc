"""What every token of the window is: a fold of the session's events, live or from its log.

=============  ==================================================================
kind           what
=============  ==================================================================
system, tools  the fixed prompt,
instructions   and what the project's AGENTS.md add to it
user           what the user said, with the files that were shown along
thinking text  what the model wrote: for itself, for the user,
call           and as calls, files included
result         what a call brought back
check          the output of the user's check
note           what the agent had to say about an answer
summary        what stands for things that were folded
frame          what the model's template puts around all that
other          tokens of a log that does not say
=============  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent.events import (
    CallMade,
    CallReturned,
    CheckEnded,
    Event,
    Folded,
    LogSet,
    ModelReplied,
    Part,
    PlanChanged,
    Summarised,
    TaskGiven,
)
from agent.handles import Handles
from agent.messages import Usage

_LINES = " lines "


@dataclass(frozen=True)
class Stretch:
    """Tokens that came into the log together, from `start` on: a prompt, or a message of the model.

    `ended` says that such a message ended with its own end token; `handle` names it.
    """

    start: int
    tokens: tuple[int, ...]
    ended: bool = False
    is_reply: bool = False
    parts: tuple[Part, ...] = ()
    turn: int = 0
    handle: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.tokens)


@dataclass(frozen=True)
class Record:
    """One thing that happened. `about` is what it was in a few words, `detail` is the user's whole
    text or the first words of the model's; `superseded` is the handle of what made it out of date.
    """

    handle: str
    kind: str
    turn: int
    about: str
    detail: str = ""
    superseded: str = ""


@dataclass
class Ledger:
    """The window as it is now, and everything that happened in the session, by handles."""

    stretches: list[Stretch] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    folds: list[Folded] = field(default_factory=list)
    summary: str = ""  # the last one that was taken
    plan: PlanChanged = field(default_factory=PlanChanged)
    usage: Usage = field(default_factory=Usage)
    turn: int = 0
    decoded: list[tuple[int, float]] = field(default_factory=list)
    """Of each answer: how deep in the window it began, and its seconds a token."""
    _handles: Handles = field(default_factory=Handles)
    _calls: dict[str, CallMade] = field(default_factory=dict)
    _by_call: dict[str, str] = field(default_factory=dict)  # id of a call -> handle of its result
    _current: dict[tuple[str, str], str] = field(default_factory=dict)  # what is not superseded

    @classmethod
    def of(cls, events: Iterable[Event]) -> Ledger:
        ledger = cls()
        for event in events:
            ledger.take(event)
        return ledger

    @property
    def used(self) -> int:
        """Tokens in the window."""
        return self.stretches[-1].end if self.stretches else 0

    @property
    def front(self) -> int:
        """Tokens of the fixed prompt; 0 where the log does not say."""
        parts = self.stretches[0].parts if self.stretches else ()
        return sum(n for kind, _, n in parts if kind in ("system", "tools", "instructions"))

    @property
    def visible(self) -> dict[str, None]:
        """The handles of all that stands in the window, in order."""
        return self.handles_in(self.stretches)

    def handles_in(self, stretches: Iterable[Stretch]) -> dict[str, None]:
        """The handles of all that stands in these stretches, in order."""
        found = (self.handle_of(part) for stretch in stretches for part in stretch.parts)
        return dict.fromkeys(handle for handle in found if handle)

    @property
    def changed(self) -> list[str]:
        """Paths that were written in the session, the last one last."""
        return [path for kind, path in self._current if kind == "written"]

    def handle_of(self, part: Part) -> str:
        """The handle of the thing that a part is, '' for parts that have none."""
        return self._by_call.get(part[1], part[1])

    def take(self, event: Event) -> None:
        """The next event of the session."""
        handle = self._handles.of(event)
        if isinstance(event, LogSet):
            self._cut(event.start)
            if event.tokens:
                self._put(event, is_reply=event.reply)
        elif isinstance(event, ModelReplied):
            self._replied(event, handle)
        elif isinstance(event, TaskGiven):
            self.turn += 1
            self._note(Record(handle, "user", self.turn, _line(event.text), event.text))
        elif isinstance(event, CallMade):
            self._calls[event.id] = event
        elif isinstance(event, CallReturned):
            self._returned(event, handle)
        elif isinstance(event, CheckEnded):
            outcome = "passed" if event.passed else "failed"
            about = f"`{event.command}` {outcome}"
            self._supersede(("check", event.command), handle)
            self._note(Record(handle, "check", self.turn, about, _line(event.text)))
        elif isinstance(event, Folded):
            self.folds.append(event)
        elif isinstance(event, PlanChanged):
            self.plan = event
        elif isinstance(event, Summarised) and not event.refused:
            self.summary = event.text

    def _replied(self, event: ModelReplied, handle: str) -> None:
        self.usage.add(event.usage)
        if event.start < 0:
            return
        if event.usage.generated > 1 and event.usage.decode_s:
            self.decoded.append((event.start, event.usage.decode_s / event.usage.generated))
        self._cut(event.start)
        self._put(event, is_reply=True, handle=handle)
        if words := _line(event.text):
            self._note(Record(handle, "text", self.turn, words, words))

    def _put(self, event: LogSet | ModelReplied, *, is_reply: bool, handle: str = "") -> None:
        parts = event.parts or (("other", "", len(event.tokens)),)
        parts = tuple((kind, ref or handle or self._latest(kind), n) for kind, ref, n in parts)
        self.stretches.append(
            Stretch(event.start, event.tokens, event.ended, is_reply, parts, self.turn, handle)
        )

    def latest(self, kind: str) -> tuple[str, ...]:
        """The handle of the last message of this kind; none where it has no handle."""
        handle = self._latest(kind)
        return (handle,) if handle else ()

    def _latest(self, kind: str) -> str:
        if kind not in ("user", "check"):
            return ""
        found = (r.handle for r in reversed(self.records.values()) if r.kind == kind)
        return next(found, "")

    def _cut(self, start: int) -> None:
        """Forget what stands behind the first `start` tokens."""
        while self.stretches and self.stretches[-1].start >= start:
            self.stretches.pop()
        if self.stretches and self.stretches[-1].end > start:
            last = self.stretches[-1]
            kept = last.tokens[: start - last.start]
            self.stretches[-1] = replace(
                last, tokens=kept, parts=shortened(last.parts, len(kept)), ended=False
            )

    def _returned(self, event: CallReturned, handle: str) -> None:
        call = self._calls.pop(event.id, None)
        arguments = call.arguments if call else {}
        self._by_call[event.id] = handle
        for path in event.changed:
            for kind, subject in list(self._current):
                if kind == "read" and subject.split(_LINES)[0] == path:
                    self._supersede((kind, subject), handle)
            self._supersede(("written", path), handle)
        if event.ok and not event.changed:
            self._supersede((event.name, _subject(event.name, arguments)), handle)
        outcome = "" if event.ok else f": {_line(event.text)}"
        about = f"{event.name} {_subject(event.name, arguments)}".strip() + outcome
        self._note(Record(handle, "result", self.turn, about))

    def _supersede(self, subject: tuple[str, str], handle: str) -> None:
        before = self._current.pop(subject, "")
        if before in self.records:
            self.records[before] = replace(self.records[before], superseded=handle)
        self._current[subject] = handle

    def _note(self, record: Record) -> None:
        self.records[record.handle] = record


def shortened(parts: Sequence[Part], total: int) -> tuple[Part, ...]:
    """The parts of the first `total` tokens."""
    kept: list[Part] = []
    for kind, ref, count in parts:
        if total <= 0:
            break
        kept.append((kind, ref, min(count, total)))
        total -= count
    return tuple(kept)


def _subject(tool: str, arguments: dict[str, Any]) -> str:
    """What a call is about: two calls with the same subject replace each other."""
    path = str(arguments.get("path", ""))
    if tool == "read":
        lines = [str(arguments[k]) for k in ("first_line", "last_line") if arguments.get(k)]
        return path + (f"{_LINES}{'-'.join(lines)}" if lines else "")
    if tool in ("write", "edit"):
        return path
    return _line(" ".join(str(value) for value in arguments.values()))


def _line(text: str, most: int = 100) -> str:
    """The first line that says something, cut."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= most else f"{line[: most - 3]}..."
