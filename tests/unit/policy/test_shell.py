"""What a command line is taken for, against bash itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.policy.readonly import harmless
from agent.policy.rules import Rule, forbids_command
from agent.policy.shell import MOST_BYTES, parse
from agent.policy.verdict import Decision

# Notes the words of every command that bash runs, by way of its hook for unknown commands, which
# is a process of its own each time.
HOOK = """command_not_found_handle() { printf '%s\\0' "$@" > "$LOGS/$BASHPID"; return "$CODE"; }
"""


def words(line: str) -> list[list[str | None]]:
    return [command.argv for command in parse(line).commands if command.words]


def run_in_bash(line: str, folder: Path, code: int) -> list[list[str]]:
    """What bash runs in `folder` / work, when every command that it runs returns `code`."""
    logs, work = folder / "logs", folder / "work"
    logs.mkdir()
    work.mkdir()
    env = {"PATH": str(work), "CODE": str(code), "LANG": "C.UTF-8", "LOGS": str(logs),
           "FUNCNEST": "20"}  # fmt: skip
    # With pipes, so that it is waited for what runs in the background too.
    subprocess.run(
        ["/bin/bash", "--norc", "-c", f"{HOOK}{line}\n"],
        cwd=work, env=env, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return [
        [os.fsdecode(word) for word in path.read_bytes().split(b"\0")[:-1]]
        for path in logs.iterdir()
    ]


# Pieces of lines: names that are no builtins, quotes, operators, and whatever could confuse.
PIECE = st.sampled_from(
    ["xa", "xb", "-n", "--o=v", " ", "  ", "\t", "\n", ";", "&&", "||", "|", "&", "(", ")", "!",
     "'", '"', "\\", "'a b'", '"c d"', "''", '""', "\\ ", "\\\\", "\\'", '\\"', "a'b'c", 'a"b"c',
     "#", "x#y", "$", "$x", "${x}", "$(xa)", "`xa`", "$'a'", "~", "a=~", "*", "?", "[a]", "{", "}",
     "{}", "{a,b}", "=", "a=b", "<", ">", ">>", "2>", "2>&1", "<&", "&>", "|&", "/dev/null", ":",
     "\\\n", "<<x", "<<<", "<(xa)", "1", "007", "é", "\u00a0", "\r", "^", "%", "@", "+", ",", ".",
     "if", "then", "fi", "for", "in", "do", "done", "{ ", " }", "[[", "]]", "((", "))", "time",
     "function", "case", "esac", "~root", "!x", "\\n", "\\$", "$$", "$!", "-"]
)  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(PIECE, min_size=1, max_size=9), st.sampled_from([0, 1]))
def test_what_is_understood_is_what_bash_runs(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], code: int
) -> None:
    """Every command that bash runs is among those that were read, word for word."""
    line = "xa " + "".join(pieces)
    read = parse(line)
    if read.trouble:
        return
    # A folder for each: what runs in the background may go on after bash has ended.
    folder = tmp_path_factory.mktemp("bash")
    ran = run_in_bash(line, folder, code)
    for argv in ran:
        assert argv in words(line), (line, ran)
    if all(harmless(redirect) for c in read.commands for redirect in c.redirects):
        assert list((folder / "work").iterdir()) == []


@settings(max_examples=700)
@given(st.lists(PIECE, min_size=1, max_size=9), st.sampled_from([0, 1]))
def test_a_rule_sees_every_program_that_bash_runs(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], code: int
) -> None:
    """Also in lines that are not understood: at worst it says that it cannot know."""
    line = "xa " + "".join(pieces)
    for argv in run_in_bash(line, tmp_path_factory.mktemp("bash"), code):
        # Such as a person would name in a rule; not one with a carriage return in its name.
        if argv and re.fullmatch(r"[\w.+-]+", argv[0]):
            rule = Rule(Decision.DENY, "shell", argv[0])
            assert forbids_command(rule, parse(line)), (line, argv)


@pytest.mark.parametrize("line", ["x\\\na", "xa \nx\\\na", "true\n\\\nxa", "true;\\\nxa"])
def test_a_rule_sees_a_program_behind_a_continuation(
    tmp_path_factory: pytest.TempPathFactory, line: str
) -> None:
    """The grammar ends a word there, where bash reads on."""
    assert ["xa"] in run_in_bash(line, tmp_path_factory.mktemp("bash"), 0)
    assert forbids_command(Rule(Decision.DENY, "shell", "xa"), parse(line))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ls -l 'a b' \"c d\" e\\ f", [["ls", "-l", "a b", "c d", "e f"]]),
        ("a && b || c; d | e & f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("(cd a; ls) 2>&1", [["cd", "a"], ["ls"]]),
        ("! grep x y", [["grep", "x", "y"]]),
        ("# first\nls\n  # last\n", [["ls"]]),
        ("l's' \"-\"l", [["ls", "-l"]]),
        ("echo 'a'\\''b'", [["echo", "a'b"]]),
        ('grep "a\\$b\\"c\\n" f', [["grep", 'a$b"c\\n', "f"]]),
        ("find . -exec rm {} \\;", [["find", ".", "-exec", "rm", "{}", ";"]]),
        ("ls" + " " * 2000 + "; touch x", [["ls"], ["touch", "x"]]),
        ("true; " * 200 + "touch x", [*[["true"]] * 200, ["touch", "x"]]),
        ("", []),
    ],
)
def test_lines_that_are_understood(line: str, expected: list[list[str]]) -> None:
    assert parse(line).trouble == ""
    assert words(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "$(echo rm) x", "`echo rm` x", "ls $HOME", "ls ${x:-y}", 'ls "$x"', "ls $'\\x41'", "ls ~",
        "ls {a,b}", "cat <(ls)", "cat <<E\nx\nE", "cat <<< x", "A=b ls", "A=b", "export A=b",
        "unset A", "[ -f x ]", "[[ -f x ]]", "((x=1))", "if a; then b; fi",
        "for i in a; do b; done",
        "while a; do b; done", "case a in a) b;; esac", "f() { a; }", "{ a; }", "ls \\\n -l",
        "ls \r\nrm x", "ls \x00", "ls # x", "ls 3<>x", "ls 'a", "> x", "ls > *", "a=~ b",
        "ls;;ls", "echo $((1+1))", "a[0]=1", "declare -x A=b", "ls \u2028 rm",
    ],
)  # fmt: skip
def test_lines_that_are_not(line: str) -> None:
    assert parse(line).trouble


def test_what_stands_in_a_loop_is_found_all_the_same() -> None:
    line = parse('for f in *; do git push "$f" > log; done; echo $(rm x)')
    assert line.trouble and not line.lost
    assert [c.argv for c in line.commands] == [["git", "push", None], ["echo", None], ["rm", "x"]]


@pytest.mark.parametrize(
    "line",
    ["x" * (MOST_BYTES + 1), "$(" * 5000, "(" * 5000, "a;" * 8000, "ls 'a", '"' + "$(" * 2000],
)
def test_what_cannot_be_read_is_said_to_be_lost(line: str) -> None:
    read = parse(line)
    assert read.trouble and read.lost


def test_no_character_behind_a_brace_ends_the_process() -> None:
    """tree-sitter-bash itself dies of some of these: its scanner looks them up beyond a table."""
    code = (
        "from agent.policy.shell import parse\n"
        "for point in range(0x80, 0x110000, 61):\n"
        "    if not 0xD800 <= point < 0xE000: parse('n {' + chr(point))\n"
        "print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")


@pytest.mark.parametrize("line", ["é=1 ls", "ls é", "ls 'ü' \"ß\""])
def test_other_letters_are_parts_of_words(line: str) -> None:
    ours = [word for command in parse(line).commands for word in command.argv]
    assert ours == line.replace("'", "").replace('"', "").split(" ")


@given(st.text(max_size=200))
def test_no_text_breaks_it(line: str) -> None:
    parse(line)
