"""Which commands are known to change nothing."""

from __future__ import annotations

import pytest

from agent.policy.readonly import is_known
from agent.policy.shell import parse


def known(line: str, *, confined: bool = True) -> bool:
    read = parse(line)

    def inside(path: str) -> bool:
        return not path.startswith(("/", "..", "link"))

    found = [is_known(command, None if confined else inside) for command in read.commands]
    return not read.trouble and all(found)


@pytest.mark.parametrize(
    "line",
    [
        "ls -la src", "ls *.py", "cat a.txt b.txt", "head -20 a", "head -n 20 a", "tail -n +5 a",
        "wc -l *.py", "grep -rn 'def main' src", "rg -n main src --glob '*.py'", "rg -tpy -C3 x",
        "find . -name '*.py' -not -path './x/*' -type f",
        "find src -maxdepth 2 \\( -name a -o -name b \\)",
        "sort -k2,2 -n a | uniq -c | sort -rn | head -5", "sed -n 1,20p a.py", "sed -n '5p;7,$p' a",
        "git status", "git status --short", "git log --oneline -10",
        "git diff --stat HEAD~1 -- src",
        "git show HEAD:a.py", "git branch -a", "git --no-pager log -n 3", "git remote -v",
        "echo 'hello' 2>&1", "cat < a", "cat a > /dev/null 2>&1", "cd src && ls", "(cd src; pwd)",
        "python3 --version", "date +%F", "diff -u a b", "cut -d: -f1 a", "jq .name package.json",
        "! grep -q x a", "true", "stat a", "uniq a", "tree -L 2", "git ls-files | wc -l",
    ],
)  # fmt: skip
def test_known(line: str) -> None:
    assert known(line)


@pytest.mark.parametrize(
    "line",
    [
        "rm a", "touch a", "python3 a.py", "make", "ls > out", "cat a >> b",
        "cat < /dev/tcp/1.2.3.4/5",
        "cat a >& b", "find . -delete", "find . -exec rm {} \\;", "find . -ok rm {} \\;",
        "find . -fls a",
        "find . -fprint a", "find . -execdir x {} +", "find . -files0-from a", "rg --pre x y",
        "rg --pre=x y", "rg -z x", "rg --search-zip x", "rg --hostname-bin=x y", "sort -o a b",
        "sort --output=a b", "sort -oa b", "sort --compress-program=x a",
        "sort --compress-prog x a",
        "sort -T /x a", "sort *", "uniq a b", "uniq -c a b", "sed -i s/a/b/ c", "sed s/a/b/w c",
        "sed -n 1e a", "sed -n '1w out' a", "sed -n 1p -i a", "sed 1p a", "awk 1 a", "xargs ls",
        "env ls", "env", "git push", "git -c a=b status", "git -C x status", "git log --output=a",
        "git diff --ext-diff", "git grep -O x", "git branch new", "git branch -D x", "git tag x",
        "git stash", "git remote add a b", "git show --textconv", "git config -l", "git checkout a",
        "tree -o a", "date -s x", "date 01010000", "file -C -m x", "printf %n x", "test -v x",
        "head -c 3 > a", "tail -f a", "bash a", "./ls", "/tmp/ls", "LS", "command ls", "time ls",
        "exec ls", "date *", "find * -name x", "uniq [a]*", "rg *", "hash -p x ls", "source a",
        ". a",
        "echo a | tee b", "diff -l a b", "xxd a b", "trap x 0", "set -x", "enable -f a ls",
    ],
)  # fmt: skip
def test_not_known(line: str) -> None:
    assert not known(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cat src/a.py", True),
        ("ls", True),
        ("grep -n x a", True),
        ("cat /etc/passwd", False),
        ("cat ../a", False),
        ("cat link", False),
        ("cat < /etc/passwd", False),
        ("grep -f/etc/passwd a", False),
        ("diff --exclude=../x a b", False),
        ("cat *", False),
        ("git status", False),
        ("cd src", False),
        ("python3 --version", False),
    ],
)
def test_without_a_sandbox_only_the_workspace_is_read(line: str, expected: bool) -> None:
    assert known(line, confined=False) is expected
