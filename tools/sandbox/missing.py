"""What stands in for a sandbox where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.sandbox.base import Launch, SandboxUnavailable


@dataclass(frozen=True)
class Missing:
    """Starts nothing; ``reason`` is one line that says why and what the user can do."""

    reason: str
    name: str = "missing"
    confines: bool = False

    def launch(self, command: str, workspace: Path) -> Launch:
        """Always raises.

        Raises:
            SandboxUnavailable: with the reason.
        """
        raise SandboxUnavailable(f"cannot run {command[:60]!r} in {workspace}: {self.reason}")
