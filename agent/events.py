"""Everything that a user interface can see, as one tagged union.

An event is written to the session's log before it acts; user interfaces only consume events. The
JSON form is the dataclass's fields plus ``type`` (the class name in snake case). The form is
versioned by :data:`SCHEMA`: fields may be added within a version, never removed or renamed.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any

from agent.fieldtypes import fits
from agent.messages import Usage

SCHEMA = 1
LATEST = 250_000_000_000.0  # seconds since 1970: the last year that a calendar has

Part = tuple[str, str, int]
"""What kind of thing some tokens are (see agent.context.ledger), which one (the id of a call or a
handle, '' where it has none), and how many."""

Place = tuple[str, int, str]
"""A file of the workspace, a line of it counted from 1, and what is wrong there."""


@dataclass(frozen=True)
class SessionStarted:
    """First line of every log. `time` is in seconds since 1970, `plan` a line about memory.

    `forked_from` is the session that this one is a copy of, as it was at the end of its turn
    `forked_at` (counted from 1).
    """

    session: str
    workspace: str
    model: str
    n_ctx: int
    time: float
    version: str
    schema: int = SCHEMA
    plan: str = ""
    forked_from: str = ""
    forked_at: int = 0


@dataclass(frozen=True)
class TaskGiven:
    """What the user asked, word for word, and the files that were shown with it."""

    text: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkProgress:
    """A stage that has a length: 'download' (bytes), 'load' (per mille) or 'prefill' (tokens).

    Any other stage is a call that an MCP server tells of, in the server's words; `total` may be 0.
    In the stage 'attempts' `done` counts the tokens of all answers that are written at once, and
    `total` those answers.
    """

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class TextDelta:
    """Text of the model's answer as it is decoded."""

    text: str


@dataclass(frozen=True)
class ThinkingDelta:
    """What the model writes for itself before it answers, as it is decoded."""

    text: str


@dataclass(frozen=True)
class CallDelta:
    """Characters of a call that is being written; `name` and `path` as far as they are known."""

    name: str
    path: str
    text: str


@dataclass(frozen=True)
class CallMade:
    """A call is about to run. `form` is how the model wrote it."""

    id: str
    name: str
    arguments: dict[str, Any]
    form: str


@dataclass(frozen=True)
class ToolsDeclared:
    """From now on these tools can be called: the hash of each declaration by the tool's name.

    `in_prompt`: they stand in the fixed prompt (only those of MCP servers are told here); the
    others in the message that follows.
    """

    tools: dict[str, str]
    in_prompt: bool = False


@dataclass(frozen=True)
class ApprovalAsked:
    """A person is asked whether a call may run; the fields are those of approval.ApprovalRequest.

    `id` names the question in an answer that comes from another program.
    """

    tool: str
    headline: str
    detail: str = ""
    diff: str = ""
    folder: str = ""
    why: str = ""
    rule: str = ""
    pattern: str = ""
    id: str = field(default="", compare=False)


@dataclass(frozen=True)
class ApprovalGiven:
    """The answer: 'once', 'session', 'always' or 'no', and what the person said to a no.

    `seconds` is how long it took them.
    """

    kind: str
    reason: str = ""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class CallReturned:
    """What a call brought back: `text` is what the model reads, `diff` is for people."""

    id: str
    name: str
    ok: bool
    text: str
    diff: str = ""
    changed: tuple[str, ...] = ()
    exit_code: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class CallRejected:
    """Text that was meant as a call and could not be read; `reason` goes back to the model."""

    text: str
    reason: str


@dataclass(frozen=True)
class ModelReplied:
    """One message of the model is complete: its exact tokens, and why it ended.

    The tokens stand behind the first `start` tokens of the log; -1 in older logs. `ended` says that
    the last of them is the end token which the template writes there. `parts` are as in LogSet.
    """

    text: str
    tokens: tuple[int, ...]
    reason: str
    usage: Usage
    start: int = -1
    ended: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class LogSet:
    """Behind its first `start` tokens the log is now `tokens`: a prompt, or an answer that stands.

    `ended` says that the model's message ended with them. With ModelReplied it gives the exact log
    at any time, so that a session can go on. `parts` says in order what the tokens are; `reply`
    that the model wrote them.
    """

    start: int
    tokens: tuple[int, ...]
    ended: bool = False
    parts: tuple[Part, ...] = ()
    reply: bool = False


@dataclass(frozen=True)
class Folded:
    """What stood in the window behind `start` tokens was replaced by something shorter.

    `before` and `after` are tokens of the window, `again` those that have to be evaluated once
    more; `why` is 'full', 'early' or 'asked'. The events LogSet behind it say what stands there
    now.
    """

    start: int
    before: int
    after: int
    again: int
    why: str
    handles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summarised:
    """What the model noted about its work so far, or `refused`: why that note was not taken."""

    text: str
    refused: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class PlanChanged:
    """The plan of the work as it is from now on; `done` are the numbers of steps, from 1."""

    steps: tuple[str, ...] = ()
    done: tuple[int, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Each step in a line: `[x] 1. read the code`."""
        return [
            f"[{'x' if number in self.done else ' '}] {number}. {step}"
            for number, step in enumerate(self.steps, 1)
        ]


@dataclass(frozen=True)
class FilesSaved:
    """Checkpoints of the folder around the turn (see tools.checkpoints).

    `before` from right before its first call that could write, `after` from its end; '' while the
    turn has not ended.
    """

    before: str
    after: str = ""


@dataclass(frozen=True)
class Undone:
    """The last `turns` turns were taken back, their files and what was said; or, with `redo`,
    brought back. `before` and `after` are checkpoints of the folder around that."""

    turns: int
    before: str
    after: str
    files: tuple[str, ...] = ()
    redo: bool = False


@dataclass(frozen=True)
class SessionTitled:
    """A few words by the model that say what the session is about."""

    title: str


@dataclass(frozen=True)
class CheckStarted:
    command: str


@dataclass(frozen=True)
class CheckEnded:
    """`text` is the output cut to what failed.

    `places` are the lines that it names: path in the workspace, line from 1, message.
    """

    command: str
    passed: bool
    exit_code: int | None
    text: str
    seconds: float
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and the model does not need."""

    text: str


@dataclass(frozen=True)
class TurnEnded:
    """The turn is over.

    `stop` is 'answer', 'check_passed', 'check_failed', 'turns', 'time', 'tokens', 'tool_calls',
    'context', 'repeated', 'denied', 'interrupted' or 'error'. `energy_j` is what the machine took
    meanwhile, in joules; None where it does not tell.
    """

    stop: str
    answer: str
    exit_code: int
    usage: Usage
    changed: tuple[str, ...] = ()
    check_passed: bool | None = None
    seconds: float = 0.0
    turns: int = 0
    energy_j: float | None = None


Event = (
    SessionStarted
    | TaskGiven
    | WorkProgress
    | TextDelta
    | ThinkingDelta
    | CallDelta
    | CallMade
    | ToolsDeclared
    | ApprovalAsked
    | ApprovalGiven
    | CallReturned
    | CallRejected
    | ModelReplied
    | LogSet
    | Folded
    | Summarised
    | PlanChanged
    | FilesSaved
    | Undone
    | SessionTitled
    | CheckStarted
    | CheckEnded
    | Notice
    | TurnEnded
)

# Shown while it happens and worth nothing afterwards.
TRANSIENT = (WorkProgress,)
# Kept for a session that goes on, and of no use to whoever looks on.
INTERNAL = (LogSet, FilesSaved, SessionTitled, ToolsDeclared)


def type_name(kind: type[Any]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


KINDS: dict[str, type[Any]] = {type_name(kind): kind for kind in Event.__args__}


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain data with its ``type`` first."""
    return {"type": type_name(type(event)), **dataclasses.asdict(event)}


def from_json(data: dict[str, Any]) -> Event | None:
    """The event that `data` describes; None for a type or a form of a later version, or a broken
    one."""
    kind = KINDS.get(str(data.get("type")))
    if kind is None:
        return None
    forms = {f.name: str(f.type) for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in forms
    }
    for name in values.keys() & {"parts", "places"}:
        if isinstance(values[name], tuple):
            values[name] = tuple(tuple(p) if isinstance(p, list) else p for p in values[name])
    if "usage" in forms:
        values["usage"] = _usage(data.get("usage"))
    if not all(fits(value, forms[name]) for name, value in values.items()):
        return None
    if kind is SessionStarted and not 0 <= values.get("time", 0) < LATEST:
        values["time"] = 0.0  # no date
    try:
        event: Event = kind(**values)
    except TypeError:
        return None
    return event


def _usage(data: Any) -> Usage | None:
    if not isinstance(data, dict):
        return None
    forms = {f.name: str(f.type) for f in dataclasses.fields(Usage)}
    values = {name: value for name, value in data.items() if name in forms}
    return Usage(**values) if all(fits(v, forms[name]) for name, v in values.items()) else None
