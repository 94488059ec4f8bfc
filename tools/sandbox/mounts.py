"""What a process under bubblewrap sees of the file system, as bwrap's options."""

from __future__ import annotations

import os
from pathlib import Path

from tools.protected import PROTECTED_NAMES, protected_paths, repository_of
from tools.sandbox.base import SandboxUnavailable
from tools.sandbox.hidden import hidden_files, hidden_folders, own_folders, visible_again
from tools.sandbox.profiles import Profile

# Folders in memory that programs fill; the other ones are only covers.
SCRATCH = ("/tmp", "/var/tmp")
LITTLE = 16 << 20
# Root keeps the owner's rights on these without any capability, and bwrap covers them only where
# it finds them writable as a folder. core_pattern is a program that the kernel starts outside.
KERNEL_FILES = ("/proc/sys", "/proc/sysrq-trigger", "/proc/fs", "/proc/acpi", "/proc/scsi",
                "/proc/mtrr")  # fmt: skip
# Of a writable repository: what git runs, or obeys, later and outside of the sandbox.
GIT_READ_ONLY = ("hooks", "config", "config.worktree", "commondir", "info", "modules")


def refuse_workspace(root: Path, profile: Profile) -> None:
    """Raises SandboxUnavailable for a workspace that no mount could protect.

    A symbolic link cannot be a mount point: whoever may write beside it can replace it.
    """
    home = Path.home()
    if len(root.parts) == 1 or home.resolve().is_relative_to(root):
        raise SandboxUnavailable(
            f"{root} holds your whole home folder: start the agent in a project's folder"
        )
    if profile.workspace != "writable":
        return
    for name in sorted(PROTECTED_NAMES):
        path = root / name
        if path.is_symlink() and path.exists():
            raise SandboxUnavailable(
                f"{path} is a symbolic link, which cannot be protected: replace it by a folder, "
                "or for git by a file with one line, 'gitdir: PATH'"
            )


def mounts(root: Path, profile: Profile, search_path: list[str], *, sized: bool) -> list[str]:
    """Mount options in order: each one covers what came before it.

    `sized` bounds the folders in memory, which a bwrap before 0.7 cannot.
    """
    scratch = profile.limits.scratch if sized else 0
    hidden, home = hidden_folders(profile), Path.home().resolve()
    argv = ["--ro-bind", "/", "/", "--dev", "/dev", *_empty("/dev/shm", scratch)]
    argv += ["--proc", "/proc"]
    for name in KERNEL_FILES if os.geteuid() == 0 else ():
        if Path(name).exists():
            argv += ["--ro-bind", name, name]
    for folder in hidden:
        used = str(folder) in SCRATCH or home.is_relative_to(folder)
        argv += _empty(str(folder), scratch if used else min(scratch, LITTLE))
    for file in hidden_files():
        argv += ["--ro-bind", "/dev/null", str(file)]
    for path in visible_again(profile, hidden, search_path, root):
        argv += ["--ro-bind", str(path), str(path)]
    return argv + _granted(root, profile, inside=False) + _workspace(root, profile, scratch)


def _granted(root: Path, profile: Profile, *, inside: bool) -> list[str]:
    """The paths that the profile adds; those outside go below the workspace and its rules."""
    argv: list[str] = []
    for option, paths in (("--ro-bind-try", profile.readable), ("--bind-try", profile.writable)):
        for path in paths:
            if path.resolve().is_relative_to(root) == inside:
                argv += [option, str(path), str(path)]
    return argv


def _empty(folder: str, size: int) -> list[str]:
    """A folder in memory."""
    return [*(["--size", str(size)] if size else []), "--tmpfs", folder]


def _workspace(root: Path, profile: Profile, scratch: int) -> list[str]:
    place = str(root)
    if profile.workspace == "hidden":
        argv = _empty(place, scratch)
    else:
        argv = ["--bind" if profile.workspace == "writable" else "--ro-bind", place, place]
    argv += _granted(root, profile, inside=True)
    if profile.workspace == "writable":
        argv += _read_only_inside(root)
        if profile.git == "writable":
            argv += _writable_repository(root)
    for folder in (*own_folders(), *profile.hidden):
        real = folder.resolve()
        if real != root and real.is_relative_to(root) and real.is_dir():
            argv += _empty(str(real), scratch)
    return argv


def _read_only_inside(root: Path) -> list[str]:
    """Cover what is protected in the workspace.

    A mount point cannot be renamed, but a folder above it can, and a new one put in its place:
    so each folder between the workspace and the protected path becomes a mount point as well.
    """
    argv: list[str] = []
    fixed: set[Path] = set()
    for path in protected_paths(root):
        between = [parent for parent in reversed(path.parents) if parent.is_relative_to(root)]
        for parent in between:
            if parent != root and parent not in fixed:
                argv += ["--bind", str(parent), str(parent)]
                fixed.add(parent)
        argv += ["--ro-bind", str(path), str(path)]
    return argv


def _writable_repository(root: Path) -> list[str]:
    """The repository for git's own writes, without what would run something later."""
    argv: list[str] = []
    for gitdir in repository_of(root):
        argv += ["--bind", str(gitdir), str(gitdir)]
        for name in GIT_READ_ONLY:
            path = gitdir / name
            if path.exists() and not path.is_symlink():
                argv += ["--ro-bind", str(path), str(path)]
    return argv
