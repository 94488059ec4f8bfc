"""Parts of a workspace that the model may read and not write: whoever writes there runs code.

A write into ``.git`` (hooks, config, attributes) runs a program at the user's next git command; a
write into the agent's own installation runs at the agent's next import, outside of the sandbox.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

PROTECTED_NAMES = frozenset({".git", ".ingle"})
# Repositories inside the workspace that are no submodules are looked for this deep.
NESTED_DEPTH = 2
MOST_FOLDERS = 500
_OBEYED = re.compile(
    r"^\s*(hookspath|path|fsmonitor|clean|smudge|process|textconv|command|external|driver|program"
    r"|editor|pager|sshcommand|askpass|helper)\s*=(.*)$",
    re.M | re.I,
)
_WORDS = re.compile(r"[^\s\"';|&!]+")
_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(.+?)\s*$", re.M)


def protected_paths(root: Path) -> tuple[Path, ...]:
    """Existing paths inside the resolved `root` that stay read-only, outer ones first."""
    found = [root / name for name in sorted(PROTECTED_NAMES)]
    found.append(Path(sys.prefix).resolve())
    found += own_folders()
    gitdir = gitdir_of(root)
    if gitdir is not None:
        found.append(gitdir)
    found += (worktree / ".git" for worktree in submodules(gitdir or root / ".git"))
    found += nested_repositories(root)
    for repository in (gitdir or root / ".git", worktree_repository(root)):
        found += obeyed(repository, root) if repository is not None else ()
    inside = {path for path in found if path != root and path.is_relative_to(root)}
    return tuple(sorted(path for path in inside if path.exists()))


def is_protected_name(name: str) -> bool:
    """Whether some file system takes it for one: .GIT on most Macs, .g<zero-width joiner>it too."""
    visible = "".join(c for c in name if unicodedata.category(c) != "Cf")
    return visible.casefold().rstrip(" .") in PROTECTED_NAMES


def is_obeyed_at_home(root: Path, path: Path) -> bool:
    """Whether `path` is out of the user's projects where the workspace `root` holds the home.

    There lie what shells and desktops start, keys, and programs of PATH; above it the system.
    """
    home = Path("~").expanduser().resolve()
    if not home.is_relative_to(root):
        return False
    if not path.is_relative_to(home):
        return path != root
    first = path.relative_to(home).parts[:1]
    return bool(first) and (first[0].startswith(".") or first[0] in ("bin", "Library"))


def obeyed(gitdir: Path, root: Path) -> Iterator[Path]:
    """What a repository's configuration names in the workspace: hooks, programs, more settings."""
    if (gitdir / "hooks").is_symlink():
        yield (gitdir / "hooks").resolve()
    for name in ("config", "config.worktree"):
        try:
            text = (gitdir / name).read_bytes()[:65536].decode("utf-8", "replace")
        except OSError:
            continue
        for key, value in _OBEYED.findall(text):
            if "\0" in value:
                continue
            if key.lower() == "hookspath":
                yield (root / value.strip().strip('"')).resolve()
                continue
            for word in _WORDS.findall(value):
                found = [(base / word).resolve() for base in (gitdir, root) if "/" in word]
                yield from (path for path in found if path.is_file())


def own_folders() -> list[Path]:
    """The agent's own settings, sessions and trust, where the workspace is the home folder."""
    places = (("XDG_CONFIG_HOME", ".config"), ("XDG_STATE_HOME", ".local/state"))
    home = os.environ.get("HOME", "")
    bases = [os.environ.get(name) or (f"{home}/{below}" if home else "") for name, below in places]
    return [(Path(base) / "ingle").resolve() for base in bases if base.startswith("/")]


def submodules(gitdir: Path) -> Iterator[Path]:
    """The worktrees that a repository keeps submodules for, by its own record of them.

    Not by ``.gitmodules``, which anybody may write.
    """
    for folder, folders, files in os.walk(gitdir / "modules"):
        if "HEAD" not in files:
            continue
        folders[:] = ["modules"] if "modules" in folders else []
        worktree = _worktree_of(Path(folder))
        if worktree is not None:
            yield worktree


def nested_repositories(root: Path) -> list[Path]:
    """What is called ``.git`` in the first folders below `root`, as many as can be looked at."""
    found: list[Path] = []
    level, seen = [root], 0
    for _ in range(NESTED_DEPTH):
        below: list[Path] = []
        for folder in level:
            try:
                entries = [x for x in os.scandir(folder) if x.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            below += (Path(x.path) for x in entries if x.name not in PROTECTED_NAMES)
        level = below[: MOST_FOLDERS - seen]
        seen += len(level)
        found += (path / ".git" for path in level if (path / ".git").exists())
    return [path for path in found if not path.is_symlink()]


def _worktree_of(gitdir: Path) -> Path | None:
    """What the configuration of a repository calls its worktree."""
    try:
        text = (gitdir / "config").read_bytes()[:65536].decode("utf-8", "replace")
    except OSError:
        return None
    match = _WORKTREE.search(text)
    return (gitdir / match[1].strip('"')).resolve() if match and "\0" not in match[1] else None


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


def outer_repository(root: Path) -> Path | None:
    """The repository outside of `root` that `root` belongs to, as far as it says so itself.

    The one of a worktree or a submodule, or of a folder above; never the home's own.
    """
    gitdir = gitdir_of(root)
    if gitdir is not None:
        if not gitdir.is_relative_to(root) and _worktree_of(gitdir) == root:
            return gitdir
        return worktree_repository(root)
    if (root / ".git").exists():
        return None
    above = (parent / ".git" for parent in root.parents if parent != Path.home())
    return next((path for path in above if (path / "HEAD").is_file()), None)


def repository_of(root: Path) -> tuple[Path, ...]:
    """The folders that git writes for the workspace: its own, and the one that worktrees share.

    Only what belongs to `root` (see `outer_repository`); none in a folder without a repository.
    """
    gitdir = gitdir_of(root)
    if gitdir is None:
        inside = root / ".git"
        return (inside,) if inside.is_dir() and not inside.is_symlink() else ()
    if gitdir.is_relative_to(root):
        return (gitdir,)
    owner = outer_repository(root)
    return (owner,) if owner is not None else ()
