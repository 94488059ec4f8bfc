"""`agent stats`: what all sessions took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agent.config import Folders
    from agent.session.stats import Prices, Turn

DAY_S = 86_400.0
MOST_DAYS = 14


@click.command("stats")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--days", type=click.IntRange(min=1), default=None, help="Only the last N days.")
def stats(as_json: bool, days: int | None) -> None:
    """Show tokens, seconds and speed of all sessions, and what they would cost elsewhere.

    Prices are those of [prices] in the settings file, for a million tokens.
    """
    import json
    import time

    from agent.config import Folders
    from agent.session.stats import all_turns

    folders = Folders.from_env()
    prices = read_prices(folders)
    since = time.time() - days * DAY_S if days else 0.0
    turns, sessions, broken = all_turns(folders.state, since)
    for line in broken:
        click.echo(f"not counted: {line}", err=True)
    if as_json:
        click.echo(json.dumps(as_data(turns, sessions, prices)))
        return
    if not turns:
        click.echo("nothing was done yet" if days is None else "nothing was done then", err=True)
        return
    for line in report(turns, sessions, prices, f"{folders.config / 'config.toml'}"):
        click.echo(line)


def read_prices(folders: Folders) -> Prices | None:
    """The table of the user's settings; None when there is none. Raises ConfigError."""
    from agent.session.stats import Prices
    from agent.settings import load_settings

    # No project's file is meant, and the folder of the settings is none.
    section = load_settings(folders, folders.config, {}).settings.prices
    if not (section.input or section.cached or section.output):
        return None
    return Prices(section.input, section.cached, section.output, section.currency)


def as_data(turns: list[Turn], sessions: int, prices: Prices | None) -> dict[str, Any]:
    """All of it as plain data; seconds, tokens, and tokens a second."""
    from dataclasses import asdict

    from agent.session.stats import speed, total

    whole = total(turns)
    return {
        "sessions": sessions,
        "turns": len(turns),
        "calls": whole.calls,
        "usage": asdict(whole.usage),
        "tools_s": whole.tools,
        "checks_s": whole.checks,
        "waiting_s": whole.waiting,
        "rest_s": whole.rest,
        "seconds": whole.seconds,
        "tokens_per_s": speed(whole.usage),
        "days": [
            {"day": day, "turns": len(some), "tokens_per_s": speed(total(some).usage),
             "usage": asdict(total(some).usage)}
            for day, some in by_day(turns)
        ],
        "cost": None if prices is None else {
            "currency": prices.currency, "amount": prices.of(whole.usage), "prices": asdict(prices)
        },
        "energy_j": whole.energy,
    }  # fmt: skip


def by_day(turns: Iterable[Turn]) -> list[tuple[str, list[Turn]]]:
    """The turns of each day of local time, oldest first."""
    import time

    days: dict[str, list[Turn]] = {}
    for turn in turns:
        days.setdefault(time.strftime("%Y-%m-%d", time.localtime(turn.time)), []).append(turn)
    return sorted(days.items())


def report(turns: list[Turn], sessions: int, prices: Prices | None, settings: str) -> Iterator[str]:
    """The same for people."""
    from agent.session.stats import speed, total
    from agent.ui.plot import plot

    whole = total(turns)
    usage = whole.usage
    counts = ((sessions, "session"), (len(turns), "turn"), (whole.calls, "tool call"))
    yield ", ".join(f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts)
    yield ""
    yield f"{'tokens read':<20} {usage.prompt:>14,}"
    yield f"{'tokens reused':<20} {usage.reused:>14,}"
    yield f"{'tokens written':<20} {usage.generated:>14,}   {speed(usage):.1f} tok/s"
    yield ""
    parts = (
        ("prefill", usage.prefill_s), ("decode", usage.decode_s), ("tools", whole.tools),
        ("checks", whole.checks), ("waiting for you", whole.waiting), ("load", usage.load_s),
        ("the rest", whole.rest),
    )  # fmt: skip
    for name, seconds in parts:
        if seconds or name not in ("load", "waiting for you"):
            share = seconds / whole.seconds if whole.seconds else 0.0
            yield f"{name:<20} {span(seconds):>14}   {share:4.0%}"
    yield f"{'in all':<20} {span(whole.seconds):>14}"
    yield ""
    days = [(day, speed(total(some).usage)) for day, some in by_day(turns)[-MOST_DAYS:]]
    if bars := list(plot(days)):
        yield from [*bars, ""]
    if whole.energy is not None:
        yield f"{'energy':<20} {whole.energy / 3600:>14,.2f} Wh"
    if prices is None:
        yield f"{'elsewhere':<20} [prices] in {settings} would say what these tokens cost there"
    else:
        yield f"{'elsewhere':<20} {prices.of(usage):>14,.2f} {prices.currency}"


def span(seconds: float) -> str:
    from agent.ui.calls import duration

    return duration(seconds)
