"""`agent sessions`: what was done before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from agent.events import Event
    from agent.session import SessionSummary


def _state() -> Path:
    from agent.config import Folders

    return Folders.from_env().state


@click.group("sessions")
def sessions() -> None:
    """Find, show, copy and remove what was done before."""


@sessions.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_command(as_json: bool) -> None:
    """Show all sessions, newest first."""
    from agent.session import list_sessions

    found = list_sessions(_state())
    if as_json:
        import json
        from dataclasses import asdict

        for summary in found:
            click.echo(json.dumps(asdict(summary)))
        return
    if not found:
        click.echo('no sessions yet: agent do "..." makes the first one', err=True)
        return
    for line in _table(found):
        click.echo(line)
    for broken in (one for one in found if not one.workspace and not one.task):
        click.echo(
            f"{broken.id}: its log has no event that can be read; it stays as it is", err=True
        )


def _table(found: list[SessionSummary]) -> Iterator[str]:
    """One line a session; the task is last, as only its end may be cut off."""
    import os
    import shutil
    import time

    from agent.session.secrets import mask
    from agent.ui.escape import safe_line

    # In a pipe nothing is cut off.
    width = shutil.get_terminal_size((10_000, 24)).columns
    home = os.path.expanduser("~")  # noqa: PTH111 - without a home this stays "~"
    head = f"{'id':<20} {'when':<16} {'end':<12} {'tokens':>7}  {'workspace':<24} about"
    yield head[: width - 1]
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.time))
        place = safe_line(one.workspace)
        if place == home or place.startswith(home + "/"):
            place = "~" + place[len(home) :]
        if len(place) > 24:
            place = "…" + place[-23:]
        line = (
            f"{one.id:<20} {when:<16} {safe_line(one.stop):<12} {one.tokens:>7,}  "
            f"{place:<24} {safe_line(mask(one.title or one.task))}"
        )
        yield line if len(line) < width else line[: width - 1].rstrip() + "…"


@sessions.command("show")
@click.argument("name", metavar="ID|last")
@click.option("--json", "as_json", is_flag=True, help="The events, one JSON object a line.")
@click.option("--unmasked", is_flag=True, help="Leave secrets in it.")
def show_command(name: str, as_json: bool, unmasked: bool) -> None:
    """Show what happened in a session; ID may be the start of an id."""
    from agent.session.lines import to_line

    events = _events(name, unmasked=unmasked)
    if as_json:
        for event in events:
            click.echo(to_line(event), nl=False)
        return
    from agent.ui.transcript import transcript

    for line in transcript(events):
        click.echo(line)


def _events(name: str, *, unmasked: bool) -> list[Event]:
    """The events of a session, without secrets. Raises ConfigError when there are none."""
    from agent.errors import ConfigError
    from agent.session import find_session, read_session
    from agent.session.secrets import masked

    events = read_session(_state(), name)
    if not events:
        folder = find_session(_state(), name)
        raise ConfigError(f"the log in {folder} has no event that can be read; it stays as it is")
    return events if unmasked else list(masked(events))


@sessions.command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def search_command(words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find what was said and done, in all sessions."""
    from agent.cli.sessions_search import search

    search(_state(), " ".join(words), limit, as_json=as_json)


@sessions.command("resume")
@click.argument("name", metavar="ID|last")
def resume_command(name: str) -> None:
    """Go on with a session, in its folder."""
    import sys
    from pathlib import Path

    from agent.cli.repl import chat, terminal
    from agent.session.resume import load_earlier

    earlier = load_earlier(_state(), name)
    place = next((one.workspace for one in _summaries() if one.id == earlier.session), "")
    here = place if place and Path(place).is_dir() else "."
    if terminal():
        chat.main(["--resume", earlier.session, "--dir", here], "agent", standalone_mode=False)
        sys.exit(0)
    import shlex

    click.echo(f"agent do --dir {shlex.quote(here)} --resume {earlier.session} ...")


def _summaries() -> list[SessionSummary]:
    from agent.session import list_sessions

    return list_sessions(_state())


@sessions.command("fork")
@click.argument("name", metavar="ID|last")
@click.option("--at", type=click.IntRange(min=1), default=None, metavar="TURN",
              help="Copy only up to the end of this turn.")  # fmt: skip
def fork_command(name: str, at: int | None) -> None:
    """Copy a session, and print the id of the copy."""
    from agent.session.fork import fork

    click.echo(fork(_state(), name, at or 0))


@sessions.command("export")
@click.argument("name", metavar="ID|last")
@click.option("--format", "form", type=click.Choice(["md", "html", "jsonl"]), default=None,
              help="Default: what the name of FILE says, or md.")  # fmt: skip
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False), metavar="FILE")
@click.option("--unmasked", is_flag=True, help="Leave secrets in it.")
def export_command(name: str, form: str | None, file: str | None, unmasked: bool) -> None:
    """Write a session as Markdown, as one HTML page or as its events.

    Likely secrets are masked. Look at it before you give it away.
    """
    from pathlib import Path

    from agent.errors import UsageError

    if form is None:
        form = {".html": "html", ".htm": "html", ".jsonl": "jsonl"}.get(
            Path(file).suffix.lower() if file else "", "md"
        )
    lines = _exported(_events(name, unmasked=unmasked), form)
    if file is None:
        for line in lines:
            click.echo(line)
        return
    try:
        with Path(file).open("w", encoding="utf-8", errors="backslashreplace") as out:
            out.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    click.echo(f"written to {file}", err=True)


def _exported(events: list[Event], form: str) -> Iterator[str]:
    if form == "jsonl":
        from agent.events import INTERNAL
        from agent.session.lines import to_line

        yield from (to_line(e).rstrip("\n") for e in events if not isinstance(e, INTERNAL))
        return
    from agent.ui.story import story

    told = story(events)
    if form == "html":
        from agent.ui.export_html import to_html

        yield from to_html(told)
    else:
        from agent.ui.export_markdown import to_markdown

        yield from to_markdown(told)


@sessions.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="ID...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm_command(names: tuple[str, ...], yes: bool) -> None:
    """Remove sessions for good; an open one stays."""
    from agent.errors import UsageError
    from agent.session import find_session
    from agent.session.fork import remove

    state = _state()
    found = list(dict.fromkeys(find_session(state, name).name for name in names))
    if not yes:
        import sys

        if not sys.stdin.isatty():
            raise UsageError(
                "nobody is here to ask: agent sessions rm --yes removes without asking"
            )
        known = {one.id: one for one in _summaries()}
        for line in _table([known[one] for one in found if one in known]):
            click.echo(line, err=True)
        click.confirm(f"Remove {len(found)} of them for good?", abort=True, err=True)
    for one in found:
        remove(state, one)
        click.echo(f"removed {one}", err=True)
