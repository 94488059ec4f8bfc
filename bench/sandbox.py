"""What the sandbox costs a command."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tools.sandbox.base import Launch, Sandbox
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox, trial
from tools.sandbox.profiles import READ_ONLY

ROUNDS = 60


def run() -> None:
    """Medians of starting `true`, with what Python does for it; each kind in turn."""
    with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
        root = Path(folder).resolve()
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        bare = Launch(("/bin/bash", "-c", "true"), dict(os.environ), root)
        kinds: dict[str, Sandbox | None] = {
            "bare": None,
            "off": Off(),
            "bubblewrap": find_sandbox("bubblewrap"),
            "landlock": find_sandbox("landlock", READ_ONLY),
        }
        found: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, sandbox in kinds.items():
                started = time.perf_counter()
                launch = sandbox.launch("true", root) if sandbox else bare
                subprocess.run(launch.argv, env=launch.env, cwd=root, check=True)
                found[name].append((time.perf_counter() - started) * 1000)
    base = statistics.median(found["bare"])
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:<11} {median:6.1f} ms median  {median - base:+6.1f} ms over bare")
    started = time.perf_counter()
    probe = trial(find_sandbox("bubblewrap"))
    print(f"canary      {(time.perf_counter() - started) * 1000:6.1f} ms once: {probe.canary}")
