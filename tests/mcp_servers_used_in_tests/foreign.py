"""Servers of others and the official conformance tests, through npm, pinned.

Where Node or the registry is missing a test says so in pytest's list of warnings and passes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import warnings
from pathlib import Path

PACKAGES = (
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    # The last stable one (0.1.16) knows no 2026-07-28, and its scenario for metadata without
    # protected resource metadata names an issuer that RFC 8414 forbids; this has all of it, mended.
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "node@22.21.0",  # the conformance tests want Node 22
)
SCOPE = "node_modules/@modelcontextprotocol"


def installed() -> Path | None:
    """The folder with the packages, fetched once for all runs; None where that is impossible."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        warnings.warn("not run against foreign MCP servers: Node is missing", stacklevel=2)
        return None
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ingle-tests"
    folder = base / "npm-2026.8.31-0.2.0-alpha.12-22.21.0"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
            done = subprocess.run([*command, *PACKAGES], capture_output=True, text=True)
            if done.returncode:
                text = f"not run against foreign MCP servers: npm says {done.stderr[-300:]}"
                warnings.warn(text, stacklevel=2)
                return None
            (folder / "complete").touch()
    return folder


def server(folder: Path, name: str) -> str:
    """The script of one of the reference servers."""
    return str(folder / SCOPE / f"server-{name}/dist/index.js")


def conformance(folder: Path) -> list[str]:
    """The command of the conformance tests."""
    node = str(folder / "node_modules/node/bin/node")
    return [node, str(folder / SCOPE / "conformance/dist/index.js")]
