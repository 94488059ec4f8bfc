"""What the output of a failed check says of the files of a project, and which one to write next."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from agent.check import READ, CheckResult
from agent.context.python import module_of
from tools.code.naming import is_test

Score = tuple[int, int]
PATIENCE = 1.5  # tries of a file before those of the next
_PASSED = re.compile(r"^OK\b|^=+ \d+ passed", re.MULTILINE)  # unittest, pytest
_NO_FILE = re.compile(r"No such file or directory: '([^']+)'")


def absent_files(failure: str) -> list[str]:
    """The files that were to be read and are not there."""
    return _NO_FILE.findall(failure)


def missing_in(path: str, failure: str) -> list[str]:
    """The names that the failure says a Python file lacks, though others import them from it."""
    module = re.escape(module_of(path))
    found = re.findall(rf"cannot import name '(\w+)' from (?:\w+ )*'{module}'", failure)
    found += re.findall(rf"module '{module}' has no attribute '(\w+)'", failure)
    return list(dict.fromkeys(found))


def naming(result: CheckResult, files: Sequence[str]) -> str:
    """What of a check's output names the files: where it is cut, only the places may."""
    if files_in(result.failure, files):
        return result.failure
    return "\n".join(file for file, _, _ in reversed(result.places))


def passes_tests(result: CheckResult) -> bool:
    """Whether a check failed behind its tests."""
    return not result.in_tests and bool(_PASSED.search(result.failure))


def suspects(result: CheckResult, files: Sequence[str]) -> list[str]:
    """The files that may have to be mended: not the tests where they pass, and only code where what
    it prints is wrong."""
    if not passes_tests(result):
        return list(files)
    rest = [file for file in files if not is_test(file)]
    return [file for file in rest if file.endswith(".py") or READ not in result.failure]


def score(result: CheckResult) -> Score:
    """How far a check came: how many tests fail, and how soon they do; less is better."""
    return result.failures, -sum(line for _, line, _ in result.in_tests)


def absent_in(result: CheckResult, files: Sequence[str] = ()) -> set[str]:
    """The modules that a check did not find, but for those of these files' own packages: what needs
    more of them is no better."""
    roots = {file.partition("/")[0].removesuffix(".py") for file in files}
    names = re.findall(r"No module named '([\w.]+)'", result.failure)
    return {name for name in names if name.partition(".")[0] not in roots}


def files_in(failure: str, files: Sequence[str]) -> list[str]:
    """The files that a failure names, the last one first: there the error is."""
    at = {}
    for file in files:
        # `python -m package` runs its __main__.
        module = re.escape(file.removesuffix(".py").removesuffix("/__main__").replace("/", "."))
        # A module's bare name may be a word like any other.
        imported = rf"(?:from |import |-m |module ['\"]|named ['\"]){module}(?!\w)"
        pattern = rf"{imported}|(?<![\w.-]){re.escape(file)}"
        if r"\." in module:  # a name with dots is no other word
            pattern += rf"|(?<![\w./]){module}(?!\w)"
        places = [match.start() for match in re.finditer(pattern, failure)]
        if places:
            at[file] = places[-1]
    return sorted(at, key=lambda file: -at[file])


def next_file(failure: str, files: Sequence[str], tried: Counter[str]) -> str:
    """The file to write next: what the failure names last is tried again before the next one. ''
    where it names none.

    A test may be as wrong as what it tests, so it comes second; what it tests is what is called
    like it, where the failure names tests only.
    """
    named = files_in(failure, files)
    tests = [file for file in named if is_test(file)]
    code = [file for file in named if file not in tests]
    if not code and tests:
        stems = " ".join(PurePosixPath(file).stem for file in tests)
        code = [file for file in files if file.endswith(".py") and not is_test(file)]
        code.sort(key=lambda file: PurePosixPath(file).stem not in stems)
    code.sort(key=lambda file: file.endswith("__init__.py"))  # that mostly only gathers
    order = [*code[:1], *tests[:1], *code[1:], *tests[1:]]
    if absent_files(failure):  # which mostly the tests were to write
        order = [*tests[:1], *code, *tests[1:]]
    return min(order, key=lambda file: tried[file] + PATIENCE * order.index(file), default="")
