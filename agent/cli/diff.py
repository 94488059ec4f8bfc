"""`agent diff`: what a turn changed in the folder's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.session.undo import Turn
    from agent.ui.terminal import Output


@click.command()
@click.argument("turn", type=click.IntRange(min=1), required=False)
@click.option("--session", default="", metavar="ID", help="Default: the newest one in this folder.")
@click.option("--stat", is_flag=True, help="Only the names of the files.")
@click.option("-d", "--dir", "folder", default=".", help="The folder of the session.")
def diff(turn: int | None, session: str, stat: bool, folder: str) -> None:
    """Show what TURN changed: by default the last turn that changed something.

    Turns are counted from 1. What was changed after the turn, by you or by later turns, is not
    part of it.
    """
    import os
    import sys

    from agent.cli.undo import opened
    from agent.errors import IngleError
    from agent.session.undo import history
    from agent.ui.terminal import Output
    from tools.checkpoints.base import CheckpointFailed

    events, checkpoints = opened(folder, session)
    chosen = _chosen(history(events).turns, turn)
    output = Output(sys.stdout, os.environ)
    if not chosen.before:
        return
    try:
        if stat:
            lines = [f"{kind:<8} {path}" for path, kind in checkpoints.changes(
                chosen.before, chosen.after)]  # fmt: skip
        else:
            lines = checkpoints.diff(chosen.before, chosen.after).splitlines()
    except CheckpointFailed as error:
        raise IngleError(str(error)) from error
    for line in painted(lines, output):
        output.write(line + "\n")


def _chosen(turns: tuple[Turn, ...], number: int | None) -> Turn:
    """The turn with this number, or the last one that could change something."""
    from agent.errors import UsageError

    if not turns:
        raise UsageError("this session has no turns that stand")
    if number is None:
        return next((turn for turn in reversed(turns) if turn.before), turns[-1])
    if number > len(turns):
        raise UsageError(f"there is no turn {number}: the last one is {len(turns)}")
    return turns[number - 1]


def painted(lines: list[str], output: Output) -> Iterator[str]:
    """Lines of a unified diff, safe for a terminal, in colours where the output shows them."""
    from agent.ui.escape import safe

    for line in lines:
        text = safe(line)
        if line.startswith(("diff ", "--- ", "+++ ", "index ")):
            yield output.paint(text, "bold")
        elif line.startswith("@@"):
            yield output.paint(text, "cyan")
        elif line.startswith("+"):
            yield output.paint(text, "green")
        elif line.startswith("-"):
            yield output.paint(text, "red")
        else:
            yield text
