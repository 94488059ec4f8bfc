"""What sessions took: tokens, seconds, and what the same tokens would have cost elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.events import (
    ApprovalGiven,
    CallMade,
    CallReturned,
    CheckEnded,
    Event,
    ModelReplied,
    SessionStarted,
    TaskGiven,
    TurnEnded,
)
from agent.messages import Usage
from agent.session.find import LOG_NAME, session_ids, sessions_folder
from agent.session.lines import complete_lines, parse

# Deltas are most of a log, and say nothing here.
_KINDS = tuple(
    f'{{"type": "{kind}"'.encode()
    for kind in ("session_started", "task_given", "call_made", "approval_given", "call_returned",
                 "check_ended", "model_replied", "turn_ended")
)  # fmt: skip


@dataclass
class Turn:
    """One task. `time` (seconds since 1970) is when the process was started that worked on it.

    `seconds` is the wall time of the turn and of loading the model for it, 0 when it never ended;
    `tools`, `checks` and `waiting` (for a person's answer to a question) are seconds too.
    `energy` is in joules, None where nobody knows.
    """

    time: float
    model: str
    usage: Usage = field(default_factory=Usage)
    tools: float = 0.0
    checks: float = 0.0
    waiting: float = 0.0
    seconds: float = 0.0
    energy: float | None = None
    calls: int = 0
    ended: bool = False
    in_call: float = 0.0  # seconds that a person took for the call that runs

    @property
    def rest(self) -> float:
        """Seconds that none of the others is: starting, and looking at files."""
        return max(0.0, self.seconds - _known(self))


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in `currency`."""

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0
    currency: str = "USD"

    def of(self, usage: Usage) -> float:
        """What these tokens would have cost: a reused one is what others call a cached one."""
        cost = usage.prompt * self.input + usage.reused * self.cached
        return (cost + usage.generated * self.output) / 1e6


def turns_of(events: Iterable[Event]) -> Iterator[Turn]:
    """The turns of one session; those that a fork only copied are not its own."""
    turn: Turn | None = None
    when, model = 0.0, ""
    copied = number = 0
    before = 0.0  # seconds of a check that ran before its task was written down
    for event in events:
        if isinstance(event, SessionStarted):
            copied = max(copied, event.forked_at)
            if number >= copied or not when:
                when, model = event.time, event.model
        elif isinstance(event, TaskGiven):
            if turn is not None and number > copied:
                yield turn
            turn, number = Turn(when, model, checks=before), number + 1
            before = 0.0
        elif isinstance(event, CheckEnded) and (turn is None or turn.ended):
            before += event.seconds
        elif turn is not None:
            _add(turn, event)
    if turn is not None and number > copied:
        yield turn


def _add(turn: Turn, event: Event) -> None:
    if isinstance(event, CallMade):
        turn.in_call = 0.0
    elif isinstance(event, ApprovalGiven):
        turn.waiting += event.seconds
        turn.in_call += event.seconds
    elif isinstance(event, CallReturned):
        # A call's time has the time in it that a person took to allow it.
        turn.tools += max(0.0, event.seconds - turn.in_call)
        turn.in_call = 0.0
        turn.calls += 1
    elif isinstance(event, CheckEnded):
        turn.checks += event.seconds
    elif isinstance(event, ModelReplied) and not turn.ended:
        turn.usage.add(event.usage)
    elif isinstance(event, TurnEnded):
        # It has all tokens, those of attempts that were dropped too.
        turn.usage, turn.ended, turn.energy = event.usage, True, event.energy_j
        turn.seconds = event.seconds + event.usage.load_s


def all_turns(state: Path, since: float = 0.0) -> tuple[list[Turn], int, list[str]]:
    """The turns of all sessions since then, oldest first; how many sessions; what was not read.

    Raises:
        ConfigError: the folder of sessions cannot be read.
    """
    turns: list[Turn] = []
    sessions = 0
    broken: list[str] = []
    for session in reversed(session_ids(state)):
        try:
            events = list(_events(sessions_folder(state) / session / LOG_NAME))
        except OSError as error:
            broken.append(f"{session}: {error.strerror}")
            continue
        if not events:
            broken.append(f"{session}: no event in its log can be read")
            continue
        found = [turn for turn in turns_of(events) if turn.time >= since]
        turns += found
        sessions += bool(found)
    turns.sort(key=lambda turn: turn.time)
    return turns, sessions, broken


def _events(log: Path) -> Iterator[Event]:
    with log.open("rb") as file:
        for _, line in complete_lines(file):
            if line.startswith(_KINDS):
                yield from parse(line)


def total(turns: Iterable[Turn]) -> Turn:
    """All of them in one; its time and model mean nothing."""
    sum_of = Turn(0.0, "")
    for turn in turns:
        sum_of.usage.add(turn.usage)
        sum_of.tools += turn.tools
        sum_of.checks += turn.checks
        sum_of.waiting += turn.waiting
        sum_of.seconds += max(turn.seconds, _known(turn))
        sum_of.calls += turn.calls
        if turn.energy is not None:
            sum_of.energy = (sum_of.energy or 0.0) + turn.energy
    return sum_of


def _known(turn: Turn) -> float:
    model = turn.usage.load_s + turn.usage.prefill_s + turn.usage.decode_s
    return model + turn.tools + turn.checks + turn.waiting


def speed(usage: Usage) -> float:
    """Generated tokens a second; 0 when none was."""
    return usage.generated / usage.decode_s if usage.decode_s > 0 else 0.0
