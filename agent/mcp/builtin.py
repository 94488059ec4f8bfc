"""The servers of our own, which the agent has without being told: as tools in its process.

Nothing of them is imported or opened before the first call. A model with many tools has them in its
prompt; a small one gets them when they are asked for: ``@web`` in a message, or `find_tools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp_servers.code_search.tools import CodeTools
from mcp_servers.web.tools import Web
from tools.base import Tool

BUILT_IN = {
    "code-search": "search of the project's code and documents",
    "web": "web search, and web pages as text",
}
"""What each one is, by its name; ``"disabled": true`` in the user's file switches one off."""

Tools = Mapping[str, tuple[Tool[Any], ...]]


def built_in_tools(root: Path, web: Web) -> Tools:
    """The tools of each one. `root` is the project, also where the work is tried in a copy."""
    return {"code-search": CodeTools(root).tools(), "web": web.tools()}
