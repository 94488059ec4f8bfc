"""The Hugging Face source: resume, retry, refusals, and networks that do not answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from agent.errors import ModelUnavailable, NoSpace
from agent.models import fetch, hf
from agent.models.fetch import pull
from agent.models.source import SourceFailed
from agent.models.verify import read_record, write_record
from tests.unit.models.hub import (
    FILE,
    Hub,
    black_hole,
    closed_port,
    entry_for,
    serving,
    sha256,
    use_endpoint,
)

DATA = bytes(range(256)) * 20_000  # about 5 MB: several chunks


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub(DATA)
    monkeypatch.setattr(hf, "PAUSE_S", 0.0)
    with serving(served) as endpoint:
        use_endpoint(monkeypatch, endpoint)
        yield served


def failure(entry: object, folder: Path) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        pull(entry, folder, offline=False)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")]


@pytest.mark.usefixtures("hub")
def test_a_plain_download_is_recorded_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = pull(entry_for(DATA), tmp_path, offline=False)
    assert path == tmp_path / FILE
    assert path.read_bytes() == DATA
    record = read_record(path)
    assert record is not None
    assert (record.sha256, record.size) == (sha256(DATA), len(DATA))
    assert record.source == "Hugging Face"
    assert sorted(leftovers(tmp_path)) == [FILE, f"{FILE}.json"]


def test_the_hub_is_not_asked_which_agent_we_are(hub: Hub, tmp_path: Path) -> None:
    pull(entry_for(DATA), tmp_path, offline=False)
    assert {path for path, _ in hub.seen} == {
        f"/maker/tiny-GGUF/resolve/main/{FILE}",
        f"/store/{FILE}",
    }


def test_a_second_pull_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    pull(entry_for(DATA), tmp_path, offline=False)
    hub.seen.clear()
    pull(entry_for(DATA), tmp_path, offline=False)
    assert hub.seen == []


def test_broken_connections_are_taken_up_where_they_ended(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [1_500_000, 0, 2_000_000]
    path = pull(entry_for(DATA), tmp_path, offline=False)
    assert path.read_bytes() == DATA
    assert hub.gets == ["", "bytes=1500000-", "bytes=1500000-", "bytes=3500000-"]


def test_a_server_that_brings_nothing_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [1_000_000] + [0] * 50
    assert "Hugging Face: " in failure(entry_for(DATA), tmp_path)
    assert len(hub.gets) == 1 + hf.ATTEMPTS
    # What came is kept, and the next call goes on behind it.
    hub.break_after, hub.gets = [], []
    assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA
    assert hub.gets == ["bytes=1000000-"]


def test_a_server_without_ranges_starts_again(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.ranges = [1_000_000], False
    assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA


def partial_of(folder: Path) -> Path:
    return folder / ".partial" / f"{FILE}.hf" / sha256(DATA)


def test_a_partial_file_that_is_too_long_starts_again(hub: Hub, tmp_path: Path) -> None:
    partial_of(tmp_path).parent.mkdir(parents=True)
    partial_of(tmp_path).write_bytes(bytes(len(DATA) + 1))
    assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA
    assert hub.gets == [""]


def test_partial_bytes_of_another_file_end_as_a_wrong_hash(hub: Hub, tmp_path: Path) -> None:
    partial_of(tmp_path).parent.mkdir(parents=True)
    partial_of(tmp_path).write_bytes(b"?" * 1000)
    assert "wrong sha256" in failure(entry_for(DATA), tmp_path)
    # They are gone now, so that the next call succeeds.
    assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA
    assert hub.gets == ["bytes=1000-", ""]


def test_the_partial_file_of_another_version_is_deleted(hub: Hub, tmp_path: Path) -> None:
    old = partial_of(tmp_path).with_name("0" * 64)
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    hub.break_after = [1000] + [0] * 50
    failure(entry_for(DATA), tmp_path)
    assert leftovers(tmp_path) == [sha256(DATA)]


def test_more_bytes_than_declared_are_not_written(hub: Hub, tmp_path: Path) -> None:
    hub.data, hub.declared, hub.size = DATA * 3, sha256(DATA), len(DATA)
    assert "more than the" in failure(entry_for(DATA), tmp_path)
    assert partial_of(tmp_path).stat().st_size <= len(DATA)


def test_a_file_that_changes_between_two_connections(hub: Hub, tmp_path: Path) -> None:
    changed = DATA[::-1]

    def change(done: int, _total: int, _note: str) -> None:
        if done:
            hub.data = changed

    hub.break_after = [1_000_000]
    with pytest.raises(ModelUnavailable, match="changed on the hub"):
        pull(entry_for(DATA, sha256=""), tmp_path, offline=False, progress=change)


@pytest.mark.parametrize("declared", ["abc", "c" * 40])
def test_an_answer_without_a_sha256_is_refused(hub: Hub, tmp_path: Path, declared: str) -> None:
    hub.declared = declared
    assert "names no size and sha256" in failure(entry_for(DATA, sha256=""), tmp_path)


def test_a_renamed_repository_is_followed(hub: Hub, tmp_path: Path) -> None:
    hub.renamed_to = "maker/new-name"
    assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA
    assert hub.seen[1][0] == f"/maker/new-name/resolve/main/{FILE}"


@pytest.mark.usefixtures("hub")
def test_a_wrong_file_in_the_folder_is_replaced_by_pull(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else")
    notes: list[str] = []
    path = pull(
        entry_for(DATA), tmp_path, offline=False, progress=lambda *call: notes.append(call[2])
    )
    assert path.read_bytes() == DATA
    assert notes[0].endswith("it is replaced")


@pytest.mark.usefixtures("hub")
def test_killed_between_the_file_and_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    entry = entry_for(DATA, sha256="")
    (tmp_path / FILE).write_bytes(b"an older version")
    write_record(tmp_path / FILE, "0" * 64, "Hugging Face")
    (tmp_path / FILE).write_bytes(b"an older version, changed by somebody")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fetch, "write_record", killed)
        pull(entry, tmp_path, offline=False)
    # The record of the older version must not make the new file look wrong.
    assert pull(entry, tmp_path, offline=True).read_bytes() == DATA


def test_another_declared_hash_is_refused_before_the_download(hub: Hub, tmp_path: Path) -> None:
    hub.declared = "0" * 64
    assert "another file" in failure(entry_for(DATA), tmp_path)
    assert hub.gets == []


def test_wrong_bytes_are_removed(hub: Hub, tmp_path: Path) -> None:
    good, hub.data = DATA, DATA[:-1] + b"?"
    hub.declared = sha256(good)
    assert "wrong sha256" in failure(entry_for(good), tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("hub")
def test_without_a_known_hash_the_declared_one_is_shown_and_recorded(tmp_path: Path) -> None:
    notes: list[str] = []

    def progress(_done: int, _total: int, note: str) -> None:
        notes.append(note)

    entry = entry_for(DATA, sha256="", size=123, file="")
    path = pull(entry, tmp_path, offline=False, progress=progress)
    # The name on the hub was looked up; on this machine it is the catalogue's.
    assert path == tmp_path / "tiny.gguf"
    assert any(sha256(DATA) in note and FILE in note for note in notes)
    record = read_record(path)
    assert record is not None
    assert record.sha256 == sha256(DATA)


def test_first_use_verifies_against_what_was_declared(hub: Hub, tmp_path: Path) -> None:
    hub.declared = "0" * 64
    assert "wrong sha256" in failure(entry_for(DATA, sha256=""), tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "says"), [(401, "HF_TOKEN"), (403, "licence"), (404, "no such"), (503, "503")]
)
def test_refusals_are_named(hub: Hub, tmp_path: Path, status: int, says: str) -> None:
    hub.status = status
    assert says in failure(entry_for(DATA), tmp_path)


def test_the_token_goes_to_the_hub_and_not_to_a_store_elsewhere(hub: Hub, tmp_path: Path) -> None:
    store = Hub(DATA)
    with serving(store) as address:
        hub.elsewhere = address
        assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA
    assert [token for _, token in hub.seen] == ["Bearer hf_secret"]
    assert [token for _, token in store.seen] == [""]


def test_hf_hub_offline_is_respected(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failure(entry_for(DATA), tmp_path)
    assert hub.seen == []


def test_a_page_that_is_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_httpserver import HTTPServer

    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/").respond_with_data("hello")
        use_endpoint(monkeypatch, server.url_for("").rstrip("/"))
        assert "Hugging Face: HTTP 500" in failure(entry_for(DATA), tmp_path)


def test_the_bound_leaves_time_for_the_next_source() -> None:
    assert hf.FIRST_ANSWER_S < 10


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_endpoint(monkeypatch, closed_port())
    start = time.monotonic()
    assert "cannot be reached" in failure(entry_for(DATA), tmp_path)
    assert time.monotonic() - start < 5


def test_a_name_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    use_endpoint(monkeypatch, "http://hub.invalid")
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert "Name or service not known" in failure(entry_for(DATA), tmp_path)


def test_a_black_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hf, "FIRST_ANSWER_S", 0.5)
    with black_hole() as endpoint:
        use_endpoint(monkeypatch, endpoint)
        start = time.monotonic()
        assert "no answer" in failure(entry_for(DATA), tmp_path)
        assert time.monotonic() - start < 5


def test_a_name_server_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hangs(*_: object, **__: object) -> None:
        release.wait(60)
        raise socket.gaierror(-3, "Temporary failure")

    use_endpoint(monkeypatch, "http://hub.invalid")
    monkeypatch.setattr(hf, "FIRST_ANSWER_S", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    start = time.monotonic()
    try:
        assert "no answer within" in failure(entry_for(DATA), tmp_path)
        assert time.monotonic() - start < 5
    finally:
        release.set()


def test_the_disk_is_asked_first(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=4_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NoSpace, match=r"0\.01 GB needed, 0\.00 GB free"):
        pull(entry_for(DATA), tmp_path, offline=False)
    assert hub.gets == []


@pytest.mark.usefixtures("hub")
def test_a_disk_that_becomes_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hf, "download", full)
    with pytest.raises(NoSpace, match="became full"):
        pull(entry_for(DATA), tmp_path, offline=False)


CHILD = """
import signal, sys
from pathlib import Path
from agent.models.fetch import pull
from tests.unit.models.hub import entry_for
from tests.faults.test_models_hf import DATA

# A test run in the background starts its children with the interrupt ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def progress(done, total, note):
    if done > 1_000_000:
        print("half", flush=True)
        sys.stdin.read()

pull(entry_for(DATA), Path(sys.argv[1]), offline=False, progress=progress)
"""


@pytest.mark.parametrize("signal_number", [9, 2])
def test_a_killed_download_goes_on(hub: Hub, tmp_path: Path, signal_number: int) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        env={**os.environ, "HF_ENDPOINT": constants.ENDPOINT, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"half\n"
    child.send_signal(signal_number)
    child.communicate()
    assert child.returncode != 0
    hub.gets.clear()
    assert pull(entry_for(DATA), tmp_path, offline=False).read_bytes() == DATA
    assert len(hub.gets) == 1
    assert int(hub.gets[0].removeprefix("bytes=").rstrip("-")) > 500_000


def test_two_at_once_download_it_once(hub: Hub, tmp_path: Path) -> None:
    first_is_in, second_waits = threading.Event(), threading.Event()
    notes: list[str] = []

    def first(done: int, _total: int, _note: str) -> None:
        if done:
            first_is_in.set()
            assert second_waits.wait(30)

    def second(_done: int, _total: int, note: str) -> None:
        notes.append(note)
        second_waits.set()

    thread = threading.Thread(
        target=pull, args=(entry_for(DATA), tmp_path), kwargs={"offline": False, "progress": first}
    )
    thread.start()
    assert first_is_in.wait(30)
    path = pull(entry_for(DATA), tmp_path, offline=False, progress=second)
    thread.join()
    assert path.read_bytes() == DATA
    assert notes == ["another process is downloading tiny; waiting for it"]
    assert hub.gets == [""]


def test_choosing_the_file_of_a_repository() -> None:
    files = ["a-Q8_0.gguf", "a-UD-Q4_K_XL.gguf", "a-Q4_K_M.gguf", "a-Q4_K_M-00001-of-00002.gguf"]
    assert hf.choose_file(files) == "a-Q4_K_M.gguf"
    assert hf.choose_file(files[:2]) == "a-UD-Q4_K_XL.gguf"
    with pytest.raises(SourceFailed):
        hf.choose_file(["README.md", "a-Q8_0.gguf", files[3]])
