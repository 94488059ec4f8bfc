"""The reduced tier for Linux without bubblewrap: Landlock and seccomp, for commands that read.

What it holds: nothing can be written, what is not listed (the home, /tmp, /run) cannot be read, no
socket can be opened, other processes cannot be looked into. What it does not: processes stay
visible, and below Landlock's version 6 they can be sent signals; a process that left the group of
its command stays. A protected folder inside a writable one cannot be had at all, so nothing but
profiles that only read are run.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.sandbox.base import Launch, SandboxUnavailable
from tools.sandbox.bash import bounded, command_line
from tools.sandbox.bubblewrap import GIT_CONFIG
from tools.sandbox.environment import child_environment, loaded_inside
from tools.sandbox.hidden import hidden_folders, visible_again
from tools.sandbox.mounts import refuse_workspace
from tools.sandbox.profiles import READ_ONLY, Profile
from tools.sandbox.seccomp import reading_program
from tools.sandbox.syscalls import MACHINES

CHILD = Path(__file__).with_name("landlock_child.py")
# Version 3 (Linux 6.2) is the first that holds back truncation.
OLDEST = 3
READABLE = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix", "/gnu",
            "/snap", "/proc", "/sys/devices/system", "/var/lib/dpkg")  # fmt: skip


@dataclass(frozen=True)
class Landlock:
    """``abi`` is the kernel's version of Landlock."""

    abi: int
    profile: Profile = READ_ONLY
    machine: str = platform.machine()
    name: str = "landlock"

    @property
    def confines(self) -> bool:
        """Only where nothing is written."""
        return self.profile.only_reads

    def with_profile(self, profile: Profile) -> Landlock:
        """Commands of a profile that writes are refused."""
        return replace(self, profile=profile)

    def launch(self, command: str, workspace: Path) -> Launch:
        """A bash in the workspace that can only read.

        Raises:
            SandboxUnavailable: the profile allows more than this tier can confine.
        """
        return self.wrap(command_line(command), workspace)

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        """A program in the workspace that can only read.

        Raises:
            SandboxUnavailable: the profile allows more than this tier can confine.
        """
        profile = profile or self.profile
        if not profile.only_reads or profile.local_sockets:
            raise SandboxUnavailable(
                f"the profile {profile.name!r} needs bubblewrap: Landlock only confines reading"
            )
        known = MACHINES.get(self.machine)
        if known is None:
            raise SandboxUnavailable(f"there is no filter of system calls for {self.machine}")
        root = workspace.resolve()
        refuse_workspace(root, profile)
        env = child_environment(os.environ, root, GIT_CONFIG, profile.variables)
        # Git takes a file that it must not read for a broken one.
        search = env["PATH"].split(":")  # an entry's own PATH shows nothing
        env, loading = loaded_inside(env | {"GIT_CONFIG_GLOBAL": "/dev/null", **profile.env})
        wanted = {
            "abi": self.abi,
            "readable": readable(root, profile, search),
            "filter": reading_program(known).hex(),
        }
        inner = bounded((*loading, *argv), profile.limits, own_users=False)
        python = str(Path(sys.executable).resolve())
        child = (python, "-I", "-S", str(CHILD), json.dumps(wanted), *inner)
        return Launch(child, env, root, profile.limits)


def readable(root: Path, profile: Profile, search_path: list[str]) -> list[str]:
    """What may be read: the system, the toolchains, the workspace."""
    shown = visible_again(profile, hidden_folders(profile), search_path, root)
    found = [*_system(), *shown, *profile.readable]
    if profile.workspace != "hidden":
        found.append(root)
    return [str(path) for path in found]


def _system() -> list[Path]:
    """The system's folders; of those that hold a secret, the parts beside it."""
    found: list[Path] = []
    for name in READABLE:
        path = Path(name)
        if name == "/etc":
            found += _public(path)
        elif path.exists():
            found.append(path)
    return found


def _public(folder: Path) -> list[Path]:
    """What everybody may read in a folder: for root as well, who could read all."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if _is_public(entry)]


def _is_public(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False


def landlock_abi() -> int:
    """The kernel's version of Landlock; 0 when it has none or it is switched off."""
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, int(version))
