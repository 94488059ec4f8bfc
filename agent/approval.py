"""What a person is asked about a call, and what they may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["once", "session", "always", "no"]


@dataclass(frozen=True)
class ApprovalRequest:
    """One call that may not run by itself. All texts are unescaped: a terminal needs them safe.

    `headline` is one line, `detail` the whole command or the arguments, `diff` what a write would
    change. `why` says why it is asked; `rule` is the rule of the settings behind it or ''.
    `pattern` is what 'session' and 'always' would allow; '' offers neither.
    """

    tool: str
    headline: str
    detail: str = ""
    diff: str = ""
    folder: str = ""
    why: str = ""
    rule: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class Answer:
    """`reason` goes to the model when the answer is 'no'."""

    kind: Kind
    reason: str = ""

    @property
    def allows(self) -> bool:
        return self.kind != "no"


Ask = Callable[[ApprovalRequest], Awaitable[Answer]]


async def nobody(question: ApprovalRequest) -> Answer:
    """Stands in for a person where none is there."""
    return Answer("no", f"nobody is there to approve {question.tool}")
