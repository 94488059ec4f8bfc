"""Which files a failed check speaks of."""

from __future__ import annotations

import pytest

from agent.blame import absent_in, passes_tests, score, suspects
from agent.check import READ, CheckResult

FILES = ["tool.py", "pyproject.toml", "README.md", "tests/test_tool.py"]
BEHIND = "Ran 2 tests in 0.1s\n\nOK\ntests/test_tool.py\npyproject.toml\n"


def failed(failure: str, *in_tests: tuple[str, int, str]) -> CheckResult:
    return CheckResult("make check", False, 1, failure, 0.1, 1, (), in_tests)


@pytest.mark.parametrize("passed", [BEHIND, "===== 3 passed in 0.1s =====\nTraceback"])
def test_where_the_tests_pass_they_are_no_suspects(passed: str) -> None:
    assert passes_tests(failed(passed))
    assert suspects(failed(passed), FILES) == ["tool.py", "pyproject.toml", "README.md"]
    assert suspects(failed(f"{passed}\n{READ}:\nx"), FILES) == ["tool.py"]


def test_else_everything_is_suspect() -> None:
    result = failed("FAIL: test_it", ("tests/test_tool.py", 3, "AssertionError: 1 != 2"))
    assert not passes_tests(result)
    assert suspects(result, FILES) == FILES
    assert suspects(failed("NOT OK"), FILES) == FILES


def test_what_fails_later_has_less_to_fail() -> None:
    early, late = (failed("", ("tests/test_tool.py", line, "")) for line in (3, 9))
    assert score(late) < score(early)


def test_packages_that_are_not_there_are_other_peoples() -> None:
    result = failed("No module named 'pandas.io'\nNo module named 'tool.cli'")
    assert absent_in(result, ["tool/core.py"]) == {"pandas.io"}
    assert absent_in(result) == {"pandas.io", "tool.cli"}
