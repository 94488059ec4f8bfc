"""One task as the command line, the REPL or another program describes it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.config import Limits
from agent.engine.base import Sampling
from agent.errors import ConfigError, UsageError
from agent.models.plan import Wish
from tools.workspace import Workspace

if TYPE_CHECKING:
    from agent.schema import AnswerSchema


@dataclass(frozen=True)
class Job:
    """What to do, and what bounds it. `attach` are files that are shown with the task."""

    task: str
    workspace: Workspace
    attach: tuple[Path, ...] = ()
    check: str = ""
    limits: Limits = field(default_factory=Limits)
    sampling: Sampling = field(default_factory=Sampling)
    sandbox: Literal["auto", "read-only", "workspace", "off"] = "auto"
    wish: Wish = field(default_factory=Wish)
    tries: int = 1
    attempts: int = 1
    schema: AnswerSchema | None = None  # of the answer
    whole: Literal["auto", "yes", "no"] = "auto"  # plan a whole project before writing it
    family: str = ""  # how the model is spoken to, where its template does not say


def open_workspace(folder: Path) -> Workspace:
    """The workspace at `folder`. Raises UsageError, ConfigError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give an existing one with --dir")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ConfigError(f"{folder} cannot be read: check its permissions")
    return Workspace(folder)
