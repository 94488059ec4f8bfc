"""The git tool: one name, one action at a time; nothing is ever pushed or fetched."""

from __future__ import annotations

from functools import partial
from typing import Literal

from tools.base import Arguments, Tool, ToolContext, ToolResult, failed
from tools.git import reads, writes
from tools.git.repository import Repository, open_repository
from tools.git.run import GitFailed
from tools.sandbox.base import SandboxUnavailable
from tools.text import is_argument
from tools.workspace import PathRefused

Action = Literal["status", "diff", "log", "show", "blame", "branch", "add", "commit", "restore"]


class GitArguments(Arguments):
    action: Action
    path: str | None = None
    rev: str | None = None
    message: str | None = None
    limit: int | None = None


def git_tool(model: str = "") -> Tool[GitArguments]:
    """The tool as an object; commits name `model` in their trailer."""
    description = "Use git; branch with rev makes one."
    return Tool("git", description, GitArguments, partial(run_tool, model=model), writes=True)


async def run_tool(arguments: GitArguments, context: ToolContext, *, model: str = "") -> ToolResult:
    """Run one action; whatever is wrong is told to the model."""
    if not is_argument(f"{arguments.path}{arguments.rev}{arguments.message}"):
        return failed("not run: an argument has a NUL or half of a surrogate pair in it")
    try:
        repository = await open_repository(context)
        result = await _act(arguments, repository, model)
    except (GitFailed, PathRefused) as error:
        return failed(str(error))
    except SandboxUnavailable as error:
        return failed(f"git is not run, since nothing would confine it: {error}")
    if isinstance(result, ToolResult):
        return result
    return ToolResult(context.output.cut(result, f"git-{arguments.action}"))


async def _act(arguments: GitArguments, repository: Repository, model: str) -> str | ToolResult:
    rev, path = (arguments.rev or "").strip(), (arguments.path or "").strip()
    match arguments.action:
        case "status":
            return await reads.status(repository)
        case "diff":
            return await reads.diff(repository, rev, path)
        case "log":
            return await reads.log(repository, rev, path, arguments.limit or 0)
        case "show":
            return await reads.show(repository, rev, path)
        case "blame":
            return await reads.blame(repository, rev, path)
        case "branch":
            return await (writes.new_branch(repository, rev) if rev else reads.branches(repository))
        case "add":
            return await writes.add(repository, path)
        case "commit":
            return await writes.commit(repository, path, arguments.message or "", model)
        case "restore":
            return await writes.restore(repository, rev, path)
