"""What stands above the first prompt: enough to begin, and where the rest is."""

from __future__ import annotations

from pathlib import Path

from agent.ui.escape import safe_line
from agent.ui.summary import fill

LEAST_WIDTH = 30  # in a narrower terminal it would fill the screen
HINTS = (
    "say what to do, Enter sends it", "Esc stops", "@file shows a file", "!command runs one",
    "/help has the rest", "Ctrl-D leaves",
)  # fmt: skip


def greeting(folder: Path, width: int) -> list[str]:
    """Lines, safe for a terminal; none where there is no room."""
    if width < LEAST_WIDTH:
        return []
    return fill([f"ingle in {safe_line(folder.name or str(folder))}", *HINTS], width - 1)
