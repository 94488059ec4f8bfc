"""Which sandbox works here, found out by trying it once."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.sandbox import bubblewrap, landlock, seatbelt
from tools.sandbox.base import Sandbox, SandboxUnavailable
from tools.sandbox.bubblewrap import Bubblewrap
from tools.sandbox.canary import ATTACKS, PROGRAM
from tools.sandbox.install import OFF, install_line, namespace_line
from tools.sandbox.landlock import Landlock
from tools.sandbox.missing import Missing
from tools.sandbox.off import Off
from tools.sandbox.profiles import WORKSPACE, Profile
from tools.sandbox.seatbelt import Seatbelt

Mode = Literal["auto", "bubblewrap", "landlock", "off"]
TRIAL_S = 20


@dataclass(frozen=True)
class Probe:
    """What a trial of one sandbox showed.

    ``reason`` is one line for people, ``""`` when all is well. ``canary`` is what the trial's
    attacks did: 'blocked', 'escaped', or 'not run'; ``attacks`` has each with what stopped it,
    and 'escaped' for what nothing stopped.
    """

    name: str
    ok: bool
    reason: str = ""
    canary: str = "not run"
    attacks: tuple[tuple[str, str], ...] = ()


def find_sandbox(mode: Mode = "auto", profile: Profile = WORKSPACE) -> Sandbox:
    """The sandbox for commands of a profile; a stand-in that refuses them when none works."""
    if mode == "off":
        return Off(profile)
    probe = Probe("landlock", False)
    if mode != "landlock":
        found, probe = try_seatbelt() if sys.platform == "darwin" else try_bubblewrap()
        if found is not None:
            return found.with_profile(profile)
    if mode in ("auto", "landlock") and profile.only_reads:
        reduced, reduced_probe = try_landlock()
        if reduced is not None:
            return reduced.with_profile(profile)
        probe = probe if probe.reason else reduced_probe
    return Missing(probe.reason or "Landlock only confines the profile read-only", profile)


def try_bubblewrap() -> tuple[Bubblewrap | None, Probe]:
    """Try bubblewrap; the sandbox comes back only when it confines."""
    program = bubblewrap.find_program()
    if program is None:
        reason = f"bubblewrap is not installed: {install_line()} (or {OFF})"
        return None, Probe("bubblewrap", False, reason)
    probe = Probe("bubblewrap", False)
    for old in (False, True):
        sandbox = Bubblewrap(program, old)
        probe = trial(sandbox)
        if probe.ok:
            return sandbox, probe
        if probe.canary == "escaped":
            break
    return None, probe


def try_landlock() -> tuple[Landlock | None, Probe]:
    """Try the reduced tier."""
    abi = landlock.landlock_abi()
    if abi < landlock.OLDEST:
        reason = f"Landlock needs Linux 6.2 or newer: {install_line()} (or {OFF})"
        return None, Probe("landlock", False, reason)
    sandbox = Landlock(abi)
    probe = trial(sandbox)
    return (sandbox if probe.ok else None), probe


def try_seatbelt() -> tuple[Seatbelt | None, Probe]:
    """Try macOS's own; never run by our tests."""
    if not Path(seatbelt.PROGRAM).exists():
        return None, Probe("seatbelt", False, f"{seatbelt.PROGRAM} is missing: {OFF}")
    sandbox = Seatbelt()
    probe = trial(sandbox)
    return (sandbox if probe.ok else None), probe


def trial(sandbox: Sandbox) -> Probe:
    """Run a program in the sandbox that tries to get out; look from outside whether it did."""
    with _targets() as (folder, outside, arguments, listeners):
        python = str(Path(sys.executable).resolve())
        argv = (python, "-I", "-S", "-c", PROGRAM, *arguments)
        trouble, output = _run(sandbox, argv, folder)
        told = dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
        seen = {name for name, listener in listeners.items() if _was_reached(listener)}
        if outside.exists():
            seen.add("write")
        if (folder / ".git/hooks-canary").exists():
            seen.add("git folder")
        if told.get("parent") == "escaped":
            seen.add("parent")
    # A write or a connection that succeeded inside may have met something of the sandbox's own.
    ends = {name: "contained" if end == "escaped" else end for name, end in told.items()}
    attacks = tuple((x, "escaped" if x in seen else ends.get(x, "")) for x in ATTACKS)
    escaped = [name for name, end in attacks if end == "escaped"]
    if escaped:
        reason = f"it does not confine: {', '.join(escaped)} got out"
        return Probe(sandbox.name, False, reason, "escaped", attacks)
    if not all(end for _, end in attacks):
        return Probe(sandbox.name, False, f"{trouble}: {namespace_line()} (or {OFF})")
    return Probe(sandbox.name, True, "", "blocked", attacks)


@contextmanager
def _targets() -> Iterator[tuple[Path, Path, tuple[str, ...], dict[str, socket.socket]]]:
    """What the attacks aim at: the workspace, a file outside, arguments, and who listens."""
    with (
        tempfile.TemporaryDirectory(prefix="ingle-probe-") as base,
        socket.create_server(("127.0.0.1", 0)) as network,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        folder, outside = Path(base).resolve() / "inside", Path(base).resolve() / "escaped"
        (folder / ".git").mkdir(parents=True)
        # Where the attack can see it: only the filter of system calls stands between.
        path, name = str(folder / "socket"), Path(base).name
        unix.bind(path)
        listeners = {"connect": network, "unix socket": unix}
        if sys.platform == "linux":
            abstract.bind(f"\0{name}")
            listeners["abstract socket"] = abstract
        for listener in listeners.values():
            listener.listen()
        parent = f"{os.getpid()}:{_start_of(os.getpid())}"
        port = str(network.getsockname()[1])
        yield folder, outside, (str(outside), port, path, name, parent), listeners


def _start_of(pid: int) -> str:
    """When a process started, in the kernel's ticks; tells two with one number apart."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return "0"
    return text.rpartition(")")[2].split()[19]


def _was_reached(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def _run(sandbox: Sandbox, argv: tuple[str, ...], folder: Path) -> tuple[str, str]:
    """Run to the end; the first line of what went wrong, for people, and what was printed."""
    try:
        launch = sandbox.wrap(argv, folder)
        done = subprocess.run(
            launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_S,
            check=False,
        )
    except SandboxUnavailable as error:
        return str(error), ""
    except subprocess.TimeoutExpired:
        return f"{sandbox.name} did not answer within {TRIAL_S} s", ""
    except OSError as error:
        return f"{sandbox.name} does not start: {error.strerror}", ""
    lines = os.fsdecode(done.stderr).strip().splitlines()
    trouble = lines[0] if lines else f"{sandbox.name} failed with exit code {done.returncode}"
    return trouble, os.fsdecode(done.stdout)
