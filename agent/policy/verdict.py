"""What a decision is made of, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


STRICTNESS = (Decision.ALLOW, Decision.ASK, Decision.DENY)


@dataclass(frozen=True)
class Verdict:
    """`rule` is the settings' rule that decided, or ''; `why` is one line for people and models.

    `pattern` is the rule that would allow this call from now on; '' where none may.
    """

    decision: Decision
    why: str = ""
    rule: str = ""
    pattern: str = ""


def _nowhere(_path: str) -> bool:
    return False


@dataclass(frozen=True)
class Facts:
    """What is known about the place where a call would run.

    `confined`: the sandbox blocks writes outside the workspace and the network. `read_only`: it
    blocks writes inside too. `copy`: the workspace is a copy to try something in. `paths` are the
    workspace-relative path that the call names and the one that it leads to; none for one outside.
    `inside` tells whether a command's operand stays in the workspace.
    """

    confined: bool = False
    read_only: bool = False
    copy: bool = False
    paths: tuple[str, ...] = ()
    inside: Callable[[str], bool] = _nowhere


def strictest(verdicts: list[Verdict]) -> Verdict:
    """The first of the strictest verdicts; there is at least one."""
    return max(verdicts, key=lambda verdict: STRICTNESS.index(verdict.decision))
