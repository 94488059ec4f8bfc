"""The parts of `agent mcp` that start a server: test, approve, auth."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import click

from agent.config import Folders
from agent.errors import ConfigError, ExitCode, IngleError, PermissionDenied, UsageError
from agent.mcp.connect import connection, declarations
from agent.mcp.manager import Surroundings
from agent.mcp.pins import LONGEST_INSTRUCTIONS, Pins, ToolDeclaration, compare
from agent.mcp.settings import Configured, entry_of
from agent.ui.escape import safe_line
from tools.mcp.callback import browser
from tools.mcp.connection import Connection
from tools.mcp.entry import HttpEntry
from tools.mcp.oauth import Person, TokenFile
from tools.mcp.reasons import Unavailable
from tools.mcp.schema import read_schema

Show = Callable[[str], Awaitable[None]]
SIGN_IN_S = 600.0  # a person may have to look for a password


@asynccontextmanager
async def connected(
    server: Configured, folders: Folders, project: Path, person: Person | None = None
) -> AsyncIterator[Connection]:
    """A server that answers. Raises ConfigError, IngleError (with the reason)."""
    around = Surroundings(folders, project, dict(os.environ))
    entry = entry_of(server, os.environ, project)
    if person is not None:
        entry = replace(entry, start_s=SIGN_IN_S)
    made = connection(entry, around, lambda: None, person)
    try:
        await made.ready()
        yield made
    except Unavailable as error:
        log = f"; `agent mcp log {server.name}` may say more" if made.log.last else ""
        raise IngleError(f"MCP server {server.name}: {error}{log}") from error
    finally:
        await made.close()


async def test(server: Configured, folders: Folders, project: Path) -> int:
    """Show what a server offers."""
    pins = Pins(folders, project)
    if server.source == "project" and not server.problem and pins.get(server) is None:
        raise PermissionDenied(
            f"the project's MCP server {server.name} is not approved: look at it with `agent mcp "
            f"get {server.name}`, then `agent mcp approve {server.name}`"
        )
    async with connected(server, folders, project) as made:
        click.echo(f"{server.name}: protocol {made.version}")
        tools = declarations(made.tools)
        _show(tools)
        resources, prompts = await made.resources(), await made.prompts()
        click.echo(f"{len(tools)} tools, {len(resources)} resources, {len(prompts)} prompts")
        changed = compare(pins.get(server), tools).changed if pins.get(server) else ()
        if changed:
            names = safe_line(", ".join(changed))
            click.echo(f"changed since they were approved, and not used: {names}")
    return ExitCode.DONE


def _show(tools: Sequence[ToolDeclaration], marks: Sequence[str] = ()) -> None:
    for tool in tools:
        mark = "* " if tool.name in marks else "  "
        click.echo(safe_line(f"{mark}{tool.name}: {' '.join(tool.description.split())[:100]}"))
        if problem := read_schema(tool.schema).problem:
            click.echo(safe_line(f"    its schema is not used: {problem}"))


async def approve(server: Configured, folders: Folders, project: Path, *, yes: bool) -> int:
    """Show what would be started, start it, show its tools, and pin both."""
    if server.problem:
        raise ConfigError(f"MCP server {server.name}: {server.problem}")
    pins = Pins(folders, project)
    click.echo(safe_line(f"{server.name} ({server.source}): {server.shown()}"))
    if server.variables:
        click.echo(safe_line(f"it gets the variables {', '.join(server.variables)}"))
    if pins.get(server) is None and not yes and not click.confirm("Start it?", err=True):
        return ExitCode.DENIED
    async with connected(server, folders, project) as made:
        tools = declarations(made.tools)
        state = compare(pins.get(server), tools)
        _show(tools, [*state.changed, *(tool.name for tool in state.new)])
        question = f"Approve these {len(tools)} tools (* new or changed)?"
        if not yes and not click.confirm(question, err=True):
            return ExitCode.DENIED
        pins.put(server, tools, made.instructions[:LONGEST_INSTRUCTIONS])
    click.echo(f"approved with {len(tools)} tools")
    return ExitCode.DONE


def _http_entry(server: Configured, project: Path) -> HttpEntry:
    entry = entry_of(server, os.environ, project)
    if not isinstance(entry, HttpEntry):
        raise UsageError(f"{server.name} is a command: only servers with a URL want a sign-in")
    return entry


async def sign_in(server: Configured, folders: Folders, project: Path, *, opens: bool) -> int:
    """Sign in with a browser; the tokens are kept in the state folder."""
    entry = _http_entry(server, project)
    file = TokenFile(folders.state / "mcp" / "auth", entry.name, entry.url)

    async def show(url: str) -> None:
        click.echo(f"open this address to sign in:\n{safe_line(url)}", err=True)
        if opens and sys.stdout.isatty():
            import webbrowser

            webbrowser.open(url)

    async with AsyncExitStack() as stack:
        person = await _person(stack, file, show)
        made = await stack.enter_async_context(connected(server, folders, project, person))
        click.echo(f"signed in; {len(made.tools)} tools")
    return ExitCode.DONE


async def _person(stack: AsyncExitStack, file: TokenFile, show: Show) -> Person:
    """A browser at the port that was registered, or at a new one with a new registration."""
    registered = (file.read().get("client") or {}).get("redirect_uris") or []
    port = int(registered[0].rpartition(":")[2].partition("/")[0]) if registered else 0
    file.update(tokens=None, expires=None)
    try:
        return await stack.enter_async_context(browser(show, port))
    except OSError:
        file.update(client=None)
        return await stack.enter_async_context(browser(show))


def sign_out(server: Configured, folders: Folders, project: Path) -> int:
    """Forget the tokens of a server."""
    entry = _http_entry(server, project)
    file = TokenFile(folders.state / "mcp" / "auth", entry.name, entry.url)
    click.echo("the tokens are removed" if file.forget() else "there were no tokens")
    return ExitCode.DONE
