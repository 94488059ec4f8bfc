"""Fixtures of the tests that drive the real command in a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(script: str, *arguments: str, **options: object) -> Terminal:
        opened.append(Terminal(tmp_path, script, *arguments, **options))  # type: ignore[arg-type]
        opened[-1].until("❯" if not options.get("environment") else lambda: bool(opened[-1].text))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of an empty home."""
    for name in list(os.environ):
        if name.startswith(("XDG_", "INGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".local/state/ingle"
