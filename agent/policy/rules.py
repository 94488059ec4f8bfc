"""Rules of the settings: `shell(git push *)`, `edit(src/**)`, `server__tool`, `*`.

A pattern of `shell` is a list of words: each is compared with one word of the command, with `*` and
`?` inside it, and a word that is only `*` stands for any number of words. A pattern of a tool that
takes a path is a path from the workspace's root: `*` is within a folder, `**` goes below. `edit`
means every tool that writes a file.
"""

from __future__ import annotations

import fnmatch
import glob
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent.policy.effects import EFFECTS
from agent.policy.shell import Line, Simple, parse
from agent.policy.verdict import Decision

_RULE = re.compile(r"(?P<tool>[\w*?-]+)(?:\((?P<pattern>.*)\))?", re.DOTALL)
# Programs that run what their arguments say: a rule against a command looks behind them too.
WRAPPERS = frozenset(
    {"busybox", "builtin", "chroot", "chrt", "command", "doas", "env", "exec", "find", "flock",
     "ionice", "nice", "nohup", "parallel", "script", "setsid", "stdbuf", "strace", "sudo", "time",
     "timeout", "unbuffer", "unshare", "watch", "xargs"}
)  # fmt: skip
SHELLS = frozenset(
    {".", "ash", "bash", "dash", "eval", "ksh", "mksh", "sh", "source", "trap", "zsh"}
)
APPENDING = frozenset({"find", "parallel", "xargs"})  # add words to the command that they run
MOST_NESTED = 3  # a command line in a word of a command line in ...


@dataclass(frozen=True)
class Rule:
    """One line of the settings; `pattern` is '' when the rule is about the whole tool."""

    decision: Decision
    tool: str
    pattern: str = ""

    @property
    def text(self) -> str:
        """The rule as a person writes it."""
        return f"{self.tool}({self.pattern})" if self.pattern else self.tool

    def names(self, tool: str) -> bool:
        """Whether the rule is about this tool, with or without a pattern."""
        if self.tool == "edit" and EFFECTS.get(tool) == "write":
            return True
        return fnmatch.fnmatchcase(tool, self.tool)


def parse_rule(text: str, decision: Decision) -> Rule:
    """The rule that `text` means. Raises ValueError with a reason for people."""
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no rule: write tool, shell(git push *) or edit(src/**)")
    tool, pattern = match["tool"], (match["pattern"] or "").strip()
    if match["pattern"] is not None and not pattern:
        raise ValueError(f"{text!r} has nothing between its brackets: leave them out")
    if pattern == "*" or (pattern == "**" and tool != "shell"):
        pattern = ""
    if pattern and ("__" in tool or EFFECTS.get(tool) in (None, "plain")):
        raise ValueError(f"{text!r}: only the tools that take a path or a command have patterns")
    if tool == "shell" and pattern:
        words(pattern)
    return Rule(decision, tool, pattern)


def words(pattern: str) -> list[str]:
    """The words of a shell pattern. Raises ValueError for an open quote."""
    try:
        return shlex.split(pattern)
    except ValueError as error:
        raise ValueError(f"{pattern!r} cannot be split into words: {error}") from error


def exact_pattern(command: Simple) -> str:
    """The pattern that means this command only; '' where that cannot be written."""
    texts = command.argv
    if not texts or any(text is None or "\n" in text for text in texts):
        return ""
    if any(word.glob for word in command.words):
        return ""
    return " ".join(shlex.quote(glob.escape(text)) for text in texts if text is not None)


def allows_command(rule: Rule, command: Simple) -> bool:
    """Whether an allow rule is about exactly this command."""
    argv = command.argv
    if not rule.pattern:
        return True
    if any(text is None for text in argv) or any(word.glob for word in command.words):
        return False
    return _match(words(rule.pattern), argv, sure=True)


def forbids_command(rule: Rule, line: Line) -> bool:
    """Whether a deny or ask rule may be about a command of this line.

    What is only known when it runs counts as what the rule names, and so does what a wrapper or
    another shell is told to run.
    """
    if not rule.pattern or line.lost:
        return True
    pattern = words(rule.pattern)
    return any(_may_run(pattern, command, MOST_NESTED) for command in line.commands)


def _may_run(pattern: list[str], command: Simple, depth: int) -> bool:
    argv = command.argv
    if not argv:
        return False
    if _match(pattern, _plainly(argv), sure=False):
        return True
    name = argv[0] and PurePosixPath(argv[0]).name
    if name in SHELLS and all(text in ("-s", "-", "-i", "-l") for text in argv[1:]):
        return True  # what it runs comes from elsewhere
    if name not in SHELLS | WRAPPERS:
        return False
    more = name in APPENDING
    behind = (argv[i:] for i in range(1, len(argv)))
    if any(_match(pattern, _plainly(rest), sure=False, more=more) for rest in behind):
        return True
    return any(_told(pattern, text, depth) for text in argv[1:])


def _told(pattern: list[str], text: str | None, depth: int) -> bool:
    """Whether a word that a wrapper or a shell gets may be a command line that runs it."""
    if text is None or depth == 0:
        return True
    if not any(mark in text for mark in " \t\n;|&$`<"):
        return False
    inner = parse(text)
    return inner.lost or any(_may_run(pattern, each, depth - 1) for each in inner.commands)


def _plainly(argv: Sequence[str | None]) -> list[str | None]:
    """Without the folder of the program, and without git's options before its subcommand."""
    if not argv or argv[0] is None:
        return list(argv)
    found: list[str | None] = [PurePosixPath(argv[0]).name, *argv[1:]]
    if found[0] != "git":
        return found
    at = 1
    while at < len(found) and (option := found[at]) is not None and option.startswith("-"):
        takes_next = option in ("-C", "-c", "--git-dir", "--work-tree", "--namespace",
                                "--exec-path", "--config-env", "--super-prefix")  # fmt: skip
        at += 2 if takes_next else 1
    return ["git", *found[at:]]


def _match(
    pattern: Sequence[str], argv: Sequence[str | None], *, sure: bool, more: bool = False
) -> bool:
    """Words against words. A rule that forbids (not `sure`) is about longer commands too.

    `more`: words that nobody knows yet come behind these.
    """
    states = _skip(pattern, {0})
    for text in argv:
        if not sure and len(pattern) in states:
            return True
        states = _skip(
            pattern,
            {
                after
                for at in states
                if at < len(pattern)
                for after in _step(pattern[at], text, at, sure=sure)
            },
        )
    return bool(states) if more else len(pattern) in states


def _skip(pattern: Sequence[str], states: set[int]) -> set[int]:
    """The word '*' may stand for nothing."""
    found = set(states)
    for at, word in enumerate(pattern):
        if at in found and word == "*":
            found.add(at + 1)
    return found


def _step(pattern: str, text: str | None, at: int, *, sure: bool) -> tuple[int, ...]:
    if pattern == "*":
        return (at,)
    if text is None:
        return () if sure else (at + 1,)
    if sure:
        return (at + 1,) if fnmatch.fnmatchcase(text, pattern) else ()
    return (at + 1,) if fnmatch.fnmatchcase(text.lower(), pattern.lower()) else ()


def path_matches(pattern: str, path: str, *, sure: bool) -> bool:
    """Whether a path pattern covers a workspace-relative path.

    For rules that forbid (not `sure`) case does not matter, and a folder covers what is in it.
    """
    text = _path_regex(pattern.removeprefix("./"))
    flags = 0 if sure else re.IGNORECASE
    below = "" if sure else "(?:/.*)?"
    return re.fullmatch(text + below, path, flags | re.DOTALL) is not None


def _path_regex(pattern: str) -> str:
    out, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at]))
            at += 1
    return out
