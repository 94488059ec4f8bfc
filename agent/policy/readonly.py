"""Commands that are known to change nothing and to run nothing else: a list of options for each.

What is not listed is not known, also a new option of a known command. None as the options of a
command means that all of its options are harmless. Options may be shortened by the programs
themselves (`--compress-prog`); here only whole names count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.policy.shell import Redirect, Simple


@dataclass(frozen=True)
class Options:
    """Letters without a value, letters with one, and long names; `operands` is how many may follow.

    `numbers`: `-20` is fine.
    """

    letters: str = ""
    valued: str = ""
    long: frozenset[str] = frozenset()
    numbers: bool = False
    operands: int = 1_000_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMANDS: dict[str, Options | None] = {
    "basename": None,
    "cat": None,
    "cd": Options("LP", operands=1),
    "cksum": None,
    "cmp": None,
    "comm": None,
    "cut": None,
    "date": Options("uRI", "d", _names("utc iso-8601 rfc-3339 date rfc-email"), operands=0),
    "df": None,
    "diff": Options("abBcdeiHnNqrstTuwEyZ", "ULFIxXW", _names(
        "brief recursive unified context side-by-side new-file ignore-case ignore-all-space"
        " ignore-space-change ignore-blank-lines color exclude report-identical-files text"
        " suppress-common-lines width label minimal no-dereference")),
    "dirname": None,
    "du": None,
    "echo": None,
    "egrep": None,
    "expand": None,
    "false": None,
    "fgrep": None,
    "file": Options("bhiLkr", "", _names("brief mime mime-type mime-encoding dereference")),
    "fold": None,
    "grep": None,
    "groups": None,
    "head": None,
    "hexdump": Options("bcCdox", "ns"),
    "id": None,
    "join": None,
    "jq": None,
    "ls": None,
    "md5sum": None,
    "nl": None,
    "nproc": None,
    "od": None,
    "paste": None,
    "pwd": None,
    "readlink": None,
    "realpath": None,
    "rev": None,
    "rg": Options("cFhHiIlLnNopPqsSUuvwx0.", "ABCEegjmMtTd", _names(
        "after-context before-context context case-sensitive color column count count-matches"
        " encoding files files-with-matches files-without-match fixed-strings glob heading hidden"
        " iglob ignore-case invert-match json line-number line-regexp max-columns max-count"
        " max-depth multiline no-filename no-heading no-ignore no-ignore-vcs no-line-number"
        " no-messages null only-matching passthru pcre2 pretty quiet regexp replace smart-case sort"
        " sortr stats text trim type type-list type-not unrestricted with-filename word-regexp"
        " version help")),
    "seq": None,
    "sha1sum": None,
    "sha256sum": None,
    "sha512sum": None,
    "sort": Options("bcCdfghiMnRrsuVz", "kt", _names(
        "ignore-leading-blanks dictionary-order ignore-case general-numeric-sort month-sort"
        " human-numeric-sort numeric-sort random-sort reverse version-sort check key"
        " field-separator stable unique zero-terminated")),
    "stat": None,
    "sum": None,
    "tac": None,
    "tail": Options("qvz", "nc", _names("lines bytes quiet silent verbose zero-terminated"),
                    numbers=True),
    "tr": None,
    "tree": Options("adfigpshnCDFrtuqNxl", "LIP", _names("dirsfirst noreport prune gitignore")),
    "true": None,
    "type": None,
    "uname": None,
    "unexpand": None,
    "uniq": Options("cdDuiz", "fsw", _names(
        "count repeated unique ignore-case skip-fields skip-chars check-chars zero-terminated"),
        operands=1),
    "wc": None,
    "which": None,
    "whoami": None,
}  # fmt: skip

_SHOWING = _names(
    "oneline stat shortstat numstat name-only name-status summary graph all decorate no-decorate"
    " since until after before author committer grep max-count format pretty date abbrev-commit"
    " abbrev no-color color patch no-patch cached staged merges no-merges first-parent reverse"
    " follow word-diff unified ignore-all-space ignore-space-change ignore-blank-lines"
    " find-renames find-copies diff-filter relative dirstat raw minimal patience histogram"
    " no-renames tags branches topo-order date-order compact-summary full-index no-ext-diff"
    " no-textconv skip left-right cherry-pick root exit-code quiet check"
)
# Sandbox only: a repository's own configuration can make git run anything. See `tools/git`.
GIT: dict[str, Options] = {
    "blame": Options("celnpstw", "L", _names("since date abbrev porcelain line-porcelain root")),
    "branch": Options("alrv", "", _names("all list remotes verbose show-current no-color")),
    "describe": Options("", "", _names("all tags long always abbrev match exact-match dirty")),
    "diff": Options("pswbzM", "UGS", _SHOWING, numbers=True),
    "log": Options("pswbzM", "nUGSL", _SHOWING, numbers=True),
    "ls-files": Options("cdmostuz", "x", _names(
        "cached deleted modified others stage unmerged exclude-standard exclude full-name")),
    "ls-tree": Options("drtlz", "", _names("name-only name-status full-name abbrev long")),
    "merge-base": Options("a", "", _names("all is-ancestor octopus fork-point")),
    "rev-list": Options("", "n", _SHOWING | _names("count"), numbers=True),
    "rev-parse": Options("", "", _names(
        "show-toplevel abbrev-ref short verify is-inside-work-tree git-dir show-prefix symbolic")),
    "shortlog": Options("sne", "", _SHOWING),
    "show": Options("pswbzM", "UnGS", _SHOWING, numbers=True),
    "status": Options("sbuvz", "", _names(
        "short branch porcelain long verbose ignored untracked-files show-stash no-renames")),
}  # fmt: skip
# Operands would make these do something.
GIT_LISTS_ONLY = frozenset({"branch"})
FIND = _names(
    "a and amin anewer atime cmin cnewer ctime daystart depth empty executable false follow fstype"
    " gid group H ilname iname inum ipath iregex iwholename L links lname ls maxdepth mindepth mmin"
    " mount mtime name newer nogroup noleaf not nouser o or P path perm print print0 printf prune"
    " quit readable regex regextype samefile size true type uid used user wholename writable xdev"
    " xtype"
)
# In the sandbox only: version managers look at files of the project to find the program.
VERSIONS = _names("bash clang cmake gcc g++ make node perl php python python3")
_SED = re.compile(r"\d+(?:,(?:\d+|\$))?p(?:;\d+(?:,(?:\d+|\$))?p)*|\$p")


def is_known(command: Simple, inside: Callable[[str], bool] | None = None) -> bool:
    """Whether the command is known to change nothing and to run nothing.

    `inside` is given where no sandbox hides the rest of the machine: it tells of an operand whether
    it stays in the workspace. There, git is not known and patterns are not.
    """
    texts = [word.text for word in command.words]
    argv = [text for text in texts if text is not None]
    if not all(harmless(each) for each in command.redirects):
        return False
    if not texts and not command.assignments:
        return True  # the redirections of a group
    if not argv or len(argv) != len(texts) or command.assignments:
        return False
    if inside is not None and not _stays(command, argv, inside):
        return False
    name, rest = argv[0], argv[1:]
    # A file may be named like an option.
    free = name in COMMANDS and COMMANDS[name] is None
    if not free and any(w.glob and (w.text or "*")[0] in "*?[-" for w in command.words):
        return False
    if name == "git":
        return inside is None and _git(rest)
    if name == "find":
        return _find(rest)
    if name == "sed":
        return _sed(rest)
    if name in VERSIONS and rest == ["--version"]:
        return inside is None
    if name == "date":
        rest = [word for word in rest if not word.startswith("+")]  # formats
    if name == "cd" and inside is not None:
        return False  # relative paths behind it would mean something else
    return name in COMMANDS and fits(rest, COMMANDS[name])


def fits(words: Sequence[str], options: Options | None) -> bool:
    """Whether all options among the words are listed, and not too many operands follow."""
    if options is None:
        return True
    operands, at = 0, 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            operands += len(words) - at
            break
        if word == "-" or not word.startswith("-"):
            operands += 1
        elif word.startswith("--"):
            if word[2:].partition("=")[0] not in options.long:
                return False
        elif not (options.numbers and word[1:].isdecimal()):
            step = _letters(word[1:], options, words[at : at + 1])
            if step < 0:
                return False
            at += step
    return operands <= options.operands


def _letters(letters: str, options: Options, following: Sequence[str]) -> int:
    """How many further words a cluster of one-letter options takes; -1 when one is not listed."""
    for at, letter in enumerate(letters):
        if letter in options.valued:
            if at + 1 < len(letters):
                return 0
            # A value that looks like an option may be one for another version.
            return 1 if following and not following[0].startswith("-") else -1
        if letter not in options.letters:
            return -1
    return 0


def harmless(redirect: Redirect) -> bool:
    """Whether a redirection makes and changes no file and connects to nothing."""
    target = redirect.target.text
    if target is None or redirect.target.glob:
        return False
    if redirect.operator in (">&", "<&"):
        return target.isascii() and target.isdecimal()
    if redirect.operator == "<":
        # bash itself opens connections for /dev/tcp.
        return not target.startswith("/dev/")
    return target == "/dev/null"


def _stays(command: Simple, argv: Sequence[str], inside: Callable[[str], bool]) -> bool:
    operands = [*argv[1:], *(r.target.text or "" for r in command.redirects)]
    if any(word.glob for word in command.words):
        return False
    for text in operands:
        if text in ("", "-", "/dev/null") or text.isdecimal():
            continue
        if text.startswith("-"):
            if "/" in text or ".." in text:
                return False
        elif not inside(text):
            return False
    return True


def _git(rest: Sequence[str]) -> bool:
    if rest[:1] == ["--no-pager"]:
        rest = rest[1:]
    if rest == ["--version"]:
        return True
    if rest in (["remote"], ["remote", "-v"], ["stash", "list"], ["tag"], ["tag", "-l"]):
        return True
    if not rest or rest[0] not in GIT or not fits(rest[1:], GIT[rest[0]]):
        return False
    return rest[0] not in GIT_LISTS_ONLY or all(word.startswith("-") for word in rest[1:])


def _find(rest: Sequence[str]) -> bool:
    options = [word for word in rest if word.startswith("-") and word != "-"]
    return all(word[1:] in FIND or _is_number(word) for word in options)


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-\d+[a-zA-Z]?", word) is not None


def _sed(rest: Sequence[str]) -> bool:
    """Only `sed -n 1,20p FILE ...`: other scripts can write and run."""
    if len(rest) < 2 or rest[0] != "-n" or not _SED.fullmatch(rest[1]):
        return False
    return all(not word.startswith("-") or word == "-" for word in rest[2:])
