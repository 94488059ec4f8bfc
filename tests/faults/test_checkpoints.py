"""Checkpoints when things break: killed, full, broken, too large."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.checkpoints import listing
from tools.checkpoints.base import CheckpointFailed, Refused, Restored
from tools.checkpoints.store import Checkpoints

HERE = Path(__file__).parents[2]
FILES = 400
SAVING = """
import sys
from pathlib import Path
from tools.checkpoints.store import Checkpoints
Checkpoints(Path(sys.argv[2]), Path(sys.argv[1])).save("x")
"""
RESTORING = """
import sys
from pathlib import Path
from tools.checkpoints.store import Checkpoints
Checkpoints(Path(sys.argv[2]), Path(sys.argv[1])).restore(*sys.argv[3:])
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}


def test_kill_in_a_save_leaves_a_store_that_works(root: Path, store: Path) -> None:
    chance = random.Random(11)
    (root / "first").write_bytes(b"first")
    first = Checkpoints(store, root).save("first").id
    lock, unfinished = store / "index.lock", 0
    for _ in range(10):
        for number in range(FILES):
            (root / f"f{number}").write_bytes(chance.randbytes(99))
        with subprocess.Popen(
            [sys.executable, "-c", SAVING, str(root), str(store)], cwd=HERE, start_new_session=True
        ) as process:
            while process.poll() is None and not lock.exists():
                pass
            for _ in range(chance.randrange(100_000)):  # some moment of the work
                pass
            os.killpg(process.pid, signal.SIGKILL)
        unfinished += lock.exists()
        before = contents(root)
        saved = Checkpoints(store, root).save("after").id
        (root / "f0").write_bytes(b"changed")
        done = Checkpoints(store, root).restore(saved, Checkpoints(store, root).save("").id)
        assert isinstance(done, Restored)
        assert contents(root) == before
        Checkpoints(store, root).changes(first)
    fsck = subprocess.run(
        ["git", "--git-dir", str(store), "fsck", "--strict"], capture_output=True, check=False
    )
    assert fsck.returncode == 0, fsck.stderr
    assert unfinished, "no kill hit a save: the test would prove nothing"


def test_kill_in_a_restore_leaves_whole_files_and_it_can_be_finished(
    root: Path, store: Path
) -> None:
    chance = random.Random(5)
    checkpoints = Checkpoints(store, root)
    states, ids = [], []
    for number in (1, 2):
        for n in range(FILES):
            (root / f"f{n:03d}").write_bytes(b"%d" % number * 5_000)
        states.append(contents(root))
        ids.append(checkpoints.save(str(number)).id)
    mixed = 0
    for _ in range(8):
        watched = root / f"f{chance.randrange(FILES // 2):03d}"
        arguments = (str(root), str(store), *ids)
        with subprocess.Popen(
            [sys.executable, "-c", RESTORING, *arguments], cwd=HERE, start_new_session=True
        ) as process:
            while process.poll() is None and watched.read_bytes() == states[1][watched.name]:
                pass
            os.killpg(process.pid, signal.SIGKILL)
        now = contents(root)
        files = {name: data for name, data in now.items() if not name.startswith(".ingle-")}
        assert all(data in (states[0][name], states[1][name]) for name, data in files.items())
        mixed += files not in states
        assert isinstance(checkpoints.restore(*ids), Restored), "the same undo goes on"
        for path in root.glob(".ingle-*"):
            path.unlink()
        assert contents(root) == states[0]
        assert isinstance(checkpoints.restore(ids[1], ids[0]), Restored)
    assert mixed, "no kill hit a restore: the test would prove nothing"


@pytest.mark.parametrize("name", ["index", "last.json", "HEAD", "config"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "gone"])
def test_a_broken_file_of_the_store_is_made_anew(
    root: Path, store: Path, name: str, damage: str
) -> None:
    (root / "a").write_bytes(b"one")
    first = Checkpoints(store, root).save("first").id
    path = store / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:7] if damage == "truncated" else b"\0garbage")
    (root / "a").write_bytes(b"two")
    second = Checkpoints(store, root).save("second").id
    assert isinstance(Checkpoints(store, root).restore(first, second), Restored)
    assert (root / "a").read_bytes() == b"one"


def test_lost_objects_are_said_and_the_next_save_works(root: Path, store: Path) -> None:
    (root / "a").write_bytes(b"one")
    first = Checkpoints(store, root).save("first").id
    for folder in (store / "objects").iterdir():
        shutil.rmtree(folder)
    with pytest.raises(CheckpointFailed):
        Checkpoints(store, root).changes(first)
    (root / "a").write_bytes(b"two")
    second = ""
    for _ in range(2):  # the first one finds out that the index names what is lost
        try:
            second = Checkpoints(store, root).save("second").id
        except CheckpointFailed:
            continue
    (root / "a").write_bytes(b"three")
    assert isinstance(
        Checkpoints(store, root).restore(second, Checkpoints(store, root).save("").id), Restored
    )
    assert (root / "a").read_bytes() == b"two"


def test_a_lock_left_behind_is_ours_to_remove(root: Path, store: Path) -> None:
    (root / "a").write_bytes(b"one")
    Checkpoints(store, root).save("first")
    (store / "index.lock").touch()
    (root / "a").write_bytes(b"two")
    Checkpoints(store, root).save("second")


@pytest.mark.parametrize("kind", ["bare", "unborn", "unreadable", "no repository", "loop"])
def test_any_kind_of_git_folder_is_nothing_to_a_checkpoint(
    root: Path, store: Path, kind: str
) -> None:
    if kind == "unborn":
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    elif kind == "bare":
        subprocess.run(["git", "init", "-q", "--bare"], cwd=root, check=True)
    elif kind == "unreadable":
        (root / ".git").mkdir(mode=0o000)
    elif kind == "no repository":
        (root / ".git").write_text("gitdir: /no/where\n")
    else:
        (root / ".git").symlink_to(".git")
    (root / "a").write_bytes(b"one")
    first = Checkpoints(store, root).save("first").id
    (root / "a").write_bytes(b"two")
    second = Checkpoints(store, root).save("second").id
    assert Checkpoints(store, root).changes(first, second) == [("a", "changed")]
    if kind == "unreadable":
        (root / ".git").chmod(0o700)


def test_more_files_than_are_saved(
    root: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 1_000)
    for number in range(50):
        folder = root / f"d{number}"
        folder.mkdir()
        for other in range(1_000):
            (folder / f"f{other}").touch()
    saved = Checkpoints(store, root).save("first")
    assert len(saved.left_out) + saved.more == 49_000
    (root / "d49/f999").write_bytes(b"changed")
    changed = Checkpoints(store, root).changes(saved.id)
    assert len(changed) <= 1 and isinstance(
        Checkpoints(store, root).restore(saved.id, ""), Restored | Refused
    )


FULL = """
import os, subprocess, sys
from pathlib import Path
from tools.checkpoints.base import CheckpointFailed
from tools.checkpoints.store import Checkpoints
root, disk = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
(root / "a").write_bytes(b"one")
first = Checkpoints(disk / "store", root).save("first").id
(root / "large").write_bytes(os.urandom(3_000_000))
try:
    Checkpoints(disk / "store", root).save("second")
except CheckpointFailed as error:
    print("failed:", error)
(root / "large").unlink()
(root / "a").write_bytes(b"two")
second = Checkpoints(disk / "store", root).save("third").id
print(type(Checkpoints(disk / "store", root).restore(first, second)).__name__)
print((root / "a").read_text())
"""


def test_a_full_disk_is_said_and_the_store_goes_on(root: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", FULL,
         str(root), str(disk)],
        cwd=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[1:] == ["Restored", "one"], done.stderr
    assert lines[0].startswith("failed: ")


def test_a_store_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for store in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(CheckpointFailed, match="file"):
            Checkpoints(store, root).save("x")
