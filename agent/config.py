"""Settings as values: where things are on this machine, and what bounds a run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError

# In place of a home folder where there is none: nobody can make it, so that nothing is kept.
NO_HOME = Path("/proc/no-home")


@dataclass(frozen=True)
class Folders:
    """Folders of this user; none of them has to exist, or can be made below NO_HOME."""

    config: Path
    cache: Path
    state: Path
    models: Path

    @property
    def blocks(self) -> Path:
        """Saved model state (KV blocks) of all sessions."""
        return self.cache / "blocks"

    @classmethod
    def from_env(cls) -> Folders:
        """XDG folders; ``INGLE_MODELS`` moves the models."""
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
        home = Path.home()
    except RuntimeError:
        home = NO_HOME
    return home / below_home / "ingle"


def is_offline() -> bool:
    """``INGLE_OFFLINE`` forbids every download."""
    return os.environ.get("INGLE_OFFLINE", "").lower() not in ("", "0", "false", "no")


# Saved model state takes at most this, and at most this share of what the disk has free.
MOST_BLOCKS = 10 * 10**9
MOST_BLOCKS_OF_FREE = 0.1
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*(?:([KMGT])(I?)B?|B)?", re.IGNORECASE)


def blocks_limit(folder: Path) -> int:
    """The most bytes that saved model state below `folder` may take; 0 keeps none.

    ``INGLE_BLOCKS_MAX`` (such as 2G) sets it; the default is 10 GB or a tenth of the free space of
    the disk, whichever is smaller.

    Raises:
        ConfigError: the variable is no size.
    """
    text = os.environ.get("INGLE_BLOCKS_MAX", "").strip()
    if text:
        try:
            return parse_size(text)
        except ValueError as error:
            raise ConfigError(f"INGLE_BLOCKS_MAX: {error}") from error
    return min(MOST_BLOCKS, int(_free_bytes(folder) * MOST_BLOCKS_OF_FREE))


def parse_size(text: str) -> int:
    """Bytes of a size such as 500M, 2G, 1.5GB (powers of 1000) or 2GiB (powers of 1024).

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no size: write 500M, 2G or 2GiB")
    power = " KMGT".index((found[2] or " ").upper())
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def _free_bytes(folder: Path) -> int:
    """What this user may still write on the disk of a folder that need not exist; 0 if unknown."""
    for place in (folder, *folder.parents):
        try:
            status = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return 0
        return status.f_bavail * status.f_frsize
    return 0


@dataclass(frozen=True)
class Limits:
    """Budgets of one task; 0 means no limit. `time_s` is wall time in seconds."""

    turns: int = 30
    time_s: float = 0.0
    tokens: int = 0
    tool_calls: int = 0
