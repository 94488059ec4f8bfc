"""What checkpoints are made of, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["added", "changed", "deleted"]


class CheckpointFailed(Exception):
    """Files could not be saved or brought back; one line for people."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint: its id (40 hex digits), how long it took, and which paths it does not have.

    Of very many such paths the first ones are named, and `more` are not.
    """

    id: str
    seconds: float
    left_out: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True)
class Restored:
    """Files were brought back.

    ``now`` is the checkpoint from right before, ``after`` the one from right behind it.
    """

    paths: tuple[str, ...]
    now: str
    after: str


@dataclass(frozen=True)
class Refused:
    """Nothing was touched, since these files were changed by somebody else meanwhile."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A file in a checkpoint: git's mode ('100644', '100755', '120000') and the blob's id."""

    mode: str
    blob: str
