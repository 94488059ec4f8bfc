"""A server's process in the sandbox, with what its entry grants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.mcp.entry import StdioEntry
from tools.mcp.process import Spawn, spawn_plain
from tools.sandbox.base import Sandbox
from tools.sandbox.profiles import server


def sandboxed(entry: StdioEntry, sandbox: Sandbox, workspace: Path) -> Spawn:
    """Starts the server's process in `sandbox`.

    It reads the workspace, and writes to it where the entry's `write` names it ('.').
    """

    async def spawn(
        argv: Sequence[str], env: Mapping[str, str], _cwd: Path
    ) -> asyncio.subprocess.Process:
        """Raises SandboxUnavailable, OSError."""
        writable = _paths(entry.grants.write, workspace)
        profile = server(
            workspace="writable" if workspace in writable else "read-only",
            network=entry.grants.network,
            readable=_paths(entry.grants.read, workspace),
            writable=tuple(path for path in writable if path != workspace),
            env=env,
        )
        launch = sandbox.wrap(argv, workspace, profile)
        # What the entry names is in there, as far as it is for the server alone.
        return await spawn_plain(launch.argv, launch.env, launch.cwd)

    return spawn


def _paths(texts: Sequence[str], workspace: Path) -> tuple[Path, ...]:
    return tuple((workspace / Path(text).expanduser()).resolve() for text in texts)
