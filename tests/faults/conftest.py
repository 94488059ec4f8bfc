"""Fixtures of the tests that break things."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.command import Command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "work").mkdir()
    return Command(tmp_path)
