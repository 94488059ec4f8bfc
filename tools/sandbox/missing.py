"""What stands in for a sandbox where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.sandbox.base import Launch, SandboxUnavailable
from tools.sandbox.profiles import WORKSPACE, Profile


@dataclass(frozen=True)
class Missing:
    """Starts nothing; ``reason`` is one line that says why and what the user can do."""

    reason: str
    profile: Profile = WORKSPACE
    name: str = "missing"
    confines: bool = False

    def with_profile(self, profile: Profile) -> Missing:
        """As missing as before."""
        return replace(self, profile=profile)

    def launch(self, command: str, workspace: Path) -> Launch:  # noqa: ARG002
        """Always raises.

        Raises:
            SandboxUnavailable: with the reason.
        """
        raise SandboxUnavailable(self.reason)

    def wrap(
        self,
        argv: Sequence[str],
        workspace: Path,
        profile: Profile | None = None,  # noqa: ARG002
    ) -> Launch:
        """Always raises.

        Raises:
            SandboxUnavailable: with the reason.
        """
        return self.launch(" ".join(argv), workspace)
