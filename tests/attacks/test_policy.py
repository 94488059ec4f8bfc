"""Commands that look harmless and are not: none runs without a question.

Each line is first run by a bare bash, in a folder made for it, where its payload must do its work:
it makes a file whose name begins with `pwned`. Only then it is put before the policy.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.messages import ToolCall
from agent.policy import Decision, Facts, Policy, parse_rule

BUILTINS = [
    "eval 'touch pwned'", "command touch pwned", "builtin eval 'touch pwned'", "exec touch pwned",
    "trap 'touch pwned' EXIT", "source ./evil", ". ./evil", "hash -p ./evil ls; ls",
    "printf -v PATH ./bin; ls", "export PATH=./bin; ls", "PATH=./bin; ls", "PATH=./bin ls",
    "mapfile -c 1 -C 'touch pwned #' < one.txt", "[ -v 'a[$(touch pwned)]' ]", "cd bin; ./ls",
    "test -v 'a[$(touch pwned)]'", "let 'a[$(touch pwned)]=1'", "declare 'a[$(touch pwned)]=1'",
    "[[ 'a[$(touch pwned)]' -eq 1 ]]", "ls() { touch pwned; }; ls",
    "function ls { touch pwned; }\nls",
    "set -- pwned; touch $1", "coproc touch pwned; wait", "read x < name; touch $x",
]  # fmt: skip
SUBSTITUTIONS = [
    "ls $(touch pwned)", "ls `touch pwned`", 'ls "$(touch pwned)"', "cat <(touch pwned)",
    "ls ${x:=$(touch pwned)}", "echo $((a[$(touch pwned)]))", "cat <<E\n$(touch pwned)\nE",
    "cat <<< $(touch pwned)", "echo ${x:-`touch pwned`}", "echo \"a $(touch pwned) b\"",
    "cat > $(echo pwned)", "ls 2> >(touch pwned)", "echo \"${x[$(touch pwned)]}\"",
]  # fmt: skip
NEWLINES = [
    "ls\ntouch pwned", "ls # x\ntouch pwned", "ls \\\n;touch pwned", "echo '\n'; touch pwned",
    "ls\n\n\n\t touch pwned", "echo a\\\n#b; touch pwned", "echo 'a\n#' ; touch pwned",
    "ls\r\ntouch pwned", "echo \\#; touch pwned", "echo a#b; touch pwned",
]  # fmt: skip
LONG = [
    "true; " * 200 + "touch pwned", ": && " * 200 + "touch pwned",
    "ls" + " " * 2000 + "; touch pwned",
    "ls;" + "\n" * 2000 + "touch pwned", "echo " + "a " * 20_000 + "; touch pwned",
    "( " * 30 + "touch pwned" + " )" * 30, "ls" + "\t" * 2000 + "&& touch pwned",
    "$(" * 40 + "touch pwned" + ")" * 40,
]  # fmt: skip
OPERATORS = [
    "ls & touch pwned", "ls && touch pwned", "false || touch pwned", "ls | touch pwned",
    "! touch pwned", "{ touch pwned; }", "(touch pwned)", "if touch pwned; then :; fi",
    "for i in 1; do touch pwned; done", "while touch pwned; do break; done", "time touch pwned",
    "case a in a) touch pwned;; esac", "ls |& touch pwned", "ls;touch pwned",
]  # fmt: skip
NAMES = [
    "t'ou'ch pwned", "\\touch pwned", "$'touch' pwned", '"touch" pwned', "{touch,pwned}",
    "/usr/bin/touch pwned", "/usr/bin/tou?h pwned", "x=touch; $x pwned", "./evil",
    "$(echo touch) pwned",
    "ls;\\\ntouch pwned", "'./evil'", "~+/evil",
]  # fmt: skip
REDIRECTIONS = [
    "ls > pwned", "> pwned", "ls >| pwned", "ls >& pwned", "ls &> pwned", "ls >> pwned",
    "ls 3> pwned", "(ls) > pwned", "ls 2> pwned", "> pwned ls", "ls <> pwned", "{ ls; } > pwned",
]  # fmt: skip
OPTIONS = [
    "find . -name big -exec ./evil \\;", "find . -maxdepth 0 -exec touch pwned {} +",
    "find . -name big -execdir touch pwned \\;", "find . -fprint pwned", "find . -fls pwned",
    "find . -fprintf pwned x", "find . -maxdepth 0 -fprint0 pwned", "rg --pre ./evil 1 big",
    "rg --pre=./evil 1 big", "rg 1 big --pre ./evil",
    "sort -S1k --compress-program=./evil big", "sort -S1k --compress-prog ./evil big",
    "cd sorted && sort *",
    "sort -o pwned big", "sort -opwned big", "sort --output=pwned big", "sort big --outp pwned",
    "sed -n '1e touch pwned' big", "sed 's/.*/touch pwned/e;q' big", "sed -n '1w pwned' big",
    "sed -n 's/1/2/w pwned' big", "sed --expression '1w pwned' big", "uniq big pwned",
    "uniq -c big pwned",
    "tar cf /dev/null big --checkpoint=1 --checkpoint-action=exec=./evil", "tee pwned < big",
    "split -n 1 big pwned", "dd if=big of=pwned", "cp big pwned", "ln -s big pwned", "mkfifo pwned",
]  # fmt: skip
PROGRAMS = [
    "echo dG91Y2ggcHduZWQ= | base64 -d | bash", "bash <<< 'touch pwned'", "bash -c 'touch pwned'",
    "sh -c 'touch pwned'", "echo touch pwned | sh", "bash < evil", "echo pwned | xargs touch",
    "xargs -a name touch", "awk 'BEGIN { system(\"touch pwned\") }'",
    "awk 'BEGIN { print > \"pwned\" }'",
    f"{sys.executable} -c 'open(\"pwned\", \"w\")'", "python3 -c 'open(\"pwned\", \"w\")'",
    "env touch pwned", "env -S 'touch pwned'", "timeout 9 touch pwned", "nice touch pwned",
    "nohup touch pwned", "setsid -w touch pwned", "env PATH=./bin ls",
    "env LD_DEBUG=libs LD_DEBUG_OUTPUT=pwned ls",
    "LD_DEBUG=libs LD_DEBUG_OUTPUT=pwned ls", "export LD_DEBUG=libs LD_DEBUG_OUTPUT=pwned; ls",
    "BASH_ENV=./evil bash -c true", "make -f makefile", "stdbuf -o0 touch pwned",
]  # fmt: skip
GIT = [
    "git -c alias.x='!touch pwned' x", "git -c core.fsmonitor=./evil status",
    "git --exec-path=./bin x",
    "git -c diff.external=./evil diff", "git diff --ext-diff", "git diff", "git log --output=pwned",
    "git diff --output=pwned", "git show --output pwned",
    "git ls-remote --upload-pack='touch pwned;' .", "git grep --open-files-in-pager=./evil one",
    "git grep -O./evil one", "GIT_EXTERNAL_DIFF=./evil git diff",
    "export GIT_SSH_COMMAND='touch pwned;'; git ls-remote ssh://x/y", "git branch pwned",
    "git config alias.x '!touch pwned'; git x", "git tag pwned", "git archive -o pwned HEAD",
    "script -qec \"git -c core.pager='touch pwned' log\" /dev/null",
    "git stash; git checkout -b pwned",
]  # fmt: skip
# What git runs because of the repository's own configuration: nothing in the sandbox, where it is
# allowed; asked about where there is none.
BY_CONFIGURATION = {"git diff"}
TRICKS = [*BUILTINS, *SUBSTITUTIONS, *NEWLINES, *LONG, *OPERATORS, *NAMES, *REDIRECTIONS, *OPTIONS,
          *PROGRAMS, *GIT]  # fmt: skip
BOXED = Facts(confined=True)
BARE = Facts(confined=False, inside=lambda path: not path.startswith("/") and ".." not in path)


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A repository with what the tricks need, and `evil`, whose work is the payload."""
    folder = tmp_path / "ground"
    (folder / "bin").mkdir(parents=True)
    (folder / "sorted").mkdir()
    evil = f"#!/bin/bash\n/usr/bin/touch {folder}/pwned\ncat\n"
    for name in ("evil", "bin/ls", "bin/git-x"):
        (folder / name).write_text(evil)
        (folder / name).chmod(0o755)
    numbers = "".join(f"{i}\n" for i in range(20_000, 0, -1))
    for name in ("big", "sorted/big", "sorted/-S1k"):
        (folder / name).write_text(numbers)
    (folder / "sorted/--compress-program=..").mkdir()
    (folder / "sorted/--compress-program=..").rmdir()
    (folder / "sorted/--compress-program=evil").write_text("")
    (folder / "name").write_text("pwned\n")
    (folder / "makefile").write_text("all:\n\ttouch pwned\n")
    (folder / "one.txt").write_text("one\n")
    run("git init -q . && git add one.txt && git -c user.name=a -c user.email=b commit -qm one"
        " && git config diff.external ./evil && echo two >> one.txt", folder)  # fmt: skip
    return folder


def run(line: str, folder: Path) -> None:
    """Run a line as a user's own shell would, in `folder`."""
    paths = [str(Path(sys.prefix) / "bin"), "/usr/bin", "/bin", str(folder)]
    env = {"PATH": ":".join(paths), "HOME": str(folder), "LANG": "C.UTF-8",
           "GIT_CONFIG_NOSYSTEM": "1", "TERM": "dumb"}  # fmt: skip
    subprocess.run(["/bin/bash", "-c", line], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                   capture_output=True, timeout=60)  # fmt: skip


def payload_ran(folder: Path) -> bool:
    return any(True for _ in folder.rglob("pwned*"))


def decision(policy: Policy, line: str, facts: Facts) -> Decision:
    return policy.decide(ToolCall("1", "shell", {"command": line}), "shell", facts).decision


@pytest.mark.parametrize(
    "line", TRICKS, ids=lambda line: line[:60].encode("unicode_escape").decode()
)
def test_no_trick_runs_unasked(line: str, ground: Path) -> None:
    assert not payload_ran(ground)
    run(line, ground)
    assert payload_ran(ground), "the control: it does what it should not"

    places = [(BARE, "off")] if line in BY_CONFIGURATION else [(BOXED, "workspace"), (BARE, "off")]
    for facts, sandbox in places:
        assert decision(Policy(sandbox, "ask", can_ask=True), line, facts) is Decision.ASK
        assert decision(Policy(sandbox, "ask"), line, facts) is Decision.DENY
    # What a person has allowed for good does not open the door to it.
    allowed = tuple(
        parse_rule(text, Decision.ALLOW)
        for text in ("shell(ls *)", "shell(true)", "shell(echo *)", "shell(cat *)", "shell(cd *)")
    )
    for facts, sandbox in places:
        policy = Policy(sandbox, "ask", allowed, can_ask=True)
        assert decision(policy, line, facts) is Decision.ASK


@pytest.mark.parametrize(
    "line", TRICKS, ids=lambda line: line[:60].encode("unicode_escape").decode()
)
def test_without_a_sandbox_nothing_runs_at_all(line: str) -> None:
    assert decision(Policy("workspace", "auto"), line, BARE) is Decision.DENY
    assert decision(Policy("workspace", "auto", can_ask=True), line, BARE) is Decision.ASK
    assert decision(Policy("off", "auto"), line, BARE) is Decision.ALLOW  # the control: as wished


EVASIONS = [
    *LONG, *OPERATORS, *NEWLINES, "t'ou'ch pwned", "\\touch pwned", "$'touch' pwned",
    '"touch" pwned',
    "{touch,pwned}", "/usr/bin/touch pwned", "x=touch; $x pwned", "$(echo touch) pwned",
    "eval 'touch pwned'", "eval touch pwned", "command touch pwned", "exec touch pwned",
    "builtin command touch pwned", "trap 'touch pwned' EXIT", "ls() { touch pwned; }; ls",
    "ls $(touch pwned)", "ls `touch pwned`", "cat <(touch pwned)", "bash -c 'touch pwned'",
    "sh -c 'cd .; touch pwned'", "bash -c \"bash -c 'touch pwned'\"", "bash <<< 'touch pwned'",
    "echo touch pwned | bash", "echo dG91Y2ggcHduZWQ= | base64 -d | bash", "env touch pwned",
    "env -i A=b /usr/bin/touch pwned", "echo pwned | xargs touch", "timeout 9 touch pwned",
    "nice -n 5 touch pwned", "nohup touch pwned", "setsid -w touch pwned", "stdbuf -o0 touch pwned",
    "find . -maxdepth 0 -exec touch pwned \\;", "cd .; A=b touch pwned", "TOUCH=1 touch pwned",
    "if true; then touch pwned; fi", "touch -- pwned", "touch 'pwned'", "(touch pwned) 2>&1",
]  # fmt: skip


@pytest.mark.parametrize(
    "line", EVASIONS, ids=lambda line: line[:60].encode("unicode_escape").decode()
)
def test_a_deny_rule_is_not_evaded(line: str, ground: Path) -> None:
    """Also in mode auto, where the sandbox would let it run."""
    run(line, ground)
    assert payload_ran(ground), "the control: it runs the program that the rule names"

    assert decision(Policy("workspace", "auto"), line, BOXED) is Decision.ALLOW  # without the rule
    rule = parse_rule("shell(touch *)", Decision.DENY)
    assert decision(Policy("workspace", "auto", (rule,)), line, BOXED) is Decision.DENY
    allowed = (rule, parse_rule("shell", Decision.ALLOW))
    assert decision(Policy("workspace", "auto", allowed), line, BOXED) is Decision.DENY
