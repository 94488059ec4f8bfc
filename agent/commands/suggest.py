"""Which command checks a project, as far as the files in its root tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

MOST_BYTES = 200_000


def likely_check(root: Path) -> str:
    """A command that most probably runs the tests; '' where nothing says so."""
    if (root / "Cargo.toml").is_file():
        return "cargo test"
    if (root / "go.mod").is_file():
        return "go test ./..."
    if _has_test_script(root / "package.json"):
        return "npm test"
    tests = [*_some(root, "test_*.py"), *_some(root / "tests", "test_*.py")]
    if (root / "pytest.ini").is_file() or "[tool.pytest" in _text(root / "pyproject.toml"):
        return "python3 -m pytest -q"
    if tests:
        is_pytest = any("import pytest" in _text(path) for path in tests)
        plain = "python3 -m unittest -q" if tests[0].parent == root else ""
        return plain if plain and not is_pytest else "python3 -m pytest -q"
    if re.search(r"^test:", _text(root / "Makefile"), re.MULTILINE):
        return "make test"
    return ""


def _some(folder: Path, pattern: str) -> list[Path]:
    """A few files, by name."""
    try:
        return sorted(folder.glob(pattern))[:5]
    except OSError:
        return []


def _has_test_script(path: Path) -> bool:
    try:
        scripts = json.loads(_text(path) or "{}").get("scripts", {})
        return "no test specified" not in scripts.get("test", "no test specified")
    except (ValueError, AttributeError, TypeError):
        return False


def _text(path: Path) -> str:
    """The file's beginning; '' for what is no file that can be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
