"""Real SQLite files, also broken ones and shared ones."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tools.cachefile import CacheFailed
from tools.code.scan import Scan
from tools.code.store import MOST_OUTLINES, VERSION, Store, digest_of
from tools.code.symbols import parse
from tools.code.walk import File

ROOT = Path(__file__).parents[4]
NAMES = Scan(("make", "take"), ("make", "taken"))


def file(path: str, size: int = 1) -> File:
    return File(path, size, 10**18 + 1, "python")


def test_what_was_saved_is_there_after_opening_again(store: Path) -> None:
    with Store(store) as first:
        first.save([(file("a.py"), b"1" * 16, NAMES), (file("b.py", 2), b"2" * 16, NAMES)])
        first.save([], gone=["b.py"])
        first.touched([File("a.py", 7, 8, "python")])
    with Store(store) as second:
        [known] = second.files().values()
        assert (known.path, known.size, known.mtime_ns) == ("a.py", 7, 8)
        assert (known.digest, known.language) == (b"1" * 16, "python")
        assert list(second.scans()) == [("a.py", NAMES)]


def test_files_are_found_by_a_whole_name_that_they_use(store: Path) -> None:
    with Store(store) as opened:
        opened.save([(file("a.py"), b"1" * 16, NAMES)])
        assert opened.files_using("make") == opened.files_using("taken") == ["a.py"]
        assert opened.files_using("take") == opened.files_using("mak") == []


def test_symbols_are_kept_by_content_and_forgotten_with_it(store: Path) -> None:
    symbols = parse("python", b'def a(x):\n    "doc"\n    return used(x)\n')
    with Store(store) as opened:
        opened.save([(file("a.py"), b"1" * 16, NAMES)])
        opened.save_symbols(
            [(b"1" * 16, "python", symbols, ""), (b"2" * 16, "python", symbols, "")]
        )
        assert opened.symbols(b"1" * 16, "python") == symbols
        assert opened.symbols(b"1" * 16, "ruby") is None
        opened.prune()
        assert opened.symbols(b"1" * 16, "python") == symbols
        assert opened.symbols(b"2" * 16, "python") is None


def test_old_outlines_are_dropped(store: Path) -> None:
    with Store(store) as opened:
        for number in range(MOST_OUTLINES + 5):
            opened.save_outline(b"%d" % number, f"text {number}")
        assert opened.outline(b"4") is None
        assert opened.outline(b"5") == "text 5"


@pytest.mark.parametrize(
    "content",
    [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 8000, os.urandom(5000)],
)
def test_a_file_that_is_no_database_is_set_aside(store: Path, content: bytes) -> None:
    store.parent.mkdir()
    store.write_bytes(content)
    with Store(store) as opened:
        assert opened.files() == {}
        opened.save([(file("a.py"), b"1" * 16, NAMES)])
    assert store.with_name("store.sqlite.broken").read_bytes() == content
    with Store(store) as opened:
        assert list(opened.files()) == ["a.py"]


def test_a_store_of_another_version_is_emptied(store: Path) -> None:
    with Store(store) as opened:
        opened.save([(file("a.py"), b"1" * 16, NAMES)])
    with sqlite3.connect(store) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with Store(store) as opened:
        assert opened.files() == {}


def test_an_empty_file_is_a_new_store(store: Path) -> None:
    store.parent.mkdir()
    store.touch()
    with Store(store) as opened:
        assert opened.files() == {}


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheFailed, match=r"store\.sqlite"):
        Store(tmp_path / "file" / "store.sqlite")
    with pytest.raises(CacheFailed, match="unable to open"):
        Store(tmp_path)


WRITER = """
import sys
import threading
from pathlib import Path
from tools.code.scan import Scan
from tools.code.store import Store
from tools.code.walk import File
name = sys.argv[2]
for number in range(50):
    with Store(Path(sys.argv[1])) as store:
        path = f"{name}{number}.py"
        store.save([(File(path, 1, 1, "python"), b"1" * 16, Scan((), ()))])
        store.save_outline(b"key", name)
        assert path in store.files()
"""


def test_two_processes_write_at_once_and_nothing_is_lost(store: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store), name], cwd=ROOT)
        for name in ("left", "right")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    with Store(store) as opened:
        assert len(opened.files()) == 100
    assert not store.with_name("store.sqlite.broken").exists()


def test_many_that_make_a_store_at_once_all_get_it(tmp_path: Path) -> None:
    """SQLite does not wait where the journal's mode is changed: one of hundreds failed."""
    failures: list[BaseException] = []

    def use(path: Path, together: threading.Barrier) -> None:
        together.wait()
        try:
            with Store(path) as opened:
                opened.save_outline(b"key", "text")
        except BaseException as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    for number in range(20):
        together = threading.Barrier(6)
        path = tmp_path / f"{number}.sqlite"
        threads = [threading.Thread(target=use, args=(path, together)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_digest_is_of_the_content() -> None:
    assert digest_of(b"a") == digest_of(b"a") != digest_of(b"b")
    assert len(digest_of(b"")) == 16
