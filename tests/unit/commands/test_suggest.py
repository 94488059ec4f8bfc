"""Which check is offered for which project."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.suggest import likely_check


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, ""),
        ({"notes.txt": "x"}, ""),
        ({"test_a.py": "import unittest\n"}, "python3 -m unittest -q"),
        ({"test_a.py": "import pytest\n"}, "python3 -m pytest -q"),
        ({"tests/test_a.py": "def test_a(): pass\n"}, "python3 -m pytest -q"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python3 -m pytest -q"),
        ({"package.json": '{"scripts": {"test": "vitest"}}'}, "npm test"),
        ({"package.json": '{"scripts": {"test": "echo no test specified"}}'}, ""),
        ({"package.json": "[1]"}, ""),
        ({"package.json": "{"}, ""),
        ({"Cargo.toml": ""}, "cargo test"),
        ({"go.mod": ""}, "go test ./..."),
        ({"Makefile": "all:\n\ntest: all\n\ttrue\n"}, "make test"),
        ({"Makefile": "latest:\n"}, ""),
        ({"pyproject.toml/x": "a folder"}, ""),
    ],
)
def test_the_likely_check(tmp_path: Path, files: dict[str, str], command: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert likely_check(tmp_path) == command
