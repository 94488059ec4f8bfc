"""`agent index`: bring the search index of a project up to date."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click


@click.command("index")
@click.option("-d", "--dir", "folder", type=click.Path(path_type=Path), default=Path(),
              help="The project's folder.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def index(folder: Path, as_json: bool) -> None:
    """Index a project for `agent search`, wholly.

    A search does this by itself for what changed; for a large project the first time takes long.
    INGLE_EMBEDDING_MODEL=FILE.gguf names an embedding model, which makes vectors too.
    """
    from agent.cli.search import open_search

    begin = time.monotonic()
    with open_search(folder) as search:
        progress = search.index(_tell if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    seconds = time.monotonic() - begin
    if as_json:
        found = {"files": progress.files, "stopped": progress.stopped, "seconds": seconds}
        click.echo(json.dumps(found))
        return
    files = f"{progress.files:,} file{'' if progress.files == 1 else 's'}"
    click.echo(f"{files} indexed in {seconds:.1f} s")
    if progress.stopped:
        click.echo(f"not all files were seen: {progress.stopped}", err=True)


def _tell(what: str, done: int, total: int) -> None:
    click.echo(f"\r{what}: {done:,} of {total:,}", err=True, nl=False)
