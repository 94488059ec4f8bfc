"""No confinement, because the user said so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tools.sandbox.base import Launch
from tools.sandbox.environment import child_environment

BASH = "/bin/bash"


@dataclass(frozen=True)
class Off:
    """Runs commands as the user, with the same environment as in a sandbox."""

    name: str = "off"
    confines: bool = False

    def launch(self, command: str, workspace: Path) -> Launch:
        """A plain bash in the workspace."""
        return Launch((BASH, "-c", command), child_environment(os.environ, workspace), workspace)
