"""Real repositories; the tool runs in both sandboxes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.base import ToolContext, ToolResult
from tools.git.tool import GitArguments, git_tool
from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.workspace import Workspace


@dataclass
class Desk:
    """A workspace, plain git in it, and the tool."""

    root: Path
    context: ToolContext

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.root, check=True, capture_output=True, text=True
        )
        return done.stdout

    def put(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def begin(self, *options: str) -> None:
        """A repository with one commit."""
        self.git("init", "-q", "-b", "main", *options)
        self.git("config", "user.name", "A User")
        self.git("config", "user.email", "user@example.org")
        self.put("f.txt", "one\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")

    def saw(self, name: str) -> None:
        """The model has read this file."""
        path = self.root / name
        self.context.workspace.remember(path, path.read_bytes())

    async def call(self, action: str, **arguments: Any) -> ToolResult:
        values = GitArguments.model_validate({"action": action, **arguments})
        return await git_tool("a-model").run(values, self.context)


@pytest.fixture
def new_desk(tmp_path: Path, each_sandbox: Sandbox) -> Callable[[str], Desk]:
    def make(name: str) -> Desk:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        return Desk(root, ToolContext(Workspace(root), each_sandbox, OutputStore(None)))

    return make


@pytest.fixture
def desk(new_desk: Callable[[str], Desk]) -> Desk:
    return new_desk("project")
