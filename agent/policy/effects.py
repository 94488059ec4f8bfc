"""What each of our own tools can do. A tool that is not here is asked about: it is somebody else's.

'read' and 'write' take a path, 'command' a command line; 'plain' touches nothing but the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EFFECTS = {
    "read": "read",
    "list": "read",
    "grep": "read",
    "write": "write",
    "edit": "write",
    "shell": "command",
    "find_tools": "plain",
    "recall": "plain",
    "plan": "plain",
    "delegate": "plain",
    "code_search": "plain",
    "code_definition": "plain",
    "code_references": "plain",
    "git": "write",
}

# What the git tool does without changing anything.
GIT_READS = ("status", "diff", "log", "show", "blame")


def effect_of(name: str, arguments: Mapping[str, Any]) -> str:
    """What one call can do."""
    if name == "git" and arguments.get("action") in GIT_READS:
        return "plain"
    return EFFECTS.get(name, "unknown")
