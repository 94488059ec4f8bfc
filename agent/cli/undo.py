"""`agent undo`: the folder and the conversation as they were before the last turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from agent.events import Event
    from tools.checkpoints.store import Checkpoints


@click.command()
@click.argument("turns", type=click.IntRange(min=1), default=1, metavar="[N]")
@click.option("--session", default="", metavar="ID", help="Default: the newest one in this folder.")
@click.option("--force", is_flag=True, help="Also where somebody changed the files since.")
@click.option("--redo", is_flag=True, help="Take the last undo back instead.")
@click.option("-d", "--dir", "folder", default=".", help="The folder of the session.")
def undo(turns: int, session: str, force: bool, redo: bool, folder: str) -> None:
    """Take the last N turns back: files as they were before, and `--continue` forgets them.

    Only files that the turns changed are touched; files that somebody changed since are named, and
    then nothing is done. The state before is always saved: `agent undo --redo` brings it back.
    """
    from agent.session.store import SessionLog
    from agent.session.undo import redo as bring_back
    from agent.session.undo import undo as take_back
    from agent.ui.escape import safe_line

    state, name = named(folder, session)
    # Locked first: whoever works in this session now would not see what is done to it.
    log = SessionLog.resume(state, name)
    try:
        events, checkpoints = opened(folder, name)

        def emit(event: Event) -> None:
            log.append(event, sync=True)

        if redo:
            done = bring_back(events, checkpoints, emit, force=force)
        else:
            done = take_back(events, checkpoints, emit, turns, force=force)
        warning = log.take_warning()
    finally:
        log.close()
    for path in done.files:
        click.echo(safe_line(path))
    what = "brought back" if redo else "taken back"
    count = "1 turn" if done.turns == 1 else f"{done.turns} turns"
    files = "1 file" if len(done.files) == 1 else f"{len(done.files)} files"
    click.echo(f"{count} {what}, {files} restored in session {name}", err=True)
    if warning:
        click.echo(safe_line(warning), err=True)


def opened(folder: str, session: str) -> tuple[list[Event], Checkpoints]:
    """The events of a session and the checkpoints of its folder. Raises UsageError, ConfigError."""
    from pathlib import Path

    from agent.errors import UsageError
    from agent.events import SessionStarted
    from agent.session.files import checkpoints_folder
    from agent.session.find import read_session
    from tools.checkpoints.store import Checkpoints

    state, name = named(folder, session)
    events = read_session(state, name)
    started = [event for event in events if isinstance(event, SessionStarted)]
    root = Path(started[0].workspace) if started else Path(folder)
    if not root.is_dir():
        raise UsageError(f"the folder of session {name} is gone: {root}")
    return events, Checkpoints(checkpoints_folder(state, root), root)


def named(folder: str, session: str) -> tuple[Path, str]:
    """The folder of all state and the id of the session that is meant. Raises UsageError."""
    from pathlib import Path

    from agent.config import Folders
    from agent.errors import UsageError
    from agent.session.find import find_session, list_sessions

    state = Folders.from_env().state
    if session:
        return state, find_session(state, session).name
    here = str(Path(folder).resolve())
    found = next((one.id for one in list_sessions(state) if one.workspace == here), "")
    if not found:
        raise UsageError(f"there is no session in {here}: name one with --session")
    return state, found
