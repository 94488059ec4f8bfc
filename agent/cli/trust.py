"""`agent trust`: say that a folder's own configuration may be used, or take that back."""

from __future__ import annotations

from pathlib import Path

import click

from agent.config import Folders
from agent.errors import UsageError
from agent.policy.trust import forget, look, record
from agent.ui.escape import safe_line


@click.command()
@click.argument("folder", default=".", type=click.Path())
@click.option("--forget", "drop", is_flag=True, help="Trust it no longer.")
@click.option("--show", is_flag=True, help="Only say what holds now.")
def trust(folder: str, drop: bool, show: bool) -> None:
    """Trust what FOLDER's .ingle and .mcp.json say, until they change."""
    root = Path(folder)
    if not root.is_dir():
        raise UsageError(f"{folder} is not a folder")
    root, state = root.resolve(), Folders.from_env().state
    if show:
        found = look(root, state)
        click.echo(found.state)
    elif drop:
        click.echo("forgotten" if forget(root, state) else "it was not trusted")
        return
    else:
        found = record(root, state, trusted=True)
        click.echo(f"trusted: {safe_line(str(root))}")
    for name in found.files:
        click.echo(f"  {safe_line(name)}")
