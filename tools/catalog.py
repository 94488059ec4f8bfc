"""The explicit list of tools that the model gets by default."""

from __future__ import annotations

from typing import Any

from tools.base import Tool
from tools.edit import edit_tool
from tools.read import read_tool
from tools.search import grep_tool, list_tool
from tools.shell import shell_tool
from tools.write import write_tool


def default_tools() -> tuple[Tool[Any], ...]:
    """All default tools, in the order in which the prompt shows them."""
    return (read_tool(), write_tool(), edit_tool(), list_tool(), grep_tool(), shell_tool())
