"""Confinement on macOS by its own sandbox-exec. Written from its documentation; NOT TESTED.

`sandbox-exec` is deprecated and works; Chromium and others ship profiles for it. The policy
language has no reference of Apple's: rules below are those of /System/Library/Sandbox/Profiles.
The last rule that matches wins.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.protected import PROTECTED_NAMES, protected_paths
from tools.sandbox.base import Launch
from tools.sandbox.bash import bounded, command_line
from tools.sandbox.bubblewrap import GIT_CONFIG
from tools.sandbox.environment import child_environment, loaded_inside
from tools.sandbox.hidden import hidden_folders, visible_again
from tools.sandbox.mounts import refuse_workspace
from tools.sandbox.profiles import WORKSPACE, Profile

PROGRAM = "/usr/bin/sandbox-exec"
HEAD = """(version 1)
(deny default)
(allow process-exec process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow file-read*)
(allow file-ioctl (literal "/dev/null") (literal "/dev/zero") (literal "/dev/dtracehelper"))
(allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/dtracehelper"))
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow ipc-posix-sem)
(allow pseudo-tty)
"""


@dataclass(frozen=True)
class Seatbelt:
    """Runs commands through sandbox-exec. Its processes are not held together at their end."""

    profile: Profile = WORKSPACE
    name: str = "seatbelt"
    confines: bool = True

    def with_profile(self, profile: Profile) -> Seatbelt:
        """The same program with other rights."""
        return replace(self, profile=profile)

    def launch(self, command: str, workspace: Path) -> Launch:
        """A bash in the workspace.

        Raises:
            SandboxUnavailable: this workspace cannot be confined.
        """
        return self.wrap(command_line(command), workspace)

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        """A program in the workspace.

        Raises:
            SandboxUnavailable: this workspace cannot be confined.
        """
        profile = profile or self.profile
        root = workspace.resolve()
        refuse_workspace(root, profile)
        env = child_environment(os.environ, root, GIT_CONFIG, profile.variables)
        search = env["PATH"].split(":")  # an entry's own PATH shows nothing
        env, loading = loaded_inside(env | {"GIT_CONFIG_GLOBAL": "/dev/null", **profile.env})
        rules = seatbelt_rules(root, profile, search)
        inner = bounded((*loading, *argv), profile.limits, own_users=False)
        return Launch((PROGRAM, "-p", rules, *inner), env, root, profile.limits)


def seatbelt_rules(root: Path, profile: Profile, search_path: list[str]) -> str:
    """The profile's text for sandbox-exec."""
    hidden = hidden_folders(profile)
    lines = [HEAD]
    lines += [f"(deny file-read* file-write* (subpath {_quoted(path)}))" for path in hidden]
    shown = [*visible_again(profile, hidden, search_path, root), *profile.readable]
    if profile.workspace != "hidden":
        shown.append(root)
    lines += [f"(allow file-read* (subpath {_quoted(path)}))" for path in shown]
    writable = [*profile.writable, *([root] if profile.workspace == "writable" else [])]
    for path in writable:
        lines.append(f"(allow file-read* file-write* (subpath {_quoted(path)}))")
    if profile.git == "read-only":
        lines += _protected(root)
    if profile.network:
        lines.append("(allow network* (remote ip))")
        lines.append('(allow network-outbound (literal "/private/var/run/mDNSResponder"))')
    return "\n".join(lines) + "\n"


def _protected(root: Path) -> list[str]:
    """Rules are about paths, so they also hold for what does not exist yet."""
    lines = [
        f"(deny file-write* (subpath {_quoted(root / name)}))" for name in sorted(PROTECTED_NAMES)
    ]
    for path in protected_paths(root):
        lines.append(f"(deny file-write* (subpath {_quoted(path)}))")
        between = [parent for parent in path.parents if parent.is_relative_to(root)]
        # A folder above may not be moved away with it.
        lines += [f"(deny file-write-unlink (literal {_quoted(parent)}))" for parent in between]
    return lines


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
