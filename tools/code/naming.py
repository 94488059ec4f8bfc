"""What a file is for, by the customs of naming."""

from __future__ import annotations

_FOLDERS = ("test", "tests", "unittests", "spec", "__tests__", "testdata")
_STEMS = ("test", "tests", "conftest")


def is_test(path: str) -> bool:
    """Whether a file is a test, or belongs to tests."""
    *folders, name = path.lower().split("/")
    stem = name.partition(".")[0]
    return (
        any(part in _FOLDERS or _is_of_tests(part) for part in folders)
        or stem in _STEMS
        or _is_of_tests(stem)
        or ".test." in name
        or ".spec." in name
    )


def _is_of_tests(word: str) -> bool:
    return word.startswith("test_") or word.endswith(("_test", "_tests", "_spec"))
