"""One turn as data: what is asked for, what has happened so far, and the questions about both."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.check import NOT_STARTED, CheckResult
from agent.config import Limits
from agent.engine.base import Sampling
from agent.messages import Message, Usage
from agent.speech import Reply

if TYPE_CHECKING:
    from agent.schema import AnswerSchema


@dataclass(frozen=True)
class Task:
    """What to do. `check` is a command or ''; `failing` is what it printed before the work."""

    prompt: str
    limits: Limits
    sampling: Sampling = field(default_factory=Sampling)
    check: str = ""
    failing: bool = False
    act_first: bool = False  # the first answer has to be a call
    talk: bool = False  # nothing is to be done, as far as can be told
    to_know: str = ""  # the user's question, where words settle it and nothing is to be changed
    not_paths: tuple[str, ...] = ()  # not to be written while the check fails
    tries: int = 1  # answers to one prompt before the model sees what failed
    attempts: int = 1  # answers to one prompt that are written at once
    schema: AnswerSchema | None = None  # of the answer
    source: str = "user"  # who says the prompt (see messages.User)


@dataclass
class Progress:
    """What has happened so far in the turn."""

    started: float = field(default_factory=time.monotonic)
    turns: int = 0
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    changes: list[str] = field(default_factory=list)  # paths in the order of the writes
    failing: bool = False
    check_passed: bool | None = None
    nudged: bool = False
    denied: str = ""  # why the first call that was refused was, for the user
    answer: str = ""
    failures: int = NOT_STARTED + 1  # at the last check
    stale: int = 0  # checks in a row that were no better than the one before
    idle: int = 0  # answers in a row without a call
    results: dict[str, int] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)  # changes when the last answer came
    idle_writes: int = 0  # of the last answer: files that had that very text
    failed: set[str] = field(default_factory=set)  # signatures of answers that failed the check
    resampled: int = 0
    found: bool = False  # the last call brought something back, and changed nothing

    @property
    def changed(self) -> tuple[str, ...]:
        """Each path that was written, once."""
        return tuple(dict.fromkeys(self.changes))


@dataclass(frozen=True)
class Attempt:
    """An answer, what its calls brought back, and what the check said."""

    reply: Reply
    messages: tuple[Message, ...]
    result: CheckResult


def exceeded(limits: Limits, done: Progress) -> str:
    """The budget that is used up, or ''; 'denied' where turns went by without a permission."""
    if limits.turns and done.turns >= limits.turns:
        return "denied" if done.denied else "turns"
    if limits.time_s and time.monotonic() - done.started >= limits.time_s:
        return "time"
    if limits.tokens and done.usage.generated >= limits.tokens:
        return "tokens"
    return ""


def no_calls_left(limits: Limits, done: Progress) -> bool:
    return bool(limits.tool_calls) and done.tool_calls >= limits.tool_calls


def must_tell(task: Task, done: Progress) -> bool:
    """Whether the model has to say now what it found. Left to itself a small one goes on calling,
    and where it only must not call, it recites its prompt."""
    return task.tries > 1 and bool(task.to_know) and done.found and not done.failing


def has_written(task: Task, done: Progress) -> bool:
    """Whether the last answer changed files and only the model knows if that was all of the task. A
    small one goes on writing the same."""
    return task.tries > 1 and not task.check and len(done.changes) > len(done.before)


def has_copied(task: Task, done: Progress, reply: Reply) -> bool:
    """Whether the answer to a wish for a change is the file as it was, and that for the first time.
    A small model often copies a file with its mistake."""
    copies = done.idle_writes == len(reply.calls) > 0
    return task.act_first and copies and not done.changes and signature(reply) not in done.failed


def signature(reply: Reply) -> str:
    """Equal for replies that would do the same."""
    return "\n".join(f"{call.name} {call.arguments!r}" for call in reply.calls)


def varied(sampling: Sampling, done: Progress) -> Sampling:
    """Sampling for the next answer: warmer after one that repeats a failed one."""
    if not done.resampled:
        return sampling
    temperature = max(sampling.temperature, min(1.0, 0.5 + 0.1 * done.resampled))
    return replace(
        sampling, temperature=temperature, top_k=40, top_p=0.95, seed=sampling.seed + done.turns
    )


def only_blocks(reply: Reply) -> bool:
    """Whether the reply did nothing but write files."""
    return bool(reply.calls) and all(call.form == "block" for call in reply.calls)
