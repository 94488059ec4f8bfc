"""No confinement, because the user said so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.sandbox.base import Launch
from tools.sandbox.bash import bounded, command_line
from tools.sandbox.environment import child_environment
from tools.sandbox.profiles import WORKSPACE, Profile


@dataclass(frozen=True)
class Off:
    """Runs commands as the user, with the same environment and limits as in a sandbox."""

    profile: Profile = WORKSPACE
    name: str = "off"
    confines: bool = False

    def with_profile(self, profile: Profile) -> Off:
        """Only its limits and its environment count."""
        return replace(self, profile=profile)

    def launch(self, command: str, workspace: Path) -> Launch:
        """A plain bash in the workspace."""
        return self.wrap(command_line(command), workspace)

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        """The program itself."""
        profile = profile or self.profile
        env = child_environment(os.environ, workspace, None, profile.variables)
        env |= profile.env
        limits = profile.limits
        return Launch(bounded(argv, limits, own_users=False), env, workspace, limits)
