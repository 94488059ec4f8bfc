"""The user's own test: run it, and cut its output to what failed.

A small model drowns in a full test report; what helps it is the assertion, the line and the
exception. The cuts below know the reports of pytest and unittest; any other output is cut to its
end, where the errors are.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

from agent.errors import PermissionDenied
from agent.events import Place
from agent.places import places
from agent.trace import Told, traced
from tools.base import ToolContext
from tools.code.naming import is_test
from tools.sandbox.base import SandboxUnavailable
from tools.shell import run_command

MOST_FAILURES = 3
MOST_LINES = 40
MOST_CHARS = 4_000
LONGEST_LINE = 400
READ = "What the grep was given, and found nothing right in"
# So much of the output is looked at: a cut in the middle would lose the first failures.
READ_CHARS = 400_000


@dataclass(frozen=True)
class CheckResult:
    """What a check said: `failure` is cut to what failed, `failures` counts the failed tests.

    `places` are the lines of the workspace where it failed, as far as the output names them;
    `in_tests` those of its test files.
    """

    command: str
    passed: bool
    exit_code: int | None
    failure: str
    seconds: float
    failures: int = 0
    places: tuple[Place, ...] = ()
    in_tests: tuple[Place, ...] = ()


async def run_check(
    command: str, context: ToolContext, timeout_s: float, most_chars: int = MOST_CHARS
) -> CheckResult:
    """Run `command` in the workspace's sandbox; it passes when it exits with 0 in time.

    Raises:
        PermissionDenied: nothing confines commands here.
    """
    context = replace(context, output=context.output.with_limit(READ_CHARS))
    try:
        trace = traced(command)
        outcome = await run_command(trace.text, context, timeout_s)
    except SandboxUnavailable as error:
        raise PermissionDenied(f"the check was not run: {error}") from error
    except OSError as error:
        return CheckResult(command, False, None, f"it cannot be started: {error.strerror}", 0.0)
    passed = outcome.exit_code == 0
    told = trace.split(outcome.text)
    output = told.output
    failure = "" if passed else core(output, most_chars)
    if len(told.commands) > 1 and not failed_tests(output):
        failure = f"{failure}\nexit code {outcome.exit_code}; {_ended(told)}".lstrip()
    if outcome.timed_out:
        failure = f"timed out after {timeout_s:g} s\n{failure}".rstrip()
    if outcome.stopped:
        failure = f"stopped: {outcome.stopped}\n{failure}".rstrip()
    count = 0 if passed else NOT_STARTED if outcome.timed_out else count_failures(output)
    root = context.workspace.root
    found = () if passed else places(output, root)
    in_tests = () if passed else places(output, root, among=is_test)
    return CheckResult(
        command, passed, outcome.exit_code, failure, outcome.seconds, count, found, in_tests
    )


def _ended(told: Told) -> str:
    steps = "\n".join(f"+ {step}" for step in told.commands)
    if not told.read:
        return f"it ended with:\n{steps}"
    wanted = next((text for step in told.commands[::-1] if (text := sought(step))), "")
    read = f"{READ}:\n{told.read}"
    return f"it ended with:\n{steps}\n{read}" + (f"\n{wanted}" if wanted else "")


def sought(step: str) -> str:
    """What a `grep` that gets its text through a pipe looks for, in words; '' where that is not
    plain."""
    try:
        name, *words = shlex.split(step)
    except ValueError:
        return ""
    options = [word for word in words if word.startswith("-") and word != "--"]
    patterns = [word for word in words if word not in (*options, "--")]
    flags = set("".join(option.removeprefix("-") for option in options))
    if name != "grep" or len(patterns) != 1 or not flags <= set("qxFEoi"):
        return ""
    if "$" in patterns[0] or "`" in patterns[0]:  # told as it is written, not as it was
        return ""
    if "x" in flags:
        return f"One line has to be exactly `{patterns[0]}`, with nothing before or behind it."
    return f"One line has to have `{patterns[0]}` in it."


def core(output: str, most_chars: int = MOST_CHARS) -> str:
    """The part of a failed check's output that says what failed, about `most_chars` long."""
    found = failed_tests(output)
    if not found:
        lines = [line for line in output.rstrip().splitlines() if line.strip()]
        return "\n".join(_short(lines[-MOST_LINES:]))[-most_chars:]
    shown = found[:MOST_FAILURES]
    while len(shown) > 1 and sum(map(len, shown)) > most_chars:
        shown.pop()
    text = "\n\n".join(shown)[:most_chars]
    more = len(found) - len(shown)
    return f"{text}\n\n(and {more} more failures)" if more > 0 else text


def _short(lines: list[str]) -> list[str]:
    """Lines cut in their middle, where a long value is least worth."""
    half = LONGEST_LINE // 2
    return [x if len(x) <= LONGEST_LINE else f"{x[:half]} ... {x[-half:]}" for x in lines]


# Tests that did not even start, or do not end: worse than any number of failed ones.
NOT_STARTED = 1000


def count_failures(output: str) -> int:
    """How many tests failed; :data:`NOT_STARTED` when they could not be loaded; 1 if unknown."""
    found = failed_tests(output)
    broken = any(x.startswith("ERROR collecting") or "_FailedTest" in x for x in found)
    return NOT_STARTED if broken else max(1, len(found))


def failed_tests(output: str) -> list[str]:
    """One text for each test that failed; empty for a report of another kind."""
    return _pytest(output) or _unittest(output)


_PYTEST_SECTION = re.compile(r"^_{3,} (?P<name>.+?) _{3,}$", re.M)
_PYTEST_END = re.compile(r"^(={3,} .* ={3,}|-{3,} Captured .* -{3,})$", re.M)


def _pytest(output: str) -> list[str]:
    """One text for each failed test: its name, the lines up to the failing one, and the error."""
    heads = list(_PYTEST_SECTION.finditer(output))
    failures = []
    for i, head in enumerate(heads):
        end = heads[i + 1].start() if i + 1 < len(heads) else len(output)
        body = output[head.end() : end]
        stop = _PYTEST_END.search(body)
        lines = [x for x in body[: stop.start() if stop else None].splitlines() if x.strip()]
        errors = [i for i, line in enumerate(lines) if line.startswith("E ")]
        if errors:
            lines = lines[max(0, errors[0] - 8) : errors[-1] + 1]
        failures.append("\n".join([f"{head['name']}:", *_short(lines[-25:])]))
    return failures


_UNITTEST_HEAD = re.compile(r"^={20,}\n(?P<kind>FAIL|ERROR): (?P<name>.+)$", re.M)
_RULE = re.compile(r"^-{20,}$", re.M)


def _unittest(output: str) -> list[str]:
    """One text for each failure: its name, the last frame of the traceback, and the error."""
    heads = list(_UNITTEST_HEAD.finditer(output))
    failures = []
    for i, head in enumerate(heads):
        end = heads[i + 1].start() if i + 1 < len(heads) else len(output)
        parts = _RULE.split(output[head.end() : end])
        body = parts[1] if len(parts) > 1 else parts[0]
        lines = [line for line in body.splitlines() if line.strip()]
        frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
        start = frames[-1] + 1 if frames else 0
        failures.append("\n".join([f"{head['kind']}: {head['name']}", *_short(lines[start:][:20])]))
    return failures
