"""Confinement by bubblewrap: the host read-only, home hidden, no network, workspace writable."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.sandbox.base import Launch, SandboxUnavailable
from tools.sandbox.bash import bash, bounded, command_line
from tools.sandbox.environment import child_environment, loaded_inside
from tools.sandbox.mounts import mounts, refuse_workspace
from tools.sandbox.profiles import WORKSPACE, Profile
from tools.sandbox.seccomp import confined_program
from tools.sandbox.syscalls import MACHINES

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
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--cap-drop",
    "ALL",
)
# Stops namespaces inside the sandbox, where bwrap is new enough (0.8) to know it.
NO_NESTING = "--disable-userns"
# Files are owned by whoever owns them outside; git need not mistrust that in here.
GIT_CONFIG = {"safe.directory": "*"}
FILTER_DESCRIPTOR = "9"


@dataclass(frozen=True)
class Bubblewrap:
    """Runs commands through the bwrap at ``program``.

    ``old`` is for a bwrap before 0.8, which knows fewer options. ``machine`` is what
    `platform.machine` says; on one without a filter (`seccomp`) nothing is started.
    """

    program: str
    old: bool = False
    profile: Profile = WORKSPACE
    machine: str = platform.machine()
    name: str = "bubblewrap"
    confines: bool = True

    def with_profile(self, profile: Profile) -> Bubblewrap:
        """The same program with other rights."""
        return replace(self, profile=profile)

    def launch(self, command: str, workspace: Path) -> Launch:
        """bwrap with a bash in the workspace; the environment is the whole one of the command.

        Raises:
            SandboxUnavailable: this workspace cannot be confined.
        """
        return self.wrap(command_line(command), workspace)

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        """bwrap with a program in the workspace.

        Raises:
            SandboxUnavailable: this workspace or this machine cannot be confined.
        """
        profile = profile or self.profile
        root = workspace.resolve()
        refuse_workspace(root, profile)
        env = child_environment(os.environ, root, GIT_CONFIG, profile.variables)
        search = env["PATH"].split(":")  # an entry's own PATH shows nothing
        env, loading = loaded_inside({**env, **profile.env})
        inner = [self.program, *ISOLATION]
        if not self.old:
            inner.append(NO_NESTING)
        if not profile.network:
            inner.append("--unshare-net")
        inner += mounts(root, profile, search, sized=not self.old)
        inner += ["--chdir", str(root), "--seccomp", FILTER_DESCRIPTOR, "--"]
        inner += bounded((*loading, *argv), profile.limits, own_users=True)
        return Launch(self._filtered(inner, profile), env, root, profile.limits)

    def _filtered(self, inner: Sequence[str], profile: Profile) -> tuple[str, ...]:
        """bwrap behind a shell that opens the filter for it.

        bwrap reads it from a descriptor. The shell makes one out of the text of its script, so
        that whoever spawns this has nothing to open, to pass on, and to close.
        """
        known = MACHINES.get(self.machine)
        if known is None:
            raise SandboxUnavailable(f"there is no filter of system calls for {self.machine}")
        program = confined_program(known, local_sockets=profile.local_sockets)
        text = "".join(f"\\x{byte:02x}" for byte in program)
        script = f"exec {FILTER_DESCRIPTOR}< <(printf '{text}'); exec \"$@\""
        return (bash(), "-p", "-c", script, "bash", *inner)


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
