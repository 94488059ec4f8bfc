"""Memory and cores as small trees of /proc and /sys files say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent.models.machine import available_memory, physical_cores

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="reads Linux's files")
GIB = 1 << 30


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable:   {8 * GIB // 1024} kB\n"}


def test_without_a_cgroup_the_kernel_decides(tmp_path: Path) -> None:
    assert available_memory(tree(tmp_path, MEMINFO)) == 8 * GIB


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    assert available_memory(tmp_path) == 0


def test_cgroup_v2_limit_less_what_is_used_plus_clean_pages(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/user/app"
    root = tree(
        tmp_path,
        {
            **MEMINFO,
            "proc/self/cgroup": "0::/user/app\n",
            f"{group}/memory.max": str(4 * GIB),
            f"{group}/memory.current": str(3 * GIB),
            f"{group}/memory.stat": f"anon 5\ninactive_file {GIB}\n",
        },
    )
    assert available_memory(root) == 2 * GIB


def test_cgroup_v2_the_tightest_parent_counts(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            **MEMINFO,
            "proc/self/cgroup": "0::/user/app\n",
            "sys/fs/cgroup/user/app/memory.max": "max\n",
            "sys/fs/cgroup/user/memory.max": str(GIB),
        },
    )
    assert available_memory(root) == GIB


def test_a_container_whose_path_is_not_mounted(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            **MEMINFO,
            "proc/self/cgroup": "0::/kubepods/pod1\n",
            "sys/fs/cgroup/memory.max": str(GIB),
        },
    )
    assert available_memory(root) == GIB


def test_cgroup_v1(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/docker/1"
    root = tree(
        tmp_path,
        {
            **MEMINFO,
            "proc/self/cgroup": "4:cpu,cpuacct:/x\n3:memory:/docker/1\n",
            f"{group}/memory.limit_in_bytes": str(2 * GIB),
            f"{group}/memory.usage_in_bytes": str(GIB),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert available_memory(root) == GIB


def cores(*pairs: tuple[int, int]) -> dict[str, str]:
    files: dict[str, str] = {}
    for cpu, (package, core) in enumerate(pairs):
        folder = f"sys/devices/system/cpu/cpu{cpu}/topology"
        files[f"{folder}/physical_package_id"] = f"{package}\n"
        files[f"{folder}/core_id"] = f"{core}\n"
    return files


def test_threads_of_a_core_count_once(tmp_path: Path) -> None:
    root = tree(tmp_path, cores((0, 0), (0, 0), (0, 1), (0, 1)))
    assert physical_cores(root, {0, 1, 2, 3}) == 2


def test_two_packages_have_cores_of_the_same_number(tmp_path: Path) -> None:
    root = tree(tmp_path, cores((0, 0), (0, 1), (1, 0), (1, 1)))
    assert physical_cores(root, {0, 1, 2, 3}) == 4


def test_only_the_allowed_cpus_count(tmp_path: Path) -> None:
    root = tree(tmp_path, cores((0, 0), (0, 1), (0, 2), (0, 3)))
    assert physical_cores(root, {1, 2}) == 2


def test_without_topology_each_cpu_is_a_core(tmp_path: Path) -> None:
    assert physical_cores(tmp_path, {0, 1, 2}) == 3


@pytest.mark.parametrize(("quota", "expected"), [("250000", 2), ("50000", 1), ("max", 4)])
def test_cgroup_v2_quota_is_rounded_down(tmp_path: Path, quota: str, expected: int) -> None:
    files = {
        **cores((0, 0), (0, 1), (0, 2), (0, 3)),
        "proc/self/cgroup": "0::/a\n",
        "sys/fs/cgroup/a/cpu.max": f"{quota} 100000\n",
    }
    assert physical_cores(tree(tmp_path, files), {0, 1, 2, 3}) == expected


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_cgroup_v1_quota(tmp_path: Path, mount: str) -> None:
    files = {
        **cores((0, 0), (0, 1), (0, 2), (0, 3)),
        "proc/self/cgroup": "4:cpu,cpuacct:/x\n",
        f"sys/fs/cgroup/{mount}/x/cpu.cfs_quota_us": "300000\n",
        f"sys/fs/cgroup/{mount}/x/cpu.cfs_period_us": "100000\n",
        f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us": "-1\n",
        f"sys/fs/cgroup/{mount}/cpu.cfs_period_us": "100000\n",
    }
    assert physical_cores(tree(tmp_path, files), {0, 1, 2, 3}) == 3


def test_this_machine_has_something() -> None:
    assert physical_cores() >= 1
    assert available_memory() > 0
