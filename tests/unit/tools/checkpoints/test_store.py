"""What a checkpoint holds, and what comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.tools.checkpoints.conftest import Folder
from tools.checkpoints import listing
from tools.checkpoints.base import CheckpointFailed, Refused, Restored
from tools.checkpoints.store import Checkpoints


@pytest.fixture(params=["plain", "git", "below"])
def any_folder(folder: Folder, request: pytest.FixtureRequest) -> Folder:
    """A folder without git, a repository, and a folder inside of one."""
    if request.param == "git":
        folder.git("init", "-q")
    if request.param == "below":
        folder.git("init", "-q", cwd=folder.root.parent)
    return folder


def test_bytes_modes_and_links_come_back_exactly(any_folder: Folder) -> None:
    folder = any_folder
    folder.put(".gitattributes", b"* text=auto eol=crlf ident\n*.bin filter=lfs\n")
    folder.put("crlf.txt", b"one\r\ntwo\n$Id$\n")
    folder.put("x.bin", bytes(range(256)) * 10)
    folder.put("run.sh", b"#!/bin/sh\n", 0o755)
    folder.put("secret", b"key", 0o600)
    folder.put("deep/er/ä b\n\xff.txt".encode("latin-1").decode("utf-8", "surrogateescape"))
    folder.put("empty", b"")
    (folder.root / "link").symlink_to("/no/where")
    (folder.root / "to-folder").symlink_to("deep")
    before = folder.state()
    first = folder.checkpoints.save("first")
    assert first.left_out == ()

    folder.put("crlf.txt", b"changed\n")
    folder.put("secret", b"other", 0o644)
    for name in ("x.bin", "run.sh", "link", "empty"):
        (folder.root / name).unlink()
    (folder.root / "link").write_text("a file now")
    (folder.root / "to-folder").unlink()
    folder.put("to-folder/new.txt")
    folder.put("new/folder/file")
    (folder.root / "deep").rename(folder.root / "moved")
    second = folder.checkpoints.save("second")
    done = folder.checkpoints.restore(first.id, second.id)
    assert isinstance(done, Restored)
    assert folder.state() == before
    assert not (folder.root / "new").exists() and not (folder.root / "moved").exists()


def test_nothing_changed_is_the_same_checkpoint(any_folder: Folder) -> None:
    any_folder.put("a")
    one, two = any_folder.checkpoints.save("one"), any_folder.checkpoints.save("two")
    assert one.id == two.id
    any_folder.put("a", b"y")
    assert any_folder.checkpoints.save("three").id != one.id


def test_an_empty_folder(any_folder: Folder) -> None:
    first = any_folder.checkpoints.save("first")
    any_folder.put("a/b")
    second = any_folder.checkpoints.save("second")
    assert any_folder.checkpoints.changes(first.id, second.id) == [("a/b", "added")]
    assert isinstance(any_folder.checkpoints.restore(first.id, second.id), Restored)
    assert any_folder.state() == {}


def test_changes_and_diff(folder: Folder) -> None:
    folder.put("a", b"one\n")
    folder.put("b")
    first = folder.checkpoints.save("first")
    folder.put("a", b"two\n")
    (folder.root / "b").unlink()
    folder.put("c")
    now = [("a", "changed"), ("b", "deleted"), ("c", "added")]
    assert sorted(folder.checkpoints.changes(first.id)) == now
    second = folder.checkpoints.save("second")
    assert sorted(folder.checkpoints.changes(first.id, second.id)) == now
    text = folder.checkpoints.diff(first.id, second.id)
    assert "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+two\n" in text
    assert folder.checkpoints.diff(second.id) == ""


def test_the_folders_own_repository_is_not_touched(folder: Folder) -> None:
    folder.git("init", "-q")
    folder.put("a")
    folder.git("add", "-A")
    folder.git("commit", "-qm", "x")
    folder.put("a", b"changed\n")

    def own() -> dict[str, tuple[float, bytes]]:
        files = (path for path in (folder.root / ".git").rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime, path.read_bytes()) for path in files}

    before = own()
    first = folder.checkpoints.save("first")
    folder.put("a", b"again\n")
    folder.checkpoints.restore(first.id, folder.checkpoints.save("second").id)
    assert own() == before


def test_ignored_files_are_left_alone(any_folder: Folder) -> None:
    folder = any_folder
    folder.put(".gitignore", b"*.log\nbuild/\n")
    if (folder.root.parent / ".git").exists():
        (folder.root.parent / ".gitignore").write_text("above/\n")
        folder.put("above/x")
    if (folder.root / ".git").exists():
        (folder.root / ".git/info/exclude").write_text("mine\n")
        folder.put("mine")
    folder.put("x.log")
    folder.put("build/x")
    folder.put("kept")
    first = folder.checkpoints.save("first")
    for name in ("x.log", "build/x", "kept", "mine", "above/x"):
        if (folder.root / name).exists():
            folder.put(name, b"changed")
    assert [path for path, _ in folder.checkpoints.changes(first.id)] == ["kept"]


def test_what_git_tracks_is_saved_though_it_is_ignored(folder: Folder) -> None:
    folder.git("init", "-q")
    folder.put(".gitignore", b"*.log\n")
    folder.put("tracked.log")
    folder.git("add", "-f", "-A")
    first = folder.checkpoints.save("first")
    folder.put("tracked.log", b"changed")
    assert folder.checkpoints.changes(first.id) == [("tracked.log", "changed")]


def test_repositories_inside_are_left_out(folder: Folder) -> None:
    inner = folder.root / "inner"
    inner.mkdir()
    folder.git("init", "-q", cwd=inner)
    folder.put("inner/file")
    folder.put("a")
    saved = folder.checkpoints.save("first")
    assert saved.left_out == ("inner/",)
    folder.put("inner/file", b"changed")
    assert folder.checkpoints.changes(saved.id) == []


def test_large_unreadable_and_odd_files_are_left_out(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LARGEST_FILE", 1000)
    folder.put("large", b"x" * 1001)
    folder.put("small", b"x" * 1000)
    os.mkfifo(folder.root / "fifo")
    first = folder.checkpoints.save("first")
    assert first.left_out == ("large",)
    folder.put("small", b"x" * 1001)
    second = folder.checkpoints.save("second")
    assert second.left_out == ("large", "small")
    # What no checkpoint has is not overwritten, even by force.
    for force in (False, True):
        assert folder.checkpoints.restore(first.id, second.id, force=force) == Refused(("small",))
    assert (folder.root / "small").stat().st_size == 1001


def test_the_number_and_the_bytes_of_files_are_bounded(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 3)
    for number in range(5):
        os.utime(folder.put(f"f{number}"), (number, number))
    assert folder.checkpoints.save("first").left_out == ("f0", "f1"), "the newest are saved"
    monkeypatch.setattr(listing, "MOST_FILES", 100)
    monkeypatch.setattr(listing, "MOST_BYTES", 10)
    folder.put("g", b"x" * 8)
    assert folder.checkpoints.save("second").left_out == ("f0",)


def test_what_somebody_else_changed_is_refused_and_nothing_touched(folder: Folder) -> None:
    for name in ("a", "b", "c"):
        folder.put(name, b"before")
    first = folder.checkpoints.save("first")
    folder.put("a", b"agent")
    folder.put("b", b"agent")
    folder.put("new", b"agent")
    second = folder.checkpoints.save("second")
    folder.put("b", b"user")
    folder.put("c", b"user")
    (folder.root / "new").unlink()
    before = folder.state()
    assert folder.checkpoints.restore(first.id, second.id) == Refused(("b",))
    assert folder.state() == before

    done = folder.checkpoints.restore(first.id, second.id, force=True)
    assert isinstance(done, Restored) and done.paths == ("a", "b")
    assert (folder.root / "c").read_bytes() == b"user", "no turn changed it"
    back = folder.checkpoints.restore(done.now, done.after)
    assert isinstance(back, Restored) and folder.state() == before


def test_several_steps_back_at_once(folder: Folder) -> None:
    folder.put("a", b"0")
    ids = [folder.checkpoints.save("0").id]
    for number in (1, 2, 3):
        folder.put("a", b"%d" % number)
        folder.put(f"new{number}")
        ids.append(folder.checkpoints.save(str(number)).id)
    steps = [(ids[2], ids[3]), (ids[1], ids[2])]
    assert isinstance(folder.checkpoints.undo(steps), Restored)
    assert (folder.root / "a").read_bytes() == b"1"
    assert set(folder.state()) == {"a", "new1"}


def test_what_was_changed_between_two_steps_is_refused(folder: Folder) -> None:
    save = folder.checkpoints.save
    folder.put("a", b"0")
    one = save("")
    folder.put("a", b"1")
    two = save("")
    folder.put("a", b"user")
    three = save("")
    folder.put("a", b"2")
    four = save("")
    steps = [(three.id, four.id), (one.id, two.id)]
    assert folder.checkpoints.undo(steps) == Refused(("a",))
    assert isinstance(folder.checkpoints.undo(steps[:1]), Restored)
    assert (folder.root / "a").read_bytes() == b"user"


def test_a_link_put_in_the_way_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "other").write_bytes(b"theirs")
    folder.put("d/file", b"before")
    first = folder.checkpoints.save("first")
    folder.put("d/file", b"agent")
    folder.put("d/new", b"agent")
    second = folder.checkpoints.save("second")
    (folder.root / "d").rename(tmp_path / "d")
    (folder.root / "d").symlink_to(outside)
    assert folder.checkpoints.restore(first.id, second.id) == Refused(("d/file",))
    with pytest.raises(CheckpointFailed, match="link"):
        folder.checkpoints.restore(first.id, second.id, force=True)
    assert [(p.name, p.read_bytes()) for p in outside.iterdir()] == [("other", b"theirs")]


def test_a_file_becomes_a_folder_and_back(folder: Folder) -> None:
    folder.put("a", b"file")
    folder.put("b/c", b"file")
    before = folder.state()
    first = folder.checkpoints.save("first")
    (folder.root / "a").unlink()
    folder.put("a/x")
    (folder.root / "b/c").unlink()
    (folder.root / "b").rmdir()
    folder.put("b")
    second = folder.checkpoints.save("second")
    assert isinstance(folder.checkpoints.restore(first.id, second.id), Restored)
    assert folder.state() == before


def test_a_checkpoint_that_is_gone(folder: Folder) -> None:
    folder.put("a")
    folder.checkpoints.save("x")
    for id in ("0" * 40, "nope", "--all"):
        with pytest.raises(CheckpointFailed, match="not there"):
            folder.checkpoints.changes(id)


def test_old_checkpoints_go(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from tools.checkpoints import store

    monkeypatch.setattr(store, "MOST_KEPT", 3)
    monkeypatch.setattr(store, "TIDY_EVERY", 2)
    ids = []
    for number in range(5):
        folder.put("a", os.urandom(20_000))
        ids.append(folder.checkpoints.save(str(number)).id)
    with pytest.raises(CheckpointFailed):
        folder.checkpoints.changes(ids[0])
    for id in ids[2:]:
        folder.checkpoints.changes(id)
    size = sum(path.stat().st_size for path in folder.store.rglob("*") if path.is_file())
    assert size < 4 * 20_000
    folder.put("a", b"x")
    done = folder.checkpoints.restore(ids[3], folder.checkpoints.save("").id)
    assert isinstance(done, Restored)


def test_two_at_once_wait_for_each_other(folder: Folder) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for number in range(50):
        folder.put(f"f{number}")
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: Checkpoints(folder.store, folder.root).save(str(n)).id,
                            range(16)))  # fmt: skip
    assert len(set(ids)) == 1


def test_the_store_is_private(folder: Folder) -> None:
    folder.put("a")
    folder.checkpoints.save("x")
    assert folder.store.stat().st_mode & 0o077 == 0
