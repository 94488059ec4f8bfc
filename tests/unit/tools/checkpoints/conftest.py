from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.checkpoints.store import Checkpoints


@dataclass
class Folder:
    """A folder and its checkpoints."""

    root: Path
    store: Path

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.store, self.root)

    def put(self, name: str, data: bytes = b"x\n", mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=cwd or self.root, check=True, capture_output=True
        )
        return done.stdout.decode()

    def state(self) -> dict[str, tuple[int, bytes]]:
        """All files but git's own, with permissions and bytes; a link's bytes are its target."""
        found = {}
        for path in self.root.rglob("*"):
            if ".git" in path.parts or (path.is_dir() and not path.is_symlink()):
                continue
            data = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            found[os.fspath(path.relative_to(self.root))] = (path.lstat().st_mode, data)
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "project"
    root.mkdir()
    return Folder(root, tmp_path / "state/checkpoints/x")
