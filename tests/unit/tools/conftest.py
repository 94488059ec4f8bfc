"""Real folders, real processes. The sandboxed tests need bubblewrap (apt install bubblewrap)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox
from tools.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def content(root: Path) -> Callable[[], list[str]]:
    """The names in the workspace's root, now."""
    return lambda: sorted(path.name for path in root.iterdir())


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


@pytest.fixture
def context(workspace: Workspace, tmp_path: Path) -> ToolContext:
    """No sandbox: for what has nothing to do with confinement."""
    return ToolContext(workspace, Off(), OutputStore(tmp_path / "output"))


@pytest.fixture(params=["off", "bubblewrap"])
def each_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Both, since processes end differently in a PID namespace."""
    return Off() if request.param == "off" else find_sandbox("bubblewrap")


@pytest.fixture
def shell_context(workspace: Workspace, tmp_path: Path, each_sandbox: Sandbox) -> ToolContext:
    return ToolContext(workspace, each_sandbox, OutputStore(tmp_path / "output"))
