"""`agent mcp`: servers whose tools the model can use."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.serve import serve

if TYPE_CHECKING:
    from agent.config import Folders
    from agent.mcp.settings import Configured

PROJECT = click.option(
    "--dir", "project", default=".", type=click.Path(file_okay=False, path_type=Path),
    help="The project whose .mcp.json counts.",
)  # fmt: skip


def _folders() -> Folders:
    from agent.config import Folders

    return Folders.from_env()


def _servers(project: Path) -> list[Configured]:
    from agent.mcp.settings import configured

    return configured(_folders(), project)


def _server(name: str, project: Path) -> Configured:
    """The server of a name, the user's before the project's. Raises UsageError."""
    from agent.errors import UsageError

    found = [server for server in _servers(project) if server.name == name]
    if not found:
        raise UsageError(f"there is no MCP server {name!r}: `agent mcp list` shows them")
    return found[0]


def _startable(name: str, project: Path) -> Configured:
    """A server that can be started by itself. Raises UsageError."""
    from agent.errors import UsageError

    server = _server(name, project)
    if server.source == "built in":
        raise UsageError(
            f"{name} is built in: it starts when it is used; `agent mcp serve {name}` runs it alone"
        )
    return server


@click.group("mcp")
def mcp() -> None:
    """Servers whose tools the model can use (Model Context Protocol)."""


@mcp.command("add", context_settings={"allow_interspersed_args": False})
@click.argument("name")
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="For its process.")
@click.option("-H", "--header", multiple=True, metavar="NAME:VALUE", help="For a URL.")
@click.option("--allow", is_flag=True, help="Its tools run without a question.")
@click.option("--no-network", is_flag=True, help="Its process gets no network.")
@click.option("--write", multiple=True, metavar="PATH", help="A folder that it may write to.")
@click.option("--read", multiple=True, metavar="PATH", help="A folder that it may read.")
def add_command(
    name: str,
    target: str,
    arguments: tuple[str, ...],
    env: tuple[str, ...],
    header: tuple[str, ...],
    allow: bool,
    no_network: bool,
    write: tuple[str, ...],
    read: tuple[str, ...],
) -> None:
    """Add a server to your own file: a URL, or a command and its arguments.

    Options come before NAME. ${VARIABLE} in a value is filled in when the server starts, so that a
    secret does not stand in the file.
    """
    from agent.errors import UsageError
    from agent.mcp.settings import add_server, user_file

    if target.startswith(("http://", "https://")):
        if arguments or env:
            raise UsageError("a URL has neither arguments nor variables: give headers with -H")
        raw: dict[str, Any] = {"url": target}
        if header:
            raw["headers"] = _pairs(header, ":")
    else:
        raw = {"command": target, "args": list(arguments)}
        raw |= {"env": _pairs(env, "=")} if env else {}
        raw |= {"network": False} if no_network else {}
        raw |= {"write": list(write)} if write else {}
        raw |= {"read": list(read)} if read else {}
    raw |= {"allow": True} if allow else {}
    add_server(_folders(), name, raw)
    click.echo(f"added to {user_file(_folders())}; try it with `agent mcp test {name}`")


def _pairs(values: tuple[str, ...], sign: str) -> dict[str, str]:
    from agent.errors import UsageError

    found = {}
    for value in values:
        key, between, text = value.partition(sign)
        if not between or not key:
            raise UsageError(f"{value!r} is not NAME{sign}VALUE")
        found[key.strip()] = text.strip() if sign == ":" else text
    return found


@mcp.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@PROJECT
def list_command(as_json: bool, project: Path) -> None:
    """List the servers, yours and the project's; none is started."""
    import json

    from agent.mcp.pins import Pins
    from agent.ui.escape import safe_line

    pins = Pins(_folders(), project)
    rows = [
        {
            "name": server.name, "source": server.source, "target": server.shown(),
            "state": _state(server, pins), "tools": _pinned(server, pins),
        }
        for server in _servers(project)
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps({"servers": rows}))
        return
    for row in rows:
        tools = f", {row['tools']} tools" if row["tools"] else ""
        line = f"{row['name']:<20} {row['source']:<8} {row['state']}{tools}: {row['target']}"
        click.echo(safe_line(line))


def _state(server: Configured, pins: Any) -> str:
    if server.problem:
        return f"unusable ({server.problem})"
    if server.disabled:
        return "disabled"
    if server.source == "built in":
        return "starts when it is used"
    if server.source == "project" and pins.get(server) is None:
        return "not approved"
    return "approved"


def _pinned(server: Configured, pins: Any) -> int:
    pin = pins.get(server)
    return len(pin.tools) if pin else 0


@mcp.command("get")
@click.argument("name")
@PROJECT
def get_command(name: str, project: Path) -> None:
    """Show a server: its entry as it is written, and its tools as they were approved."""
    import json

    from agent.mcp.pins import Pins
    from agent.ui.escape import safe, safe_line

    server = _server(name, project)
    pins = Pins(_folders(), project)
    pin = pins.get(server)
    click.echo(f"{safe_line(server.name)}  {server.source}, {_state(server, pins)}")
    click.echo(safe(json.dumps(_hidden(server), indent=2, ensure_ascii=False)))
    if server.variables:
        click.echo(f"reads the variables {safe_line(', '.join(server.variables))}")
    for tool in pin.tools.values() if pin else ():
        click.echo(safe_line(f"  {tool.name}: {' '.join(tool.description.split())[:100]}"))


def _hidden(server: Configured) -> dict[str, Any]:
    """The entry without the values of headers and variables, unless they only name a variable."""
    raw = dict(server.raw)
    for field in ("env", "headers", "oauth"):
        values = raw.get(field)
        if isinstance(values, dict):
            raw[field] = {k: v if str(v).startswith("${") else "***" for k, v in values.items()}
    return raw


@mcp.command("remove")
@click.argument("name")
@PROJECT
def remove_command(name: str, project: Path) -> None:
    """Take a server out of your file, with its approval and its tokens."""
    from agent.errors import UsageError
    from agent.mcp.pins import Pins
    from agent.mcp.settings import remove_server, switch_server

    server = _server(name, project)
    if server.source == "built in":
        switch_server(_folders(), server, off=True)
        click.echo(f"{name} is built in: it is off now; `agent mcp enable {name}` brings it back")
        return
    Pins(_folders(), project).remove(server)
    for path in (_folders().state / "mcp" / "auth").glob(f"{name}-*.json"):
        path.unlink(missing_ok=True)
    if server.source == "project":
        raise UsageError(f"{name} stands in the project's .mcp.json; its approval was removed")
    remove_server(_folders(), name)
    click.echo("removed")


@mcp.command("disable")
@click.argument("name")
@PROJECT
def disable_command(name: str, project: Path) -> None:
    """Leave a server out, yours or a built-in one, until it is enabled."""
    _switch(name, project, off=True)


@mcp.command("enable")
@click.argument("name")
@PROJECT
def enable_command(name: str, project: Path) -> None:
    """Use a server again that was disabled."""
    _switch(name, project, off=False)


def _switch(name: str, project: Path, *, off: bool) -> None:
    from agent.errors import UsageError
    from agent.mcp.settings import switch_server

    server = _server(name, project)
    if server.source == "project":
        raise UsageError(
            f"{name} stands in the project's .mcp.json: `agent mcp remove {name}` takes its "
            "approval back, `agent mcp approve` gives it"
        )
    switch_server(_folders(), server, off=off)
    click.echo("disabled" if off else "enabled")


@mcp.command("test")
@click.argument("name")
@PROJECT
def test_command(name: str, project: Path) -> int:
    """Start a server, show what it offers, and end it."""
    from agent.cli.mcp_live import test

    return _run(test(_startable(name, project), _folders(), project.resolve()))


@mcp.command("approve")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@PROJECT
def approve_command(name: str, yes: bool, project: Path) -> int:
    """Let a server start, with its tools as they are now."""
    from agent.cli.mcp_live import approve
    from agent.errors import UsageError

    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody is there to ask: say --yes to approve it as it is")
    return _run(approve(_startable(name, project), _folders(), project.resolve(), yes=yes))


@mcp.command("auth")
@click.argument("name")
@click.option("--remove", is_flag=True, help="Forget the tokens.")
@click.option("--no-browser", is_flag=True, help="Only show the address.")
@PROJECT
def auth_command(name: str, remove: bool, no_browser: bool, project: Path) -> int:
    """Sign in to a server with a browser on this machine."""
    from agent.cli.mcp_live import sign_in, sign_out

    server = _startable(name, project)
    if remove:
        return sign_out(server, _folders(), project.resolve())
    return _run(sign_in(server, _folders(), project.resolve(), opens=not no_browser))


@mcp.command("log")
@click.argument("name")
@click.option("-n", "--lines", default=50, show_default=True, help="So many of the last lines.")
@PROJECT
def log_command(name: str, lines: int, project: Path) -> None:
    """Show what a server wrote to stderr, and why its connection ended."""
    from agent.ui.escape import safe_line

    server = _startable(name, project)
    path = _folders().state / "mcp" / "logs" / f"{server.name}.log"
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        click.echo(f"{server.name} has not said anything yet", err=True)
        return
    for line in text.splitlines()[-max(1, lines) :]:
        click.echo(safe_line(line))


def _run(work: Coroutine[Any, Any, int]) -> int:
    return asyncio.run(work)


mcp.add_command(serve)
