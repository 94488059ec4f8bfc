"""Which files are tests."""

from __future__ import annotations

import pytest

from tools.code.naming import is_test


@pytest.mark.parametrize(
    "path",
    [
        "tests/a.py", "tests/__init__.py", "a/Tests/b.py", "src/test/java/A.java", "spec/a.rb",
        "unittests/a.py", "test_a/b.py", "a/test_b.py", "a/b_test.go", "b_tests.py", "b_spec.rb",
        "a.spec.ts", "a.test.js", "a.test.js.snap", "tests.py", "test.py", "app/conftest.py",
    ],
)  # fmt: skip
def test_tests_are_known_by_their_names(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize(
    "path",
    ["contest/core.py", "src/contest.py", "latest/a.py", "testing.py", "attest.ts", "inspect.py"],
)
def test_others_are_not(path: str) -> None:
    assert not is_test(path)
