"""`agent mcp serve`: ingle, or one of its servers, for any MCP client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from agent.serve import Jobs


@click.command()
@click.argument("what", type=click.Choice(["do", "web", "code-search"]), default="do")
@click.option("-d", "--dir", "folders", multiple=True, help="A folder to work in; can be repeated.")
@click.option("-m", "--model", help="Catalogue name, path to a .gguf, or hf:owner/repo/file.gguf.")
@click.option("--family", default="", help="How the model is spoken to; else its template says.")
@click.option("--ctx", type=click.IntRange(min=512), help="Context length in tokens.")
@click.option("--sandbox", type=click.Choice(["auto", "off"]), default="auto")
@click.option("--ephemeral", is_flag=True, help="Keep no sessions on disk.")
@click.option("--allow", multiple=True, metavar="HOST", help="web: fetch from here unasked.")
@click.option("--http", "port", type=click.IntRange(0, 65535), default=None, metavar="PORT",
              help="HTTP on loopback, not stdin and stdout; 0 takes a free port.")  # fmt: skip
def serve(what: str, port: int | None, **given: Any) -> None:
    """Serve WHAT to an MCP client: do (the agent itself, the default), web or code-search."""
    import asyncio

    if what == "do":
        jobs = _jobs(**given)
        asyncio.run(_serve_jobs(jobs, port))
        return
    server = _web(given["allow"]) if what == "web" else _code_search(given["folders"] or (".",))
    asyncio.run(_serve(server, port))


async def _serve(server: MCPServer, port: int | None) -> None:
    if port is None:
        await server.run_stdio_async()
        return
    from agent.serve_http import serve_http

    await serve_http(server, port, _show_address)


async def _serve_jobs(jobs: Jobs, port: int | None) -> None:
    from agent.serve import ingle_server

    try:
        await _serve(ingle_server(jobs), port)
    finally:
        await jobs.close()


def _show_address(url: str, token: str) -> None:
    click.echo(f"url: {url}\nheader: Authorization: Bearer {token}")


def _jobs(
    folders: tuple[str, ...],
    model: str | None,
    family: str,
    ctx: int | None,
    sandbox: Literal["auto", "off"],
    ephemeral: bool,
    allow: tuple[str, ...],  # noqa: ARG001 - of the web server
) -> Jobs:
    from agent.cli.build import build, find_model
    from agent.cli.permissions import find_rights
    from agent.config import Folders
    from agent.dialects.choose import known_name
    from agent.job import open_workspace
    from agent.models.catalogue import load_catalogue
    from agent.models.plan import Wish
    from agent.serve import Allowed, Jobs, Machine, Terms

    known_name(family)
    own = Folders.from_env()
    served = tuple(open_workspace(Path(name)).root for name in folders or (".",))
    # Nobody is there to be asked: what would be asked is refused.
    flags: dict[str, dict[str, Any]] = {
        "model": {"ctx": ctx},
        "sandbox": {"mode": None if sandbox == "auto" else sandbox},
    }
    wanted = find_rights(own, served[0], flags).loaded.settings.model

    def rights(root: Path) -> Allowed:
        found = find_rights(own, root, flags)
        return Allowed(found.policy, found.grants, found.check, found.notices)

    def open_machine() -> Machine:
        found = find_model(model or wanted.name or load_catalogue().default, own)
        wish = Wish(wanted.ctx, wanted.kv_type or "auto", wanted.gpu_layers)
        built = build(found, wish, own, temperature=wanted.temperature, keep=not ephemeral)
        return Machine(built.engine, built.plan, built.tries, built.sampling)

    return Jobs(
        open_machine, Terms(served, None if ephemeral else own.state, rights, sandbox, family)
    )


def _web(allow: tuple[str, ...]) -> MCPServer:
    from dataclasses import replace

    from agent.errors import ConfigError
    from mcp_servers.web.server import web_server
    from mcp_servers.web.session import WebSession
    from mcp_servers.web.settings import from_env

    try:
        settings = from_env()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return web_server(WebSession(replace(settings, sites=(*settings.sites, *allow))))


def _code_search(folders: tuple[str, ...]) -> MCPServer:
    from importlib import import_module

    from agent.errors import UsageError
    from agent.job import open_workspace

    try:
        module = import_module("mcp_servers.code_search.server")
    except ModuleNotFoundError as error:
        raise UsageError("this version has no code search server") from error
    server: MCPServer = module.code_search_server(open_workspace(Path(folders[0])).root)
    return server
