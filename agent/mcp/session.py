"""The servers of a session, out of the settings and the session's sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import Folders
from agent.mcp.manager import Manager, Surroundings
from agent.mcp.settings import configured
from tools.mcp.sandboxed import sandboxed
from tools.sandbox.base import Sandbox

if TYPE_CHECKING:
    from tools.mcp.connection import Elicit


def servers_of(
    folders: Folders,
    workspace: Path,
    sandbox: Sandbox,
    notice: Callable[[str], None],
    elicit: Elicit | None = None,
) -> Manager:
    """All that are configured for `workspace`; none is started yet.

    `notice` gets lines for the user; `elicit` asks a person what a server wants to know.

    Raises:
        ConfigError: the user's file cannot be read.
    """
    around = Surroundings(
        folders,
        workspace,
        dict(os.environ),
        spawner=lambda entry: sandboxed(entry, sandbox, workspace),
        notice=notice,
        elicit=elicit,
    )
    return Manager(configured(folders, workspace), around)
