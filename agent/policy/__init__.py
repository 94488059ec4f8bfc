"""Whether a call may run. `decide` is pure; the files beside it read what it decides from."""

from agent.policy.decide import NO_SANDBOX, Approval, Policy, SandboxMode
from agent.policy.grants import Grants
from agent.policy.rules import Rule, parse_rule
from agent.policy.verdict import Decision, Facts, Verdict

__all__ = [
    "NO_SANDBOX",
    "Approval",
    "Decision",
    "Facts",
    "Grants",
    "Policy",
    "Rule",
    "SandboxMode",
    "Verdict",
    "parse_rule",
]
