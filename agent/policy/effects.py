"""What each of our own tools can do. A tool that is not here is asked about: it is somebody else's.

'read' and 'write' take a path, 'command' a command line; 'plain' touches nothing but the session.
"""

from __future__ import annotations

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
}
