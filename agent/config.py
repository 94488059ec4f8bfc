"""Settings as values: where things are on this machine, and what bounds a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError


@dataclass(frozen=True)
class Folders:
    """Folders of this user; none of them has to exist."""

    config: Path
    cache: Path
    state: Path
    models: Path

    @classmethod
    def from_env(cls) -> Folders:
        """XDG folders; ``INGLE_MODELS`` moves the models.

        Raises:
            ConfigError: there is no home folder and no variable in its place.
        """
        cache = _xdg("XDG_CACHE_HOME", ".cache")
        models = os.environ.get("INGLE_MODELS")
        return cls(
            config=_xdg("XDG_CONFIG_HOME", ".config"),
            cache=cache,
            state=_xdg("XDG_STATE_HOME", ".local/state"),
            models=Path(models).expanduser().absolute() if models else cache / "models",
        )


def _xdg(variable: str, below_home: str) -> Path:
    base = os.environ.get(variable, "")
    if base.startswith("/"):
        return Path(base) / "ingle"
    try:
        return Path.home() / below_home / "ingle"
    except RuntimeError as error:
        raise ConfigError(f"there is no home folder: set HOME or {variable}") from error


def is_offline() -> bool:
    """``INGLE_OFFLINE`` forbids every download."""
    return os.environ.get("INGLE_OFFLINE", "").lower() not in ("", "0", "false", "no")


@dataclass(frozen=True)
class Limits:
    """Budgets of one task; 0 means no limit. `time_s` is wall time in seconds."""

    turns: int = 30
    time_s: float = 0.0
    tokens: int = 0
    tool_calls: int = 0
