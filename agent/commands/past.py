"""Commands about what was done: take it back, look at it, copy it, write it to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.commands.base import Actions, Outcome
from agent.errors import IngleError, UsageError
from agent.ui.repl.host import Said, Wish

if TYPE_CHECKING:
    from agent.events import Event, Undone
    from agent.session.undo import Turn
    from tools.checkpoints.store import Checkpoints

MOST_TURNS = 30  # that /rewind lists
TASK = 60  # characters of a task in that list
FORMS = {".md": "md", ".html": "html", ".htm": "html", ".jsonl": "jsonl"}


async def undo(chat: Actions, argument: str) -> Outcome:
    words = argument.split()
    force, back = "--force" in words, "--redo" in words
    rest = [word for word in words if word not in ("--force", "--redo")]
    turns = _number(rest[0], "/undo [N] [--force], or /undo --redo") if rest else 1
    done = await _take_back(chat, turns, force=force, redo=back)
    return Said(_told(done), "note")


async def rewind(chat: Actions, argument: str) -> Outcome:
    """Back to before a message, which can then be said in another way."""
    from agent.session.undo import history

    _kept(chat)
    turns = history(await asyncio.to_thread(chat.events)).turns
    if not turns:
        raise UsageError("there is no message to go back to yet")
    if not argument:
        shown = [f"  {turn.number:>3}  {_short(turn.task)}" for turn in turns[-MOST_TURNS:]]
        return Said("\n".join([*shown, "/rewind N goes back to before message N."]))
    words = argument.split()
    number = _number(words[0], "/rewind N [--force]")
    if not 0 < number <= len(turns):
        raise UsageError(f"there is no message {number}: the last one is {len(turns)}")
    count = len(turns) - number + 1
    done = await _take_back(chat, count, force="--force" in words[1:])
    chat.say(Said(_told(done), "note"))
    return Wish("draft", turns[number - 1].task)


async def _take_back(
    chat: Actions, turns: int, *, force: bool = False, redo: bool = False
) -> Undone:
    """Undo in the log and in the folder, and make the session anew from what stands."""
    from agent.session.undo import redo as bring_back
    from agent.session.undo import undo as take_back

    session = chat.session
    _kept(chat)
    if session is None:
        raise UsageError("no model is loaded: /model NAME loads one")
    events = await asyncio.to_thread(chat.events)
    made: list[Event] = []

    def work() -> Undone:
        checkpoints = _checkpoints(chat)
        if redo:
            return bring_back(events, checkpoints, made.append, force=force)
        return take_back(events, checkpoints, made.append, turns, force=force)

    try:
        done = await asyncio.to_thread(work)
    finally:
        for event in made:
            session.emit(event)
    await chat.again()
    return done


def _told(done: Undone) -> str:
    turns = "1 turn" if done.turns == 1 else f"{done.turns} turns"
    files = "1 file" if len(done.files) == 1 else f"{len(done.files)} files"
    names = f": {', '.join(done.files[:5])}" if done.files else ""
    more = ", ..." if len(done.files) > 5 else ""
    if done.redo:
        return f"{turns} brought back, {files} restored{names}{more}"
    return f"{turns} taken back, {files} restored{names}{more}; /undo --redo brings it back"


def _kept(chat: Actions) -> Path:
    """The folder of all state. Raises UsageError where this session is not kept."""
    if chat.sessions_in is None or not chat.session_id:
        raise UsageError("this session is not kept, so there is nothing to go back to")
    return chat.sessions_in


def _checkpoints(chat: Actions) -> Checkpoints:
    from agent.session.files import checkpoints_folder
    from tools.checkpoints.store import Checkpoints

    return Checkpoints(checkpoints_folder(_kept(chat), chat.root), chat.root)


def _number(word: str, usage: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise UsageError(f"{word!r} is no number: {usage}")
    return int(word)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TASK else f"{line[: TASK - 3]}..."


async def diff(chat: Actions, argument: str) -> Outcome:
    """What the last turn that changed something changed, or turn N."""
    number = _number(argument, "/diff [N]") if argument else 0
    if chat.sessions_in is None:
        # Without checkpoints what the tools said is all that is known.
        text = "\n".join(chat.totals.diffs)
    else:
        text = await asyncio.to_thread(_diff, chat, number)
    return Said(text, "diff") if text else Said("nothing was changed", "note")


def _diff(chat: Actions, number: int) -> str:
    from agent.session.undo import history
    from tools.checkpoints.base import CheckpointFailed

    turns = history(chat.events()).turns
    if number > len(turns):
        raise UsageError(f"there is no turn {number}: the last one is {len(turns)}")
    chosen = [turns[number - 1]] if number else list(reversed(turns))
    for turn in chosen:
        try:
            text = _diff_of(chat, turn)
        except CheckpointFailed as error:
            raise IngleError(str(error)) from error
        if text:
            return text
    return ""


def _diff_of(chat: Actions, turn: Turn) -> str:
    return _checkpoints(chat).diff(turn.before, turn.after) if turn.before else ""


async def fork(chat: Actions, argument: str) -> Outcome:
    session, _, turn = argument.partition(" ")
    at = _number(turn.strip(), "/fork [ID] [TURN]") if turn else 0
    return Said(await chat.fork(session, at), "note")


async def export(chat: Actions, argument: str) -> Outcome:
    path = chat.root / (argument or f"session-{chat.session_id}.md")
    form = FORMS.get(path.suffix.lower(), "")
    if not form:
        raise UsageError("the name says what is written: FILE.md, FILE.html or FILE.jsonl")
    return Said(await asyncio.to_thread(_export, chat, path, form), "note")


def _export(chat: Actions, path: Path, form: str) -> str:
    from agent.session.secrets import masked

    lines = _exported(list(masked(chat.events())), form)
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}: /export FILE") from error
    return f"written to {path}; likely secrets are masked, look at it before you give it away"


def _exported(events: list[Event], form: str) -> Iterator[str]:
    from agent.events import INTERNAL
    from agent.session.lines import to_line
    from agent.ui.export_html import to_html
    from agent.ui.export_markdown import to_markdown
    from agent.ui.story import story

    if form == "jsonl":
        yield from (to_line(e).rstrip("\n") for e in events if not isinstance(e, INTERNAL))
        return
    write: Callable[..., Iterable[str]] = to_html if form == "html" else to_markdown
    yield from write(story(events))
