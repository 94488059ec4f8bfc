"""`agent sessions search`: the indexes of all sessions, asked one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click

from agent.errors import IngleError
from agent.session import SessionSummary, list_sessions
from agent.session.find import sessions_folder
from agent.session.index import Index
from agent.session.ranking import Hit
from agent.session.secrets import mask
from agent.ui.escape import safe, safe_line

PER_SESSION = 5
Found = tuple[SessionSummary, Hit]


def search(state: Path, query: str, limit: int, *, as_json: bool) -> None:
    """Print what was found, the best first; sessions that cannot be searched are named."""
    known = list_sessions(state)
    found = [(one, hit) for one in known for hit in _hits(state, one, query)]
    # Within a session its own order stands; between them the one with more of the words wins.
    found.sort(key=lambda pair: (pair[1].terms, pair[1].score, pair[0].time), reverse=True)
    if not found:
        click.echo(f"nothing in {len(known)} sessions has {safe_line(query)!r}", err=True)
    for pair in found[:limit]:
        click.echo(json.dumps(_as_json(*pair)) if as_json else "\n".join(_as_text(*pair)))


def _hits(state: Path, one: SessionSummary, query: str) -> list[Hit]:
    try:
        index = Index.open(sessions_folder(state) / one.id)
        try:
            return index.search(query, PER_SESSION)
        finally:
            index.close()
    except IngleError as error:
        click.echo(f"{one.id} was not searched: {safe_line(str(error))}", err=True)
        return []


def _as_json(one: SessionSummary, hit: Hit) -> dict[str, object]:
    return {
        "session": one.id,
        "handle": hit.handle,
        "kind": hit.kind,
        "name": mask(hit.name),
        "path": hit.path,
        "line": hit.line,
        "snippet": mask(hit.snippet),
        "time": one.time,
        "workspace": one.workspace,
        "about": mask(one.title or one.task),
    }


def _as_text(one: SessionSummary, hit: Hit) -> Iterator[str]:
    when = time.strftime("%Y-%m-%d", time.localtime(one.time))
    about = safe_line(mask(one.title or one.task))
    what = safe_line(" ".join(part for part in (hit.kind, mask(hit.name), hit.path) if part))
    yield f"{one.id} {hit.handle} ({when}, {about[:40]}): {what[:80]}, line {hit.line}"
    yield from (f"    {line}" for line in safe(mask(hit.snippet)).split("\n"))
