"""Which tools a session has: a few for a small model, all for one that can choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from mcp_servers.code_search.tools import CodeTools
from mcp_servers.web.tools import Web
from tools.base import Tool
from tools.catalog import default_tools
from tools.git.tool import git_tool

Profile = Literal["small", "full"]
"""A small model gets lost among many tools, and each costs it tokens."""


def fixed_tools(profile: Profile, root: Path, model: str, web: Web) -> tuple[Tool[Any], ...]:
    """The tools of the fixed prompt, those of MCP servers left out."""
    if profile == "small":
        return default_tools()
    # The folder itself, also where the work is tried in a copy: a copy would be indexed anew.
    return (*default_tools(), git_tool(model), *CodeTools(root).tools(), *web.tools())
