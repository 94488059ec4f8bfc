"""Questions of the policy as the REPL shows them, and its decisions as answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.approval import Answer, ApprovalRequest, Kind
from agent.ui.repl.host import Choice, Decision, Question

_KINDS: dict[str, Kind] = {"y": "once", "s": "session", "a": "always", "n": "no"}
NO = Choice("n", "no, and say why", needs_reason=True)
MOST_FILES = 20


def as_question(asked: ApprovalRequest) -> Question:
    """What, where, why and which rule; 'session' and 'always' where there is a pattern."""
    lasting = (
        Choice("s", "yes, in this session"),
        Choice("a", f"always: {asked.pattern}"),
    )
    details = (("in", asked.folder), ("because", asked.why), ("rule", asked.rule))
    return Question(
        f"{asked.tool} wants to run" if asked.tool else "May this run?",
        asked.detail or asked.headline,
        (Choice("y", "yes, once"), *(lasting if asked.pattern else ()), NO),
        tuple((name, text) for name, text in details if text),
        asked.diff,
    )


def as_answer(decision: Decision) -> Answer:
    """What the policy is told."""
    return Answer(_KINDS.get(decision.key, "no"), decision.reason)


def trust_question(folder: Path, files: Sequence[str]) -> Question:
    """Whether the folder's own configuration may be used."""
    shown = [*files[:MOST_FILES], *(["…"] if len(files) > MOST_FILES else [])]
    return Question(
        f"{folder} has a configuration of its own. Do you trust what it says?",
        "\n".join(shown),
        (Choice("y", "yes, from now on"), Choice("n", "no, leave it out")),
    )
