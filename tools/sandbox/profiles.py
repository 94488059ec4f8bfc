"""What a confined process may do, as plain data; every tier reads the same profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Access = Literal["hidden", "read-only", "writable"]
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Bounds of one command and all that it starts. Sizes are bytes, 0 means no bound.

    ``memory`` is what all its processes hold for themselves; None means four fifths of what is
    free when it starts. ``disk`` is by how much the free space of the workspace's disk may fall,
    ``scratch`` the size of each folder in memory (/tmp, the home, /dev/shm), ``output`` what it
    may print. ``threads`` is enforced by the kernel for everybody but root, ``processes`` by the
    agent, which looks several times a second.
    """

    processes: int = 1_000
    threads: int = 4_096
    open_files: int = 16_384
    file_size: int = 4 * GIB
    memory: int | None = None
    disk: int = 16 * GIB
    scratch: int = GIB
    output: int = GIB


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Profile:
    """Rights of one process tree.

    ``git`` is for the repository of a writable workspace: git's hooks, its configuration and
    ``.ingle`` stay read-only even when it is 'writable'. ``readable`` and ``writable`` are
    absolute paths beside the workspace; ``hidden`` are covered though they would be visible.
    ``variables`` names more variables of the user's that are passed on, ``env`` are values.
    ``local_sockets`` allows Unix sockets, those of the host that can be seen among them.
    """

    name: str
    workspace: Access
    git: Literal["read-only", "writable"] = "read-only"
    network: bool = False
    local_sockets: bool = False
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    variables: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS

    @property
    def only_reads(self) -> bool:
        """Whether nothing outside the process is changed: what the reduced tier can confine."""
        return self.workspace != "writable" and not self.writable and not self.network


READ_ONLY = Profile("read-only", workspace="read-only")
WORKSPACE = Profile("workspace", workspace="writable")
# For the git tool's own writes: nobody else gets it.
GIT = Profile("git", workspace="writable", git="writable")


def server(
    *,
    workspace: Access = "read-only",
    network: bool = False,
    readable: tuple[Path, ...] = (),
    writable: tuple[Path, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Profile:
    """For a process that stays, such as an MCP server: only what the user granted it."""
    limits = Limits(output=0, disk=0)
    return Profile("server", workspace, network=network, readable=readable, writable=writable,
                   env=env or {}, limits=limits)  # fmt: skip
