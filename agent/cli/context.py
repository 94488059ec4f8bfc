"""`agent context`: what stands in the window of a session."""

from __future__ import annotations

import click


@click.command()
@click.argument("session", default="last")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def context(session: str, as_json: bool) -> None:
    """Show what fills the model's window in SESSION.

    SESSION is an id, the beginning of one, or 'last', which is also the default. Every token
    belongs to a kind; the seconds are what it takes this machine to evaluate them.
    """
    import dataclasses
    import json

    from rich.console import Console

    from agent.config import Folders
    from agent.context.ledger import Ledger
    from agent.events import SessionStarted
    from agent.picture import picture_of
    from agent.session.resume import load_earlier
    from agent.ui.context_view import draw

    earlier = load_earlier(Folders.from_env().state, session)
    ledger = Ledger.of(earlier.events)
    started = [event for event in earlier.events if isinstance(event, SessionStarted)]
    picture = picture_of(ledger, started[-1].n_ctx if started else ledger.used)
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(picture), "used": picture.used}))
        return
    console = Console(highlight=False)
    console.print(draw(picture, console))
