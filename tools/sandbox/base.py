"""One interface for the operating system's sandboxes; each tier is a file beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Launch:
    """How to start a command: the full argument vector and the whole environment of the child."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path


class Sandbox(Protocol):
    """Wraps commands that the model can influence."""

    @property
    def name(self) -> str:
        """For people and logs: 'bubblewrap', 'off' or 'missing'."""

    @property
    def confines(self) -> bool:
        """True when writes outside the workspace and the network are blocked by the system."""

    def launch(self, command: str, workspace: Path) -> Launch:
        """The launch of the shell command line `command` inside the workspace folder.

        Raises:
            SandboxUnavailable: nothing confines commands here and the user did not switch it off.
        """


class SandboxUnavailable(Exception):
    """No sandbox: the policy asks a person, or refuses when nobody is there."""
