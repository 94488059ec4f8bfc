"""Decisions: a table of values."""

from __future__ import annotations

from typing import Any

import pytest

from agent.messages import ToolCall
from agent.policy import Decision, Facts, Policy, parse_rule
from agent.policy.effects import EFFECTS
from tools.catalog import default_tools

ALLOW, ASK, DENY = Decision.ALLOW, Decision.ASK, Decision.DENY
BOXED = Facts(confined=True, paths=("a.py",))
BARE = Facts(confined=False, paths=("a.py",), inside=lambda path: not path.startswith("/"))


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall("1", tool, arguments)


def shell(command: str) -> ToolCall:
    return call("shell", command=command)


def decision(policy: Policy, made: ToolCall, facts: Facts = BOXED) -> Decision:
    return policy.decide(made, made.name, facts).decision


def rules(**texts: str) -> Any:
    return tuple(
        parse_rule(one, Decision(kind)) for kind, text in texts.items() for one in text.split(", ")
    )


@pytest.mark.parametrize("approval", ["auto", "ask", "never"])
@pytest.mark.parametrize(
    ("command", "confined", "sandbox", "auto", "ask"),
    [
        ("make", True, "workspace", ALLOW, ASK),
        ("ls", True, "workspace", ALLOW, ALLOW),
        ("echo $(ls)", True, "workspace", ALLOW, ASK),
        ("make", False, "workspace", ASK, ASK),
        ("ls", False, "workspace", ASK, ASK),
        ("make", False, "off", ALLOW, ASK),
        ("ls", False, "off", ALLOW, ALLOW),
        ("cat /etc/passwd", False, "off", ALLOW, ASK),
        ("ls", True, "read-only", ALLOW, ALLOW),
        ("make", True, "read-only", DENY, DENY),
        ("make", False, "read-only", ASK, ASK),
    ],
)
def test_commands(
    approval: Any, command: str, confined: bool, sandbox: Any, auto: Decision, ask: Decision
) -> None:
    policy = Policy(sandbox, approval, can_ask=True)
    facts = BOXED if confined else BARE
    expected = {"auto": auto, "ask": ask, "never": DENY if auto is ASK else auto}[approval]
    assert decision(policy, shell(command), facts) is expected
    alone = Policy(sandbox, approval, can_ask=False)
    assert decision(alone, shell(command), facts) is (DENY if expected is ASK else expected)


@pytest.mark.parametrize(
    ("sandbox", "approval", "copy", "expected"),
    [
        ("workspace", "auto", False, ALLOW),
        ("workspace", "never", False, ALLOW),
        ("workspace", "ask", False, ASK),
        ("workspace", "ask", True, ALLOW),
        ("off", "ask", False, ASK),
        ("read-only", "auto", False, DENY),
        ("read-only", "ask", False, DENY),
        ("read-only", "auto", True, ALLOW),
    ],
)
@pytest.mark.parametrize("tool", ["write", "edit"])
def test_writes(tool: str, sandbox: Any, approval: Any, copy: bool, expected: Decision) -> None:
    policy = Policy(sandbox, approval, can_ask=True)
    facts = Facts(confined=True, paths=("a.py",), copy=copy)
    assert decision(policy, call(tool, path="a.py"), facts) is expected


@pytest.mark.parametrize("tool", ["read", "list", "grep"])
@pytest.mark.parametrize("approval", ["auto", "ask", "never"])
def test_the_workspace_itself_bounds_what_is_read(tool: str, approval: Any) -> None:
    assert decision(Policy("read-only", approval), call(tool, path="a.py"), BARE) is ALLOW


def test_every_default_tool_is_known_here() -> None:
    assert {tool.name for tool in default_tools()} <= set(EFFECTS)


@pytest.mark.parametrize("sandbox", ["workspace", "off"])
def test_a_tool_of_somebody_else_is_asked_about(sandbox: Any) -> None:
    made = call("mail__send", to="x")
    assert decision(Policy(sandbox, "auto", can_ask=True), made) is ASK
    assert decision(Policy(sandbox, "auto"), made) is DENY
    assert decision(Policy(sandbox, "never", can_ask=True), made) is DENY
    assert decision(Policy(sandbox, "auto", rules(allow="mail__send")), made) is ALLOW
    assert decision(Policy(sandbox, "auto", rules(allow="mail__*")), made) is ALLOW
    assert decision(Policy(sandbox, "auto", rules(allow="mail__read, shell")), made) is DENY


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"allow": "shell(make test)"}, ALLOW),
        ({"allow": "shell(make test)", "ask": "shell(make *)"}, ASK),
        ({"allow": "shell", "ask": "shell", "deny": "shell(make)"}, DENY),
        ({"allow": "shell(make test), shell", "deny": "shell(rm)"}, ALLOW),
        ({"allow": "edit"}, ASK),
        ({"deny": "*"}, DENY),
        ({"allow": "*", "deny": "edit"}, ALLOW),
    ],
)
def test_the_strictest_rule_wins(given: dict[str, str], expected: Decision) -> None:
    policy = Policy("workspace", "ask", rules(**given), can_ask=True)
    assert decision(policy, shell("make test")) is expected


def test_an_allow_rule_must_cover_every_command() -> None:
    policy = Policy("workspace", "ask", rules(allow="shell(make *)"), can_ask=True)
    assert decision(policy, shell("ls && make a; make b | wc -l")) is ALLOW
    assert decision(policy, shell("make a; touch b")) is ASK
    assert decision(policy, shell("make a > b")) is ASK
    assert decision(policy, shell("A=b make a")) is ASK
    assert decision(policy, shell("make $(touch b)")) is ASK


def test_an_allow_rule_needs_the_sandbox_all_the_same() -> None:
    policy = Policy("workspace", "auto", rules(allow="shell(make *)"))
    assert decision(policy, shell("make a"), BARE) is DENY


def test_what_cannot_be_read_is_asked_about_where_a_rule_could_forbid_it() -> None:
    policy = Policy("workspace", "auto", rules(deny="shell(git push)"), can_ask=True)
    assert decision(policy, shell("x 'y")) is ASK
    assert decision(Policy("workspace", "auto"), shell("x 'y")) is ALLOW


@pytest.mark.parametrize(
    ("paths", "expected"),
    [(("src/a.py",), ALLOW), (("b.py",), ASK), (("src/link", "b.py"), ASK),
     (("secret/a", ), DENY), (("src/link", "secret/a"), DENY), (("secret",), DENY), ((), ASK)],
)  # fmt: skip
def test_rules_look_at_the_path_as_named_and_as_it_leads(
    paths: tuple[str, ...], expected: Decision
) -> None:
    policy = Policy(
        "workspace", "ask", rules(allow="edit(src/**)", deny="edit(secret)"), can_ask=True
    )
    for tool in ("write", "edit"):
        assert decision(policy, call(tool, path="x"), Facts(True, paths=paths)) is expected


def test_a_verdict_says_which_rule_and_what_would_allow_it() -> None:
    policy = Policy("workspace", "ask", rules(deny="shell(git push *)"), can_ask=True)
    verdict = policy.decide(shell("git push origin"), "shell", BOXED)
    assert (verdict.rule, verdict.pattern) == ("deny shell(git push *)", "")
    assert policy.decide(shell("ls; make 'a b'"), "shell", BOXED).pattern == "shell(make 'a b')"
    assert policy.decide(shell("make a; make b"), "shell", BOXED).pattern == ""
    assert policy.decide(shell("make > a"), "shell", BOXED).pattern == ""
    assert policy.decide(shell("make $x"), "shell", BOXED).pattern == ""
    assert policy.decide(shell("make"), "shell", BARE).pattern == ""
    assert policy.decide(call("edit", path="a.py"), "edit", BOXED).pattern == "edit(a.py)"
    assert policy.decide(call("a__b"), "a__b", BOXED).pattern == "a__b"
    odd = Facts(True, paths=("a[1].py",))
    assert policy.decide(call("edit", path="x"), "edit", odd).pattern == ""
