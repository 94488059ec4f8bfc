"""Which turns of a session can be taken back, out of its log; and taking them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.errors import IngleError, UsageError
from agent.events import Event, FilesSaved, LogSet, TaskGiven, Undone
from agent.session.resume import folded
from tools.checkpoints.base import CheckpointFailed, Refused, Restored
from tools.checkpoints.store import Checkpoints


@dataclass(frozen=True)
class Turn:
    """A turn that stands: `number` counts from 1, `place` is its first event's in the log.

    `before` and `after` are checkpoints: '' and '' when nothing in it could write, '' for `after`
    when it was cut off.
    """

    number: int
    task: str
    place: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class History:
    """What a log says about turns: those that stand, and the undos that can be taken back."""

    turns: tuple[Turn, ...]
    undone: tuple[tuple[Undone, tuple[Turn, ...]], ...] = ()


class FilesChanged(IngleError):
    """Somebody changed files that an undo would have to overwrite; the message names them."""


def history(events: Sequence[Event]) -> History:
    """The turns of a log; a turn that was taken back is none, until that is taken back."""
    turns: list[Turn] = []
    undone: list[tuple[Undone, tuple[Turn, ...]]] = []
    for place, event in enumerate(events):
        if isinstance(event, TaskGiven):
            turns.append(Turn(len(turns) + 1, event.text, place))
            undone.clear()  # what follows a new task is no longer the same
        elif isinstance(event, FilesSaved) and turns:
            _close(turns[:-1], turns, event.before)
            turns[-1] = replace(turns[-1], before=event.before, after=event.after)
        elif isinstance(event, Undone) and event.redo and undone:
            turns += undone.pop()[1]
        elif isinstance(event, Undone) and not event.redo:
            kept = max(0, len(turns) - event.turns)
            undone.append((event, tuple(turns[kept:])))
            del turns[kept:]
    return History(tuple(turns), tuple(undone))


def _close(earlier: Sequence[Turn], turns: list[Turn], now: str) -> None:
    """A turn that was cut off ends, at the latest, where the next one begins to write."""
    for place, turn in enumerate(earlier):
        if turn.before and not turn.after:
            turns[place] = replace(turn, after=now)


def undo(
    events: Sequence[Event],
    checkpoints: Checkpoints,
    emit: Callable[[Event], None],
    turns: int = 1,
    *,
    force: bool = False,
) -> Undone:
    """Take the last `turns` turns back: their files, and what was said from there on.

    Raises:
        UsageError: there are not so many turns.
        FilesChanged: somebody changed files since, and not `force`; nothing was touched.
        IngleError: the checkpoints are gone, or a file cannot be written.
    """
    past = history(events)
    if not 0 < turns <= len(past.turns):
        raise UsageError(f"there are {len(past.turns)} turns to take back, not {turns}")
    taken = past.turns[-turns:]
    steps = [(turn.before, turn.after) for turn in reversed(taken) if turn.before]
    done = _restored(checkpoints, steps, force=force)
    event = Undone(turns, done.now, done.after, done.paths)
    emit(event)
    emit(_conversation(events, events[: taken[0].place]))
    return event


def redo(
    events: Sequence[Event],
    checkpoints: Checkpoints,
    emit: Callable[[Event], None],
    *,
    force: bool = False,
) -> Undone:
    """Take the last undo back. Raises as :func:`undo` does."""
    past = history(events)
    if not past.undone:
        raise UsageError("there is no undo to take back")
    last, turns = past.undone[-1]
    steps = [(last.before, last.after)] if last.before else []
    done = _restored(checkpoints, steps, force=force)
    event = Undone(len(turns), done.now, done.after, done.paths, redo=True)
    emit(event)
    place = max(i for i, old in enumerate(events) if old is last)
    emit(_conversation(events, events[:place]))
    return event


def _restored(
    checkpoints: Checkpoints, steps: Sequence[tuple[str, str]], *, force: bool
) -> Restored:
    if not steps:
        return Restored((), "", "")
    try:
        done = checkpoints.undo(steps, force=force)
    except CheckpointFailed as error:
        raise IngleError(str(error)) from error
    if isinstance(done, Refused):
        names = ", ".join(done.paths[:5]) + (", ..." if len(done.paths) > 5 else "")
        hint = "move these away first" if force else "--force overwrites (and saves) them"
        raise FilesChanged(f"changed since by somebody else: {names}: {hint}")
    return done


def _conversation(events: Sequence[Event], until: Sequence[Event]) -> LogSet:
    """The event that sets the tokens of the conversation to what they were at `until`."""
    now, then = folded("", events), folded("", until)
    same = 0
    while same < min(len(now.tokens), len(then.tokens)) and now.tokens[same] == then.tokens[same]:
        same += 1
    return LogSet(same, then.tokens[same:], then.ended)
