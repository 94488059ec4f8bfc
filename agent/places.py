"""Where a check failed: files and lines of the workspace, out of the reports of test runners.

Read are the reports of pytest and unittest, other Python tracebacks, and the lines of compilers,
linters and `go test` (`file:line:column: message`, `file(line,column): message`, rustc's arrows).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from agent.events import Place

MOST = 10
MOST_CHARS = 1_000
_LONGEST_LINE = 2_000
Inside = Callable[[str], str]  # the path in the workspace, '' for what is not meant

_FRAME = re.compile(r'^\s*File "(?P<file>[^"\n]+)", line (?P<line>\d{1,7})\b')
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(:|$)")
_PYTEST_HEAD = re.compile(r"^_{3,} (?P<name>.+?) _{3,}$")
_PYTEST_AT = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d{1,7}): ?(?P<what>\S.*)?$")
_RUST = re.compile(r"^\s*--> (?P<file>[^\s:][^:\n]*):(?P<line>\d{1,7}):\d+$")
_COLON = re.compile(
    r"^\s*(?P<file>[^\s:()\"'][^:()\"'\n]*):(?P<line>\d{1,7})(?::\d{1,7})?:? (?P<message>\S.*)$"
)
_BRACKETS = re.compile(
    r"^\s*(?P<file>[^\s:()\"'][^:()\"'\n]*)\((?P<line>\d{1,7})(?:,\d{1,7})?\): ?(?P<message>\S.*)$"
)
_HARMLESS = re.compile(r"^(warning|note|info|hint|help)\b", re.IGNORECASE)
_RULE = re.compile(r"^[=_-]{20,}")


def places(
    output: str, root: Path, among: Callable[[str], bool] = lambda _file: True
) -> tuple[Place, ...]:
    """The first places that a failed check's output names, each once; only files below `root`, and
    of these `among` them."""
    lines = [line[:_LONGEST_LINE] for line in output.splitlines()]

    def inside(file: str) -> str:
        name = _inside(file, root)
        return name if among(name) else ""

    found: dict[tuple[str, int], str] = {}
    for file, line, message in (*_pytest(lines, inside), *_tracebacks(lines, inside)):
        found.setdefault((file, line), message)
    if not found:
        for file, line, message in _messages(lines):
            if name := inside(file):
                found.setdefault((name, line), message)
            if len(found) == MOST:
                break
    return tuple((file, line, text[:MOST_CHARS]) for (file, line), text in found.items())[:MOST]


def _inside(file: str, root: Path) -> str:
    """The path from `root`; '' for what is no file there."""
    try:
        path = (root / file.strip()).resolve()
        is_here = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError):
        return ""
    return path.relative_to(root).as_posix() if is_here else ""


def _pytest(lines: list[str], inside: Inside) -> Iterator[Place]:
    """One for each failed test: its deepest line in the workspace, and the error."""
    heads = [n for n, line in enumerate(lines) if _PYTEST_HEAD.match(line)]
    for start, end in pairwise([*heads, len(lines)]):
        at: tuple[str, int] | None = None
        errors: list[str] = []
        for line in lines[start + 1 : end]:
            if line.startswith("====") or line.startswith("---- "):
                break
            if line.startswith("E "):
                errors.append(line[1:].strip())
            elif (match := _PYTEST_AT.match(line)) and (name := inside(match["file"])):
                at = (name, int(match["line"]))
        if at and errors:
            test = _PYTEST_HEAD.sub(r"\g<name>", lines[start])
            yield *at, "\n".join([test, *errors])


def _tracebacks(lines: list[str], inside: Inside) -> Iterator[Place]:
    """One for each Python traceback: the deepest frame in the workspace, and the exception."""
    at: tuple[str, int] | None = None
    for number, line in enumerate(lines):
        if match := _FRAME.match(line):
            name = inside(match["file"])
            at = (name, int(match["line"])) if name else at
        elif at and _RAISED.match(line):
            yield *at, "\n".join(_until_rule(lines[number:]))
            at = None


def _until_rule(lines: list[str]) -> Iterator[str]:
    for line in lines[:20]:
        if not line.strip() or _RULE.match(line) or _FRAME.match(line):
            return
        yield line


def _messages(lines: list[str]) -> Iterator[Place]:
    for number, line in enumerate(lines):
        if match := _RUST.match(line):
            message = lines[number - 1] if number else ""
            if not _HARMLESS.match(message):
                yield match["file"], int(match["line"]), message
            continue
        match = _COLON.match(line) or _BRACKETS.match(line)
        if match and not _HARMLESS.match(match["message"]):
            yield match["file"], int(match["line"]), match["message"]
