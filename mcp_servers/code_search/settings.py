"""Settings of the code search server, from the environment of its process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """ingle's folder in the user's cache."""
    base = environment.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "ingle"
    try:
        return Path.home() / ".cache" / "ingle"
    except RuntimeError:  # no home folder: an index for the time being
        return Path(tempfile.gettempdir()) / f"ingle-{os.getuid() if hasattr(os, 'getuid') else 0}"


def embedding_model(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The GGUF file of ``INGLE_EMBEDDING_MODEL``, or None.

    Raises:
        ValueError: there is no such file.
    """
    name = environment.get("INGLE_EMBEDDING_MODEL", "").strip()
    if not name:
        return None
    path = Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"INGLE_EMBEDDING_MODEL: {path} is not a file")
    return path
