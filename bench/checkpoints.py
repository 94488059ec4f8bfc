"""How long a checkpoint of a folder takes; see tools/checkpoints."""

from __future__ import annotations

import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tools.checkpoints.store import Checkpoints

SIZES = (500, 5_000, 50_000)
ROUNDS = 9


def run() -> None:
    """Repositories of Python-like files: the first save, one without and one with a change."""
    print("files      first       nothing changed   one file changed   undo of it")
    for count in SIZES:
        with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
            root = Path(folder) / "project"
            _fill(root, count)
            print(_line(count, Checkpoints(Path(folder) / "store", root), root))


def _line(count: int, checkpoints: Checkpoints, root: Path) -> str:
    first = checkpoints.save("first")
    same, changed, undone = [], [], []
    for number in range(ROUNDS):
        before = checkpoints.save("same")
        same.append(before.seconds)
        (root / "d0/f0.py").write_text(f"x = {number}\n", "utf-8")
        after = checkpoints.save("changed")
        changed.append(after.seconds)
        undone.append(_timed(checkpoints, before.id, after.id))
    middle = [statistics.median(values) for values in (same, changed, undone)]
    return (
        f"{count:<8,} {first.seconds:6.2f} s {middle[0] * 1000:14.0f} ms "
        f"{middle[1] * 1000:15.0f} ms {middle[2] * 1000:9.0f} ms"
    )


def _timed(checkpoints: Checkpoints, before: str, after: str) -> float:
    started = time.monotonic()
    checkpoints.restore(before, after)
    return time.monotonic() - started


def _fill(root: Path, count: int) -> None:
    chance = random.Random(count)
    for number in range(count):
        folder = root / f"d{number // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = chance.randrange(20, 300)
        (folder / f"f{number}.py").write_text(f"value_{number} = {number}\n" * lines, "utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
