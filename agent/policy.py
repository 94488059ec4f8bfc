"""Whether a call may run: a pure decision from values.

First form: the operating system's sandbox is the boundary. Where there is none, commands are asked
for on a terminal and refused in headless mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True)
class Policy:
    """`confined`: the sandbox blocks writes outside the workspace and the network."""

    confined: bool
    sandbox_off_by_user: bool = False
    can_ask: bool = False

    def decide(self, tool: str) -> Decision:
        """The decision for one call of `tool`."""
        if tool != "shell" or self.confined or self.sandbox_off_by_user:
            return Decision.ALLOW
        return Decision.ASK if self.can_ask else Decision.DENY


NO_SANDBOX = (
    "commands are not run: no sandbox was found here (install bubblewrap, see `agent doctor`, "
    "or pass --sandbox off)"
)
