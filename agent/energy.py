"""What the machine says about the energy that it takes: RAPL of the processor, NVML of GPUs.

Both count what the whole machine takes, not only this process. Where a counter is missing or may
not be read (RAPL: mostly by root only), nothing is said and nothing is estimated.

Sources: https://docs.kernel.org/power/powercap/powercap.html and the NVML reference
(nvmlDeviceGetTotalEnergyConsumption: millijoules since the driver was loaded, from Volta on).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"
MOST_GPUS = 64

Read = Callable[[], int | None]
"""A counter's value now; None when it cannot be read."""


@dataclass
class Counter:
    """Something that only grows, in `unit` joules; `wraps` is where it begins anew, 0 for never."""

    read: Read
    unit: float
    wraps: int = 0
    last: int | None = None

    def more(self) -> float:
        """Joules since the last call; 0 at the first one."""
        now, before = self.read(), self.last
        self.last = now if now is not None else before
        if now is None or before is None:
            return 0.0
        grown = now - before
        if grown < 0:
            grown = grown + self.wraps if self.wraps else 0
        return max(0, grown) * self.unit


@dataclass
class Meter:
    """Adds up what the counters say. They wrap (RAPL within the hour under load), so that
    :meth:`sample` has to be called now and then."""

    counters: list[Counter] = field(default_factory=list)
    joules: float = 0.0

    def begin(self) -> None:
        """From here on it counts."""
        self.sample()
        self.joules = 0.0

    def sample(self) -> None:
        self.joules += sum(counter.more() for counter in self.counters)

    def total(self) -> float | None:
        """Joules since the beginning; None where the machine does not tell."""
        self.sample()
        return self.joules if self.counters else None


def open_meter(powercap: Path = POWERCAP, nvml: str = NVML) -> Meter:
    """A meter of the counters that can be read here, maybe of none."""
    return Meter([*rapl(powercap), *gpus(nvml)])


def rapl(powercap: Path) -> list[Counter]:
    """The packages of the processor; cores and memory controllers below them are part of them, and
    `psys` contains them, so they are left out."""
    found = []
    for zone in _zones(powercap):
        read = _file(zone / "energy_uj")
        if _text(zone / "name").startswith("package") and read() is not None:
            found.append(Counter(read, 1e-6, _file(zone / "max_energy_range_uj")() or 0))
    return found


def _zones(powercap: Path) -> list[Path]:
    try:
        # AMD's too; intel-rapl-mmio shows the same counters once more.
        return sorted(powercap.glob("intel-rapl:*"))
    except OSError:
        return []


def _file(path: Path) -> Read:
    def read() -> int | None:
        text = _text(path)
        return int(text) if text.isdecimal() else None

    return read


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def gpus(library: str) -> list[Counter]:
    """The GPUs that NVML tells of; none where it is not installed."""
    try:
        nvml = ctypes.CDLL(library)
        if nvml.nvmlInit_v2() != 0:
            return []
        count = ctypes.c_uint(0)
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return []
        counters = [_gpu(nvml, index) for index in range(min(count.value, MOST_GPUS))]
    except (OSError, AttributeError):
        return []
    return [counter for counter in counters if counter.read() is not None]


def _gpu(nvml: ctypes.CDLL, index: int) -> Counter:
    device = ctypes.c_void_p()
    there = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(device)) == 0

    def read() -> int | None:
        value = ctypes.c_ulonglong(0)
        if not there or nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(value)) != 0:
            return None
        return value.value

    return Counter(read, 1e-3)
