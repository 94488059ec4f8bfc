"""A write that is killed at any moment leaves the old bytes or the new ones."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

SIZE = 2_000_000
ROUNDS = 40
LOOP = """
import sys
from pathlib import Path
from tools.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]))
file = workspace.resolve_for_writing("file")
print(flush=True)
while True:
    for letter in (b"a", b"b"):
        workspace.write(file, letter * {size})
        print(flush=True)
"""


def test_kill_in_the_middle_of_a_write_leaves_no_half_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    whole = {b"a" * SIZE, b"b" * SIZE}
    file.write_bytes(b"a" * SIZE)
    chance = random.Random(7)
    unfinished = 0
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", LOOP.format(size=SIZE), str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        ) as writer:
            assert writer.stdout is not None
            # The lines pace the test: so many writes later, at some moment of the next one.
            for _ in range(chance.randrange(1, 4)):
                writer.stdout.readline()
            for _ in range(chance.randrange(200_000)):
                pass
            writer.send_signal(signal.SIGKILL)
        assert file.read_bytes() in whole
        leftovers = [path for path in tmp_path.iterdir() if path != file]
        unfinished += len(leftovers)
        for path in leftovers:
            path.unlink()
    assert unfinished, "no kill hit a write: the test would prove nothing"
