from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.protected import gitdir_of, protected_paths, worktree_repository


def test_nothing_is_protected_in_a_plain_folder(root: Path) -> None:
    assert protected_paths(root) == ()


def test_git_and_the_agents_own_folder_are_protected(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".ingle").mkdir()
    assert protected_paths(root) == (root / ".git", root / ".ingle")


def test_a_git_folder_elsewhere_in_the_workspace_is_protected(root: Path) -> None:
    (root / "deep/store").mkdir(parents=True)
    (root / ".git").write_text("gitdir: deep/store\n")
    assert protected_paths(root) == (root / ".git", root / "deep/store")


def test_the_target_of_a_linked_git_folder_is_protected(root: Path) -> None:
    (root / "store").mkdir()
    (root / ".git").symlink_to("store")
    assert root / "store" in protected_paths(root)


def test_the_running_agents_installation_is_protected(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".venv").mkdir()
    monkeypatch.setattr(sys, "prefix", str(root / ".venv"))
    assert protected_paths(root) == (root / ".venv",)


@pytest.mark.parametrize(
    "content", ["", "gitdir:", "gitdir: missing", "gitdir: a\0b", "\xff", "x: y"]
)
def test_a_broken_git_file_points_nowhere(root: Path, content: str) -> None:
    (root / ".git").write_text(content)
    assert gitdir_of(root) is None


def test_a_repository_counts_only_when_it_points_back(root: Path, tmp_path: Path) -> None:
    gitdir = tmp_path / "main/.git/worktrees/w"
    gitdir.mkdir(parents=True)
    (root / ".git").write_text(f"gitdir: {gitdir}\n")
    (gitdir / "commondir").write_text("../..\n")
    (gitdir / "gitdir").write_text(f"{tmp_path}/other/.git\n")
    assert worktree_repository(root) is None
    (gitdir / "gitdir").write_text(f"{root}/.git\n")
    assert worktree_repository(root) == tmp_path / "main/.git"
