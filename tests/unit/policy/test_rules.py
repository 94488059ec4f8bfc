"""Rules and what they are about."""

from __future__ import annotations

import pytest

from agent.policy.rules import (
    Rule,
    allows_command,
    exact_pattern,
    forbids_command,
    parse_rule,
    path_matches,
)
from agent.policy.shell import parse
from agent.policy.verdict import Decision

ALLOW, DENY = Decision.ALLOW, Decision.DENY


@pytest.mark.parametrize(
    ("text", "tool", "pattern"),
    [
        ("shell", "shell", ""),
        ("shell(*)", "shell", ""),
        ("shell(git push *)", "shell", "git push *"),
        (" edit(src/**) ", "edit", "src/**"),
        ("edit(**)", "edit", ""),
        ("server__tool", "server__tool", ""),
        ("server__*", "server__*", ""),
        ("*", "*", ""),
    ],
)
def test_rules_are_read(text: str, tool: str, pattern: str) -> None:
    assert parse_rule(text, ALLOW) == Rule(ALLOW, tool, pattern)


@pytest.mark.parametrize(
    "text", ["", "shell(", "shell()", "a b", "shell('x)", "server__tool(x)", "nothing(x)", "a(b)c"]
)
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rule(text, ALLOW)


def allows(pattern: str, line: str) -> bool:
    (command,) = parse(line).commands
    return allows_command(parse_rule(f"shell({pattern})", ALLOW), command)


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ("make test", "make test", True),
        ("make test", "make  'test'", True),
        ("make test", "make test all", False),
        ("make test *", "make test", True),
        ("make test *", "make test a b", True),
        ("npm * --dry", "npm run x --dry", True),
        ("npm run test-?", "npm run test-1", True),
        ("npm run test-?", "npm run test-11", False),
        ("make *", "'make all' x", False),
        ("make test", "./make test", False),
        ("make test", "MAKE test", False),
        ("make *", "make $x", False),
        ("make *", "make *", False),
        ("git commit -m 'a b'", 'git commit -m "a b"', True),
    ],
)
def test_what_an_allow_rule_is_about(pattern: str, line: str, expected: bool) -> None:
    assert allows(pattern, line) is expected


@pytest.mark.parametrize(
    "line",
    [
        "git push", "git push origin main", "git  'push'", "/usr/bin/git push", "GIT PUSH",
        "git -C x push", "git -c a=b --no-pager push", "true; git push", "true && (git push)",
        "for i in 1; do git push; done", "echo $(git push)", "if a; then git push; fi",
        "$x push", "git $x", "env git push", "env A=b git push", "timeout 5 git push",
        "echo push | xargs git", "xargs -n1 git push", "bash -c 'git push'", "sh -c 'a; git push'",
        "eval git push", "eval 'git push'", "echo git push | bash", "command git push",
        "find . -exec git push \\;", "sudo -u x git push", "bash -c \"bash -c 'git push'\"",
        "A=b git push", "git push > x", "f() { git push; }; f", "nohup git push &", "x 'y",
        "a;" * 9000,
        "\\git push", "exec git push", "time git push", "bash <<< 'git push'",
    ],
)  # fmt: skip
def test_what_a_deny_rule_is_about(line: str) -> None:
    assert forbids_command(parse_rule("shell(git push)", DENY), parse(line))


@pytest.mark.parametrize(
    "line",
    ["git status", "git pull", "echo git push", "ls; make", "for i in a; do wc $i; done", "bash a",
     "env A=b make", "timeout 5 ls", "grep -r 'git push' .", "git commit -m 'git push'"],
)  # fmt: skip
def test_what_it_is_not_about(line: str) -> None:
    assert not forbids_command(parse_rule("shell(git push)", DENY), parse(line))


@pytest.mark.parametrize(
    "line", ["make test", "git commit -m 'a b'", "x '*' '[a]' '?'", "a 'it'\\''s' \"q\\\"q\""]
)
def test_an_exact_pattern_allows_that_command_only(line: str) -> None:
    (command,) = parse(line).commands
    rule = parse_rule(f"shell({exact_pattern(command)})", ALLOW)
    assert allows_command(rule, command)
    for other in (line + " more", "x " + line, line.replace("a", "b").replace("*", "y")):
        if other != line:
            assert not allows_command(rule, parse(other).commands[0])


@pytest.mark.parametrize("line", ["ls $x", "ls *", "ls 'a\nb'"])
def test_no_pattern_where_none_is_exact(line: str) -> None:
    assert exact_pattern(parse(line).commands[0]) == ""


@pytest.mark.parametrize(
    ("pattern", "path", "allowed", "denied"),
    [
        ("src/**", "src/a/b.py", True, True),
        ("src/*", "src/b.py", True, True),
        ("src/*", "src/a/b.py", False, True),
        ("src", "src/b.py", False, True),
        ("**/*.pem", "a/b/c.pem", True, True),
        ("**/*.pem", "c.pem", True, True),
        ("*.PEM", "c.pem", False, True),
        ("a?c", "abc", True, True),
        ("a?c", "a/c", False, False),
        ("./a", "a", True, True),
        ("a.b", "axb", False, False),
        ("src/**", "other/src/a", False, False),
        ("a", "a\nb", False, False),
    ],
)
def test_paths(pattern: str, path: str, allowed: bool, denied: bool) -> None:
    assert path_matches(pattern, path, sure=True) is allowed
    assert path_matches(pattern, path, sure=False) is denied
