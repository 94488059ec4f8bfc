"""Which tools a session has: a few for a small model, all for one that can choose."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from agent.mcp.builtin import built_in_tools
from mcp_servers.web.tools import Web
from tools.base import Tool
from tools.catalog import default_tools
from tools.git.tool import git_tool

Profile = Literal["small", "full"]
"""A small model gets lost among many tools, and each costs it tokens."""


def fixed_tools(
    profile: Profile, root: Path, model: str, web: Web, off: Collection[str] = ()
) -> tuple[Tool[Any], ...]:
    """The tools of the fixed prompt, those of MCP servers left out.

    `off` are servers of ours that the user does not want.
    """
    if profile == "small":
        return default_tools()
    ours = (
        tool
        for name, tools in built_in_tools(root, web).items()
        if name not in off
        for tool in tools
    )
    return (*default_tools(), git_tool(model), *ours)
