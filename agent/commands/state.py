"""Commands that show how things stand: the window, the plan, servers, permissions, numbers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from agent.commands.base import Actions, Outcome
from agent.errors import UsageError
from agent.ui.repl.host import Drawn, Said

if TYPE_CHECKING:
    from agent.events import Event
    from agent.mcp.settings import Configured

MOST_TURNS = 8  # whose speed is drawn


async def context(chat: Actions, _argument: str) -> Outcome:
    from agent.picture import picture_of

    if chat.session is None:
        raise UsageError("nothing is loaded yet")
    return Drawn(picture_of(chat.session.ledger, chat.totals.n_ctx))


async def plan(chat: Actions, _argument: str) -> Outcome:
    made = chat.session.ledger.plan if chat.session else None
    if made is None or not made.steps:
        return Said("there is no plan: the model makes one for longer work", "note")
    return Said("\n".join(made.lines))


async def permissions(chat: Actions, _argument: str) -> Outcome:
    if chat.session is None:
        raise UsageError("nothing is loaded yet")
    policy, granted = chat.session.policy, chat.session.grants.rules
    folder = "trusted" if policy.trusted else "not trusted: its own settings only make it stricter"
    lines = [
        f"approval   {policy.approval} (Shift-Tab changes it)",
        f"sandbox    {policy.sandbox}",
        f"folder     {folder}",
        "rules",
        *(f"  {rule.decision.value:<6} {rule.text}" for rule in policy.rules),
        *([] if policy.rules else ["  none"]),
    ]
    if granted:
        lines += ["granted since the start", *(f"  allow  {rule.text}" for rule in granted)]
    return Said("\n".join(lines))


async def mcp(chat: Actions, _argument: str) -> Outcome:
    if chat.folders is None:
        raise UsageError("no MCP servers are used here")
    from agent.mcp.settings import configured

    found = await asyncio.to_thread(configured, chat.folders, chat.root)
    return Said("\n".join(_server(chat, one) for one in found))


def _server(chat: Actions, one: Configured) -> str:
    """A line about a server: its name, where it is from, and how it stands."""
    manager = chat.session.servers if chat.session else None
    if one.problem or one.disabled:
        state = one.problem or "disabled"
    elif one.source == "built in":
        state = f"{one.shown()}: write @{one.name}, and the model can use it"
    elif manager is None:
        state = "not started"
    elif one.name in (waiting.name for waiting in manager.waiting):
        state = f"not approved: `agent mcp approve {one.name}`"
    else:
        ready = {connection.name: len(connection.tools) for connection in manager.ready()}
        state = f"ready, {ready[one.name]} tools" if one.name in ready else "not ready"
        problems = [line for line in manager.missing().splitlines() if f" {one.name} " in line]
        state = problems[0].partition(": ")[2] if problems and one.name not in ready else state
    return f"  {one.name:<16} {one.source:<8} {state}"


async def stats(chat: Actions, argument: str) -> Outcome:
    from agent.session.stats import speed, total, turns_of
    from agent.ui.plot import plot

    events = await asyncio.to_thread(chat.events)
    turns = list(turns_of(events))
    whole = total(turns)
    usage = whole.usage
    cost = chat.prices.of(usage) if chat.prices else None
    if argument == "json":
        return Said(json.dumps(_as_data(events, len(turns), cost)))
    rows = [
        ("turns, tool calls", f"{len(turns):,}, {whole.calls:,}"),
        ("tokens read", f"{usage.prompt:,}"),
        ("tokens reused", f"{usage.reused:,}"),
        ("tokens written", f"{usage.generated:,}"),
        ("drafted, accepted", f"{usage.drafted:,}, {usage.accepted:,}"),
        ("seconds, prefill", f"{usage.prefill_s:.1f}"),
        ("seconds, decode", f"{usage.decode_s:.1f}"),
        ("seconds, tools", f"{whole.tools:.1f}"),
        ("seconds, checks", f"{whole.checks:.1f}"),
        ("seconds, waiting", f"{whole.waiting:.1f}"),
        ("seconds, load", f"{usage.load_s:.1f}"),
        ("seconds, the rest", f"{whole.rest:.1f}"),
        ("seconds, in all", f"{whole.seconds:.1f}"),
        ("tok/s", f"{speed(usage):.1f}"),
    ]
    if whole.energy is not None:
        rows.append(("energy", f"{whole.energy / 3600:,.3f} Wh"))
    if chat.prices is not None and cost is not None:
        rows.append(("elsewhere", f"{cost:,.4f} {chat.prices.currency}"))
    lines = [f"  {name:<22} {value}" for name, value in rows]
    rates = [(f"turn {n}", speed(turn.usage)) for n, turn in enumerate(turns, 1)]
    if bars := list(plot(rates[-MOST_TURNS:])):
        lines += ["", *(f"  {line}" for line in bars)]
    return Said("\n".join(lines))


def _as_data(events: list[Event], turns: int, cost: float | None) -> dict[str, Any]:
    from dataclasses import asdict

    from agent.session.stats import speed, total, turns_of

    whole = total(turns_of(events))
    return {
        "turns": turns, "calls": whole.calls, "usage": asdict(whole.usage),
        "tools_s": whole.tools, "checks_s": whole.checks, "waiting_s": whole.waiting,
        "rest_s": whole.rest, "energy_j": whole.energy,
        "seconds": whole.seconds, "tokens_per_s": speed(whole.usage), "cost": cost,
    }  # fmt: skip
