"""Energy counters: a folder like /sys/class/powercap, and a library like NVIDIA's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.energy import Meter, gpus, open_meter, rapl

NOWHERE = "libno-such-library.so.9"
RANGE = 262_143_328_850


def zone(root: Path, name: str, kind: str, energy: object) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return folder / "energy_uj"


def test_packages_are_added_up(tmp_path: Path) -> None:
    one = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    two = zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    part = zone(tmp_path, "intel-rapl:0:0", "core", 1_000_000)
    whole = zone(tmp_path, "intel-rapl:2", "psys", 1_000_000)
    again = zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    meter = open_meter(tmp_path, NOWHERE)
    meter.begin()
    one.write_text("6000000\n")
    two.write_text("9500000\n")
    for other in (part, whole, again):
        other.write_text("99000000\n")
    assert meter.total() == pytest.approx(3.5)


def test_a_counter_that_begins_anew(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    meter = open_meter(tmp_path, NOWHERE)
    meter.begin()
    file.write_text("2000000\n")
    meter.sample()
    file.write_text("3000000\n")
    assert meter.total() == pytest.approx(4.0)


def test_each_turn_counts_from_its_beginning(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = open_meter(tmp_path, NOWHERE)
    meter.begin()
    file.write_text("5000000\n")
    assert meter.total() == pytest.approx(5.0)
    file.write_text("50000000\n")
    meter.begin()
    file.write_text("51000000\n")
    assert meter.total() == pytest.approx(1.0)


def test_a_counter_that_goes_away_is_no_loss(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    meter = open_meter(tmp_path, NOWHERE)
    meter.begin()
    file.write_text("2000000\n")
    meter.sample()
    file.unlink()
    assert meter.total() == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "\xff"])
def test_what_is_no_number_is_no_counter(tmp_path: Path, text: str) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1).write_text(text, "latin-1")
    assert rapl(tmp_path) == []


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    for root in (tmp_path / "missing", tmp_path):
        meter = open_meter(root, NOWHERE)
        meter.begin()
        assert meter.total() is None
    assert Meter().total() is None


LIBRARY = """
#include <stdlib.h>
typedef unsigned long long u64;
static u64 sum = 1000;
int nvmlInit_v2(void) { return getenv("BROKEN_DRIVER") != NULL; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned n, void **d) { *d = (void *)(u64)(n + 1); return 0; }
/* The second one is too old to count. */
int nvmlDeviceGetTotalEnergyConsumption(void *d, u64 *mj) {
    if ((u64)d != 1) return 3;
    *mj = (sum += 2500);
    return 0;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(LIBRARY)
    compiler = shutil.which("cc") or "gcc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "libnvml.so", "nvml.c"],
                   cwd=folder, check=True)  # fmt: skip
    return str(folder / "libnvml.so")


def test_gpus_that_count(library: str) -> None:
    (counter,) = gpus(library)
    meter = Meter([counter])
    meter.begin()
    assert meter.total() == pytest.approx(2.5)


def test_a_driver_that_does_not_start(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN_DRIVER", "1")
    assert os.environ["BROKEN_DRIVER"]
    assert gpus(library) == []


def test_another_library_is_none() -> None:
    assert gpus("libc.so.6") == []
