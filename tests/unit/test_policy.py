from __future__ import annotations

import pytest

from agent.policy import Decision, Policy

ALLOW, ASK, DENY = Decision.ALLOW, Decision.ASK, Decision.DENY


@pytest.mark.parametrize(
    ("confined", "off", "can_ask", "decision"),
    [
        (True, False, False, ALLOW),
        (True, False, True, ALLOW),
        (True, True, False, ALLOW),
        (True, True, True, ALLOW),
        (False, True, False, ALLOW),
        (False, True, True, ALLOW),
        (False, False, True, ASK),
        (False, False, False, DENY),
    ],
)
def test_commands_need_a_sandbox_or_a_person(
    confined: bool, off: bool, can_ask: bool, decision: Decision
) -> None:
    policy = Policy(confined, sandbox_off_by_user=off, can_ask=can_ask)
    assert policy.decide("shell") is decision


@pytest.mark.parametrize("tool", ["read", "write", "edit", "list", "grep"])
@pytest.mark.parametrize("can_ask", [True, False])
def test_the_workspace_itself_bounds_the_other_tools(tool: str, can_ask: bool) -> None:
    assert Policy(confined=False, can_ask=can_ask).decide(tool) is ALLOW
