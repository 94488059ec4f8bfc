"""Where things about a project are kept; light, so that it can be asked at any start."""

from __future__ import annotations

import hashlib
from pathlib import Path


def store_file(cache: Path, root: Path) -> Path:
    """Where the store of the project at `root` is, in the user's cache folder."""
    name = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache / "code" / f"{name}.sqlite"
