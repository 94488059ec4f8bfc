"""A file is hashed once; afterwards its record vouches for it as long as nothing changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.errors import BrokenModelFile
from agent.models import verify as module
from agent.models.verify import Record, read_record, record_path, verify, write_record
from tests.unit.models.hub import sha256

DATA = b"weights" * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(DATA)
    return path


class Counting:
    """A Progress that counts how often a file was hashed."""

    def __init__(self) -> None:
        self.hashed = 0

    def __call__(self, done: int, total: int, note: str, /) -> None:
        assert note == "checking m.gguf"
        self.hashed += done == total


def check(path: Path, progress: Counting, *, digest: str = sha256(DATA)) -> Record:
    return verify(path, sha256=digest, size=len(DATA), name="tiny", progress=progress)


def test_hashed_once(path: Path) -> None:
    progress = Counting()
    first = check(path, progress)
    assert (first.sha256, first.size) == (sha256(DATA), len(DATA))
    assert progress.hashed == 1
    assert check(path, progress) == first
    assert progress.hashed == 1


def test_hashed_again_when_the_file_was_touched(path: Path) -> None:
    progress = Counting()
    check(path, progress)
    os.utime(path, ns=(1, 1))
    check(path, progress)
    assert progress.hashed == 2


def test_changed_bytes_of_the_same_length_are_found(path: Path) -> None:
    check(path, Counting())
    path.write_bytes(b"X" + DATA[1:])
    with pytest.raises(BrokenModelFile, match="not the file that was published"):
        check(path, Counting())


def test_a_record_for_another_hash_does_not_vouch(path: Path) -> None:
    write_record(path, "0" * 64, "somewhere")
    progress = Counting()
    assert check(path, progress).sha256 == sha256(DATA)
    assert progress.hashed == 1


@pytest.mark.parametrize(("data", "says"), [(DATA[:-1], "cut off"), (DATA + b"!", "too long")])
def test_a_wrong_length_is_said_without_hashing(path: Path, data: bytes, says: str) -> None:
    path.write_bytes(data)
    progress = Counting()
    with pytest.raises(BrokenModelFile, match=says) as caught:
        check(path, progress)
    assert progress.hashed == 0
    assert f"expected {len(DATA):,} bytes, has {len(data):,}" in str(caught.value)
    assert "agent models pull tiny" in str(caught.value)


def test_without_a_known_hash_the_first_use_counts(path: Path) -> None:
    assert check(path, Counting(), digest="").sha256 == sha256(DATA)
    path.write_bytes(b"X" + DATA[1:])
    with pytest.raises(BrokenModelFile):
        check(path, Counting(), digest="")


@pytest.mark.parametrize("text", ["", "[]", "null", '{"sha256": 1}', "\xff"])
def test_a_broken_record_is_no_record(path: Path, text: str) -> None:
    record_path(path).write_text(text, "latin-1")
    assert read_record(path) is None
    progress = Counting()
    check(path, progress)
    assert progress.hashed == 1


def test_a_folder_that_cannot_be_written_is_no_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(module.Path, "write_text", refuse)
    assert check(path, Counting()).sha256 == sha256(DATA)
