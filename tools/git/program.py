"""Which git is run."""

from __future__ import annotations

import shutil
from pathlib import Path


def find_git(search_path: str, root: Path) -> str | None:
    """The first git of a PATH that does not lie in the folder `root`, which others may write."""
    for entry in search_path.split(":"):
        if not entry.startswith("/"):
            continue
        found = shutil.which("git", path=entry)
        if found and not Path(found).resolve().is_relative_to(root):
            return found
    return None
