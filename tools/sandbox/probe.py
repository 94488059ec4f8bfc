"""Which sandbox works here, found out by trying it once."""

from __future__ import annotations

import os
import select
import shlex
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.sandbox import bubblewrap
from tools.sandbox.base import Sandbox
from tools.sandbox.bubblewrap import Bubblewrap
from tools.sandbox.missing import Missing
from tools.sandbox.off import Off

Mode = Literal["auto", "bubblewrap", "off"]
OFF = "run with --sandbox off"
INSTALL = f"install it (apt install bubblewrap), or {OFF}"
TRIAL_S = 20


@dataclass(frozen=True)
class Probe:
    """What a trial of one sandbox showed.

    ``reason`` is one line for people, ``""`` when all is well. ``canary`` is what the trial's
    attacks did: 'blocked', 'escaped', or 'not run'.
    """

    name: str
    ok: bool
    reason: str = ""
    canary: str = "not run"


def find_sandbox(mode: Mode = "auto") -> Sandbox:
    """The sandbox to use; a stand-in that refuses every command when none works."""
    if mode == "off":
        return Off()
    sandbox, probe = try_bubblewrap()
    return sandbox if sandbox is not None else Missing(probe.reason)


def try_bubblewrap() -> tuple[Bubblewrap | None, Probe]:
    """Try bubblewrap; the sandbox comes back only when it confines."""
    program = bubblewrap.find_program()
    if program is None:
        return None, Probe("bubblewrap", False, f"bubblewrap is not installed: {INSTALL}")
    probe = Probe("bubblewrap", False)
    for nesting in (False, True):
        sandbox = Bubblewrap(program, nesting)
        probe = trial(sandbox)
        if probe.ok:
            return sandbox, probe
        if probe.canary == "escaped":
            break
    return None, probe


def trial(sandbox: Sandbox) -> Probe:
    """Run a command in the sandbox that writes outside and connects out; look from outside."""
    with (
        tempfile.TemporaryDirectory(prefix="ingle-probe-") as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        base = Path(folder).resolve()
        inside, outside = base / "inside", base / "outside"
        inside.mkdir()
        outside.mkdir()
        port = listener.getsockname()[1]
        command = (
            f"echo ran > ran; echo x > {shlex.quote(str(outside / 'escaped'))}; "
            f"exec 3<>/dev/tcp/127.0.0.1/{port}; true"
        )
        trouble = _run(sandbox, command, inside)
        if not (inside / "ran").exists():
            return Probe(sandbox.name, False, f"{trouble}; allow user namespaces, or {OFF}")
        if (outside / "escaped").exists():
            return Probe(sandbox.name, False, "it lets writes out of the workspace", "escaped")
        if select.select([listener], [], [], 0)[0]:
            return Probe(sandbox.name, False, "it lets connections out", "escaped")
    return Probe(sandbox.name, True, "", "blocked")


def _run(sandbox: Sandbox, command: str, folder: Path) -> str:
    """Run to the end; the first line of what went wrong, for people."""
    launch = sandbox.launch(command, folder)
    try:
        done = subprocess.run(
            launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{sandbox.name} did not answer within {TRIAL_S} s"
    except OSError as error:
        return f"{sandbox.name} does not start: {error.strerror}"
    lines = os.fsdecode(done.stderr).strip().splitlines()
    return lines[0] if lines else f"{sandbox.name} failed with exit code {done.returncode}"
