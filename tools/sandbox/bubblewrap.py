"""Confinement by bubblewrap: the host read-only, home hidden, no network, workspace writable."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.protected import protected_paths, worktree_repository
from tools.sandbox.base import Launch
from tools.sandbox.environment import child_environment

# Fixed places that only root writes: a bwrap found through PATH could be the model's own.
PROGRAMS = (
    "/usr/bin/bwrap",
    "/bin/bwrap",
    "/usr/local/bin/bwrap",
    "/run/current-system/sw/bin/bwrap",
)
ISOLATION = (
    "--die-with-parent",
    "--new-session",
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--cap-drop",
    "ALL",
)
# Stops namespaces inside the sandbox, where bwrap is new enough (0.8) to know it.
NO_NESTING = "--disable-userns"
# Hidden under an empty tmpfs: other people's files, sockets of services (docker, DBus, agents).
HIDDEN = ("/tmp", "/run", "/var/tmp", "/home", "/root")
# Root's own files that root without capabilities could still read.
HIDDEN_FILES = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
# Toolchains in a home folder. Never a folder that holds credentials (~/.cargo, ~/.m2, ~/.npm).
TOOLCHAINS = (
    ".pyenv",
    ".rustup",
    ".cargo/bin",
    ".cargo/registry",
    ".cargo/git",
    ".local/bin",
    ".local/lib",
    ".local/share/uv",
    ".nvm",
    ".volta",
    ".asdf",
    ".sdkman",
    ".bun/bin",
    ".deno/bin",
    ".rbenv",
    ".m2/repository",
    "go/bin",
    "go/pkg",
)
# What makes a folder above a bin folder one installation.
INSTALLATION_MARKS = ("pyvenv.cfg", "conda-meta")
# Files are owned by whoever owns them outside; git need not mistrust that in here.
GIT_CONFIG = {"safe.directory": "*"}


@dataclass(frozen=True)
class Bubblewrap:
    """Runs commands through the bwrap at ``program``.

    ``nesting`` tells whether user namespaces inside have to stay possible (bwrap before 0.8).
    """

    program: str
    nesting: bool = False
    name: str = "bubblewrap"
    confines: bool = True

    def launch(self, command: str, workspace: Path) -> Launch:
        """bwrap with a bash in the workspace; the environment is the whole one of the command."""
        root = workspace.resolve()
        env = child_environment(os.environ, root, GIT_CONFIG)
        argv = [self.program, *ISOLATION]
        if not self.nesting:
            argv.append(NO_NESTING)
        argv += _mounts(root, env["PATH"].split(":"))
        argv += ["--chdir", str(root), "--", "/bin/bash", "-c", command]
        return Launch(tuple(argv), env, root)


def find_program() -> str | None:
    """The system's bwrap: a file of root that nobody else can write; None when there is none."""
    for name in PROGRAMS:
        path = Path(name)
        if not path.is_file():
            continue
        status = path.stat()
        if status.st_uid == 0 and not status.st_mode & 0o022:
            return name
    return None


def _mounts(root: Path, search_path: list[str]) -> list[str]:
    """Mount options in order: each one covers what came before it."""
    hidden = _hidden_folders()
    argv = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for folder in hidden:
        argv += ["--tmpfs", str(folder)]
    for file in HIDDEN_FILES:
        if Path(file).exists():
            argv += ["--ro-bind", "/dev/null", file]
    for path in _visible_again(hidden, search_path, root):
        argv += ["--ro-bind", str(path), str(path)]
    argv += ["--bind", str(root), str(root)]
    return argv + _read_only_inside(root)


def _hidden_folders() -> list[Path]:
    """Folders to cover, outer ones first. A home that is / or the like cannot be covered."""
    homes = [Path.home(), Path(pwd.getpwuid(os.geteuid()).pw_dir)]
    found = {path.resolve() for path in (*map(Path, HIDDEN), *homes) if path.is_dir()}
    return sorted(path for path in found if len(path.parts) > 1)


def _visible_again(hidden: list[Path], search_path: list[str], root: Path) -> list[Path]:
    """Read-only parts of the hidden folders that commands need: toolchains, PATH, Python, git."""
    home = Path.home()
    wanted = [home / name for name in TOOLCHAINS]
    wanted += [_installation(Path(entry)) for entry in search_path if entry]
    wanted += [Path(sys.base_prefix), Path("/home/linuxbrew/.linuxbrew")]
    repository = worktree_repository(root)
    if repository is not None:
        wanted.append(repository)
    return [path for path in _existing(wanted) if _is_below(path, hidden)]


def _installation(folder: Path) -> Path:
    """The venv or the like whose bin folder this is; else the folder itself."""
    parent = folder.parent
    return parent if any((parent / mark).exists() for mark in INSTALLATION_MARKS) else folder


def _existing(paths: Iterable[Path]) -> list[Path]:
    return sorted({path for path in paths if path.is_dir()})


def _is_below(path: Path, hidden: list[Path]) -> bool:
    """Whether the path is strictly inside a hidden folder; showing a whole one would undo it."""
    real = path.resolve()
    if any(folder.is_relative_to(real) for folder in hidden):
        return False
    return any(real.is_relative_to(folder) for folder in hidden)


def _read_only_inside(root: Path) -> list[str]:
    """Cover what is protected in the workspace.

    A mount point cannot be renamed, but a folder above it can, and a new one put in its place:
    so each folder between the workspace and the protected path becomes a mount point as well.
    """
    argv: list[str] = []
    for path in protected_paths(root):
        between = [parent for parent in reversed(path.parents) if parent.is_relative_to(root)]
        for parent in between:
            if parent != root:
                argv += ["--bind", str(parent), str(parent)]
        argv += ["--ro-bind", str(path), str(path)]
    return argv
