"""Parts of a workspace that the model may read and not write: whoever writes there runs code.

A write into ``.git`` (hooks, config, attributes) runs a program at the user's next git command; a
write into the agent's own installation runs at the agent's next import, outside of the sandbox.
"""

from __future__ import annotations

import sys
from pathlib import Path

PROTECTED_NAMES = frozenset({".git", ".ingle"})


def protected_paths(root: Path) -> tuple[Path, ...]:
    """Existing paths inside the resolved `root` that stay read-only, outer ones first."""
    found = [root / name for name in sorted(PROTECTED_NAMES)]
    found.append(Path(sys.prefix).resolve())
    gitdir = gitdir_of(root)
    if gitdir is not None:
        found.append(gitdir)
    inside = {path for path in found if path != root and path.is_relative_to(root)}
    return tuple(sorted(path for path in inside if path.exists()))


def gitdir_of(root: Path) -> Path | None:
    """The folder that a ``.git`` file (worktree, submodule) or link points to, if it exists."""
    marker = root / ".git"
    if marker.is_symlink():
        target = marker.resolve()
        return target if target.is_dir() else None
    if not marker.is_file():
        return None
    first = marker.read_bytes()[:4096].decode("utf-8", "replace").split("\n")[0]
    key, _, value = first.partition(":")
    if key != "gitdir" or not value.strip() or "\0" in value:
        return None
    target = (root / value.strip()).resolve()
    return target if target.is_dir() else None


def worktree_repository(root: Path) -> Path | None:
    """The repository outside of `root` that owns the git worktree `root`.

    Only one whose own record points back at `root`: else a ``.git`` file that a command wrote
    could make any folder of the user readable in the sandbox.
    """
    gitdir = gitdir_of(root)
    if gitdir is None or gitdir.is_relative_to(root):
        return None
    back, common = gitdir / "gitdir", gitdir / "commondir"
    if not (back.is_file() and common.is_file()):
        return None
    if Path(back.read_text("utf-8", "replace").strip()).resolve() != root / ".git":
        return None
    return (gitdir / common.read_text("utf-8", "replace").strip()).resolve()
