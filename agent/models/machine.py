"""What this machine offers: memory that is free, and cores that do arithmetic.

Sources: /proc/meminfo, cgroups v2 and v1, /sys topology on Linux; sysctl on macOS. All functions
take the root of the file system, so that a test can bring its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path("/")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    """The integer in a file; None for "max", for nothing, and for a missing file."""
    words = _text(path).split()
    return int(words[0]) if words and words[0].lstrip("-").isdigit() else None


def _sysctl(name: str) -> int | None:
    try:
        done = subprocess.run(
            ["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    out = done.stdout.strip()
    return int(out) if out.isdigit() else None


def _cgroup_folders(root: Path, controller: str) -> list[Path]:
    """The process's own cgroup and all above it, for v2 (controller "") or a v1 controller."""
    mount = root / "sys/fs/cgroup" / controller
    if controller == "cpu" and not mount.is_dir():
        mount = root / "sys/fs/cgroup/cpu,cpuacct"
    own = "/"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if controller in names.split(","):
            own = path
    # Inside a container the path can name a folder that is not mounted; the mount itself is there.
    folder = mount / own.strip("/")
    folders = [folder, *folder.parents] if mount in [folder, *folder.parents] else [mount]
    return [f for f in folders if f == mount or mount in f.parents]


def _cgroup_free(root: Path) -> int | None:
    """Bytes that the tightest memory limit of a cgroup leaves; None without a limit."""
    free: list[int] = []
    layouts = (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for controller, limit_name, used_name, cache_name in layouts:
        for folder in _cgroup_folders(root, controller):
            limit = _number(folder / limit_name)
            # v1 writes a number near 2**63 for "no limit".
            if limit is None or limit >= 1 << 60:
                continue
            found = re.search(rf"^{cache_name} (\d+)$", _text(folder / "memory.stat"), re.M)
            # Clean pages of files are given back when memory is short; they are not used up.
            cache = int(found[1]) if found else 0
            free.append(max(0, limit - (_number(folder / used_name) or 0) + cache))
    return min(free, default=None)


def available_memory(root: Path = ROOT) -> int:
    """Bytes that a new process can use without swapping; 0 when the machine does not say."""
    if sys.platform == "darwin":
        # macOS does not tell what is reclaimable without private calls: half of all is safe.
        return (_sysctl("hw.memsize") or 0) // 2
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.M)
    free = int(found[1]) * 1024 if found else 0
    limit = _cgroup_free(root)
    if limit is None:
        return free
    return min(free, limit) if free else limit


def _cpu_quota(root: Path) -> int | None:
    """Whole cores that the tightest cgroup quota allows; None without a quota."""
    quotas: list[float] = []
    for folder in _cgroup_folders(root, ""):
        words = _text(folder / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    for folder in _cgroup_folders(root, "cpu"):
        quota = _number(folder / "cpu.cfs_quota_us")
        period = _number(folder / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            quotas.append(quota / period)
    # Rounded down: a thread above the quota stalls all others at every barrier of ggml.
    return max(1, int(min(quotas))) if quotas else None


def _allowed_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def physical_cores(root: Path = ROOT, allowed: set[int] | None = None) -> int:
    """Physical cores that this process may use, at least 1.

    Hyper-threads of one core count once; `allowed` (CPU numbers) defaults to the affinity of the
    process; a cgroup quota caps the result.
    """
    if sys.platform == "darwin":
        return _sysctl("hw.perflevel0.physicalcpu") or _sysctl("hw.physicalcpu") or 1
    cpus = _allowed_cpus() if allowed is None else allowed
    cores: set[tuple[int, int]] = set()
    for cpu in cpus:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        core = _number(topology / "core_id")
        package = _number(topology / "physical_package_id") or 0
        # A machine without topology files shows each CPU as a core of its own.
        cores.add((package, core) if core is not None else (-1, cpu))
    quota = _cpu_quota(root)
    return max(1, min(len(cores), quota) if quota else len(cores))
