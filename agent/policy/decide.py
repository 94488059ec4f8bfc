"""Whether a call may run: a pure decision from values.

The operating system's sandbox is the boundary; this decides what is asked. Three axes: the trust of
the folder (`trust.py`), the sandbox, and the approval; and rules: deny wins over ask wins over
allow, wherever they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from agent.messages import ToolCall
from agent.policy.effects import EFFECTS, effect_of
from agent.policy.readonly import harmless, is_known
from agent.policy.rules import Rule, allows_command, exact_pattern, forbids_command, path_matches
from agent.policy.shell import Line, Simple, parse
from agent.policy.verdict import Decision, Facts, Verdict, strictest
from tools.base import Tool

Approval = Literal["ask", "auto", "never"]
SandboxMode = Literal["read-only", "workspace", "off"]

NO_SANDBOX = (
    "commands are not run: no sandbox was found here (install bubblewrap, see `agent doctor`, "
    "or pass --sandbox off)"
)
ALLOW = Verdict(Decision.ALLOW)


@dataclass(frozen=True)
class Policy:
    """`sandbox` is what the user wants; what there is stands in the facts of each call.

    approval: 'auto' runs what the sandbox confines, 'ask' asks for writes and for commands that are
    not known to be read-only, 'never' is 'auto' without questions: they become refusals.
    `can_ask`: a person is there.
    """

    sandbox: SandboxMode = "workspace"
    approval: Approval = "auto"
    rules: tuple[Rule, ...] = ()
    trusted: bool = False
    can_ask: bool = False

    def decide(self, call: ToolCall, tool: Tool[Any] | str, facts: Facts) -> Verdict:
        """The verdict on one call of `tool`: never ASK where nobody can be asked."""
        name = tool if isinstance(tool, str) else tool.name
        effect = effect_of(name, call.arguments)
        line = parse(str(call.arguments.get("command", ""))) if effect == "command" else Line(())
        verdicts = [self._by_kind(name, effect, line, facts), *self._forbidding(name, line, facts)]
        verdict = strictest(verdicts)
        if verdict.decision is Decision.ASK and (self.approval == "never" or not self.can_ask):
            return Verdict(Decision.DENY, verdict.why, verdict.rule)
        return verdict

    def _forbidding(self, name: str, line: Line, facts: Facts) -> list[Verdict]:
        """What the deny and ask rules say."""
        found = []
        for rule in self.rules:
            if rule.decision is Decision.ALLOW or not rule.names(name):
                continue
            decision, why = rule.decision, f"a rule says {rule.decision.value}"
            if rule.pattern and EFFECTS.get(name) == "command":
                if not forbids_command(rule, line):
                    continue
                if line.lost:
                    # Not known to be what the rule forbids, and not known to be something else.
                    decision, why = Decision.ASK, f"{line.trouble}, so a rule cannot be checked"
            elif rule.pattern and not any(
                path_matches(rule.pattern, path, sure=False) for path in facts.paths
            ):
                continue
            found.append(Verdict(decision, why, f"{rule.decision.value} {rule.text}"))
        return found

    def _by_kind(self, name: str, effect: str, line: Line, facts: Facts) -> Verdict:
        """What the axes and the allow rules say."""
        if effect in ("read", "plain"):
            return ALLOW
        if effect == "write":
            return self._write(name, facts)
        if effect == "command":
            return self._command(line, facts)
        if self._granted(name, facts):
            return ALLOW
        return Verdict(Decision.ASK, f"{name} acts outside of the sandbox", "", name)

    def _write(self, name: str, facts: Facts) -> Verdict:
        if self.sandbox == "read-only" and not facts.copy:
            return Verdict(Decision.DENY, "nothing may be written here", "sandbox read-only")
        if self.approval != "ask" or facts.copy or self._granted(name, facts):
            return ALLOW
        pattern = f"{name}({facts.paths[-1]})" if _is_plain(facts.paths) else ""
        return Verdict(Decision.ASK, "writes are asked for", "approval ask", pattern)

    def _command(self, line: Line, facts: Facts) -> Verdict:
        if not facts.confined and self.sandbox != "off":
            return Verdict(Decision.ASK, NO_SANDBOX, f"sandbox {self.sandbox}")
        inside = None if facts.confined else facts.inside
        exact = not line.trouble
        if exact and all(is_known(command, inside) for command in line.commands):
            return ALLOW
        if self.sandbox == "read-only" and not facts.read_only:
            why = line.trouble or "it is not known to be read-only"
            return Verdict(Decision.DENY, f"nothing may be written here: {why}",
                           "sandbox read-only")  # fmt: skip
        if self.approval != "ask":
            return ALLOW
        if not exact:
            return Verdict(Decision.ASK, f"it is not understood: {line.trouble}", "approval ask")
        open_ones = [c for c in line.commands if not self._allowed(c, inside)]
        if not open_ones:
            return ALLOW
        pattern = exact_pattern(open_ones[0]) if len(open_ones) == 1 else ""
        if not all(_writes_nothing(command) for command in open_ones):
            pattern = ""
        return Verdict(Decision.ASK, "it is not known to be read-only", "approval ask",
                       f"shell({pattern})" if pattern else "")  # fmt: skip

    def _allowed(self, command: Simple, inside: Any) -> bool:
        if is_known(command, inside):
            return True
        return _writes_nothing(command) and any(
            rule.names("shell") and allows_command(rule, command) for rule in self._allowing()
        )

    def _allowing(self) -> list[Rule]:
        return [rule for rule in self.rules if rule.decision is Decision.ALLOW]

    def _granted(self, name: str, facts: Facts) -> bool:
        """Whether an allow rule covers a tool with all the paths that it touches."""
        return any(
            rule.names(name)
            and (
                not rule.pattern
                or (
                    bool(facts.paths)
                    and all(path_matches(rule.pattern, path, sure=True) for path in facts.paths)
                )
            )
            for rule in self._allowing()
        )


def _is_plain(paths: tuple[str, ...]) -> bool:
    return bool(paths) and not any(mark in paths[-1] for mark in "*?()[]\n")


def _writes_nothing(command: Simple) -> bool:
    """No redirection that makes or changes a file: an allow rule is about the command alone."""
    return all(harmless(redirect) for redirect in command.redirects)
