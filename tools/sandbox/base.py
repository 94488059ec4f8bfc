"""One interface for the operating system's sandboxes; each tier is a file beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.sandbox.profiles import DEFAULT_LIMITS, Limits, Profile


@dataclass(frozen=True)
class Launch:
    """How to start a command: the full argument vector and the whole environment of the child.

    The vector is complete: no descriptor has to be passed and nothing to be run before it, so
    that any way to spawn a process will do, for one that stays as well. Give it a session of its
    own, and kill its group at the end: in a sandbox that takes everything with it. Spawn from a
    thread that outlives the process, since the sandbox dies with the thread that started it.
    ``limits`` are for whoever watches it (`tools.sandbox.watch`).
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    limits: Limits = DEFAULT_LIMITS


class Sandbox(Protocol):
    """Wraps commands that the model can influence."""

    @property
    def name(self) -> str:
        """For people and logs: 'bubblewrap', 'landlock', 'seatbelt', 'off' or 'missing'."""

    @property
    def confines(self) -> bool:
        """True when writes outside the workspace and the network are blocked by the system."""

    @property
    def profile(self) -> Profile:
        """What `launch` allows."""

    def with_profile(self, profile: Profile) -> Sandbox:
        """The same tier, whose commands run with another profile."""

    def launch(self, command: str, workspace: Path) -> Launch:
        """The launch of the shell command line `command` inside the workspace folder.

        Raises:
            SandboxUnavailable: nothing confines commands here and the user did not switch it off.
        """

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        """The launch of a program with arguments; `profile` instead of the sandbox's own.

        Raises:
            SandboxUnavailable: nothing confines it here, or not with this profile.
        """


class SandboxUnavailable(Exception):
    """No sandbox: the policy asks a person, or refuses when nobody is there."""


__all__ = ["Launch", "Sandbox", "SandboxUnavailable"]
