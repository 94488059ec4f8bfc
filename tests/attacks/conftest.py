"""Attacks on the boundary. They need bubblewrap (apt install bubblewrap).

Each test first shows that the attack works without the defence: else it would prove nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox
from tools.workspace import Workspace


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder on the host that the sandbox does not hide, unlike /tmp."""
    with tempfile.TemporaryDirectory(prefix=".attack-", dir=Path.cwd()) as folder:
        yield Path(folder).resolve()


@pytest.fixture
def root(ground: Path) -> Path:
    folder = ground / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(ground: Path) -> Path:
    folder = ground / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("the secret\n")
    return folder


@pytest.fixture
def unconfined(root: Path) -> ToolContext:
    return ToolContext(Workspace(root), Off(), OutputStore(None))


@pytest.fixture
def confined(root: Path) -> ToolContext:
    return ToolContext(Workspace(root), find_sandbox("bubblewrap"), OutputStore(None))
