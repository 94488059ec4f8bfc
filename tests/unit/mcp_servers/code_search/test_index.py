"""The index follows the files, whatever happens to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_servers.code_search.index import FILES_AT_ONCE, Index
from mcp_servers.code_search.service import CodeSearch
from mcp_servers.code_search.store import IndexStore
from tests.unit.mcp_servers.code_search.conftest import Names, Write
from tools.cachefile import CacheFailed
from tools.code.places import store_file

REPOSITORY = Path(__file__).parents[4]


def place(root: Path, cache: Path) -> Path:
    """The file of the index."""
    beside = store_file(cache, root)
    return beside.with_name(f"{beside.stem}.search.sqlite")


def contents(index: Index) -> set[tuple[str, str, int]]:
    """Path, name and line of every chunk."""
    return {
        (row.path, row.qualified, row.first_line)
        for path in index.store.entries()
        for row in index.store.in_file(path)
    }


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a program on our sources."""
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_files_that_change_between_queries_are_found_as_they_are(
    root: Path, write: Write, names: Names
) -> None:
    write({"a.py": "def old_walrus():\n    pass\n", "b.py": "def keep():\n    pass\n"})
    assert names("walrus") == ["old_walrus"]
    write({"a.py": "def new_penguin():\n    pass\n", "c.py": "def other_penguin():\n    pass\n"})
    assert names("walrus") == []
    assert sorted(names("penguin")) == ["new_penguin", "other_penguin"]
    (root / "a.py").unlink()
    (root / "c.py").rename(root / "d.py")
    assert names("penguin") == ["other_penguin"]
    assert names("d.py penguin")[0] == "other_penguin"


def test_only_what_changed_is_indexed_again(index: Index, write: Write) -> None:
    write({f"m{n}.py": f"def f{n}():\n    pass\n" for n in range(3)} | {"notes.txt": "words\n"})
    index.refresh()
    told: list[tuple[int, int]] = []
    before = {path: index.store.in_file(path) for path in index.store.entries()}
    os.utime(index.root / "notes.txt", (1, 1))
    write({"m1.py": "def g():\n    pass\n"})
    assert index.refresh(tell=lambda *said: told.append(said)).left == 0
    after = {path: index.store.in_file(path) for path in index.store.entries()}
    # Rows that are written again have other ids.
    assert [path for path in before if before[path] != after[path]] == ["m1.py"]


def test_ignored_files_and_links_are_left_out(index: Index, write: Write, root: Path) -> None:
    write({
        ".gitignore": "made/\n*.log.txt\n", "made/a.py": "def a():\n    pass\n",
        "x.log.txt": "words", "src/b.py": "def b():\n    pass\n",
    })  # fmt: skip
    (root / "src" / "loop").symlink_to(root)
    (root / "link.py").symlink_to(root / "src" / "b.py")
    (root / "secret.txt").symlink_to("/etc/passwd")
    index.refresh()
    assert set(index.store.entries()) == {"src/b.py"}


def test_odd_files_do_no_harm(index: Index, write: Write, root: Path) -> None:
    write({
        "latin.py": b"def caf\xe9_name():\n    '''\xff\xfe'''\n",
        "broken.py": "def half(:\n  class\n",
        "binary.txt": b"text\0more",
        "empty.py": "",
        "huge.py": "def huge():\n    pass\n" + "# x\n" * 200_000,
        "huge.txt": "word " * 600_000,
        "long.txt": "w" * 500_000,
        "not.pdf": b"%PDF-1.4 nothing of the kind",
        "good.py": "def good():\n    pass\n",
    })  # fmt: skip
    os.mkfifo(root / "pipe.txt")
    assert index.refresh().left == 0
    indexed = {path for path, _, _ in contents(index)}
    assert {"latin.py", "good.py", "long.txt"} <= indexed
    assert indexed.isdisjoint({"binary.txt", "huge.py", "huge.txt", "not.pdf", "pipe.txt"})


def test_the_project_stays_as_it_is(search: CodeSearch, write: Write, root: Path) -> None:
    write({"a.py": "def a():\n    pass\n"})
    search.search("a", 1)
    assert [path.name for path in root.iterdir()] == ["a.py"]


def test_a_corrupt_index_is_set_aside_and_built_again(
    root: Path, cache: Path, write: Write, names: Names
) -> None:
    write({"a.py": "def walrus():\n    pass\n"})
    assert names("walrus") == ["walrus"]
    file = place(root, cache)
    for damaged in (b"no database", b"SQLite format 3\0" + b"\xff" * 50_000):
        file.write_bytes(damaged)
        assert names("walrus") == ["walrus"]
        assert file.with_name(f"{file.name}.broken").read_bytes() == damaged


def test_damage_in_the_middle_of_the_file_is_repaired(
    root: Path, cache: Path, write: Write, names: Names
) -> None:
    write({f"m{n}.py": f"def walrus_{n}():\n    return {n}\n" * 20 for n in range(40)})
    assert names("walrus_7") == ["walrus_7"]
    file = place(root, cache)
    data = bytearray(file.read_bytes())
    for begin in range(4096 * 3, len(data), 4096):
        data[begin : begin + 2048] = b"\xa5" * 2048
    file.write_bytes(data)
    assert names("walrus_7") == ["walrus_7"]
    assert file.with_name(f"{file.name}.broken").exists()


def test_an_index_that_cannot_be_made_is_an_error_that_says_where(root: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(CacheFailed, match=str(cache)):
        Index(root, cache)


INDEX = """
import sys
from pathlib import Path
from mcp_servers.code_search.index import Index
sys.stdin.readline()
with Index(Path(sys.argv[1]), Path(sys.argv[2])) as index:
    print(index.refresh().left)
"""


def test_two_processes_index_at_once(root: Path, cache: Path, write: Write, tmp_path: Path) -> None:
    write({f"m{n}.py": f"def f{n}():\n    return {n}\n" for n in range(FILES_AT_ONCE * 3)})
    both = [program(INDEX, root, cache) for _ in range(2)]
    for each in both:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    assert [each.communicate()[0].split() for each in both] == [["0"], ["0"]]
    assert [each.returncode for each in both] == [0, 0]
    with Index(root, cache) as shared, Index(root, tmp_path / "other") as alone:
        alone.refresh()
        assert shared.store.count() == alone.store.count() == FILES_AT_ONCE * 3
        assert contents(shared) == contents(alone)
        assert len(shared.store.matches("return", 10_000)) == FILES_AT_ONCE * 3


KILLED_BETWEEN = """
import sys
from pathlib import Path
from mcp_servers.code_search.index import Index

def tell(done, total):
    print(done, flush=True)
    sys.stdin.readline()

with Index(Path(sys.argv[1]), Path(sys.argv[2])) as index:
    index.refresh(tell=tell)
"""
KILLED_WITHIN = """
import sys
from pathlib import Path
from mcp_servers.code_search import index as module
from mcp_servers.code_search.store import IndexStore

save = IndexStore.save

def slow(self, files, gone=()):
    def stopping():
        yield files[0]
        print("writing", flush=True)
        sys.stdin.readline()
    save(self, stopping(), gone)

IndexStore.save = slow
with module.Index(Path(sys.argv[1]), Path(sys.argv[2])) as index:
    index.refresh()
"""


@pytest.mark.parametrize(
    ("text", "kept"), [(KILLED_BETWEEN, FILES_AT_ONCE), (KILLED_WITHIN, 0)], ids=["between", "in"]
)
def test_a_run_that_is_killed_leaves_whole_files_and_the_next_one_goes_on(
    root: Path, cache: Path, write: Write, tmp_path: Path, text: str, kept: int
) -> None:
    write({f"m{n:03}.py": f"def f{n}():\n    return {n}\n" for n in range(FILES_AT_ONCE + 20)})
    child = program(text, root, cache)
    assert child.stdout and child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with Index(root, cache) as index, Index(root, tmp_path / "other") as alone:
        assert len(index.store.entries()) == index.store.count() == kept
        index.refresh()
        alone.refresh()
        assert contents(index) == contents(alone)


def test_a_look_that_takes_too_long_says_so_and_the_next_one_goes_on(
    index: Index, write: Write
) -> None:
    write({f"m{n}.py": f"def f{n}():\n    pass\n" for n in range(9)})
    first = index.refresh(seconds=0)
    assert (first.files, first.left) == (9, 8)
    assert index.store.count() == 1
    assert index.refresh().left == 0
    assert index.store.count() == 9


def test_an_index_of_another_version_is_emptied(
    root: Path, cache: Path, write: Write, names: Names
) -> None:
    write({"a.py": "def walrus():\n    pass\n"})
    names("walrus")
    with sqlite3.connect(place(root, cache)) as db:
        db.execute("DELETE FROM chunks")
    assert names("walrus") == []
    with sqlite3.connect(place(root, cache)) as db:
        db.execute("PRAGMA user_version = 999")
    assert names("walrus") == ["walrus"]


def test_damage_that_only_the_search_meets_is_repaired(
    root: Path, cache: Path, write: Write, names: Names
) -> None:
    write({"a.py": "def walrus():\n    return 'penguin'\n"})
    names("penguin")
    with sqlite3.connect(place(root, cache)) as db:
        db.execute("UPDATE words_data SET block = x'ffffffffffffffffffff' WHERE id > 10")
    assert names("penguin") == ["walrus"]


HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
"""


def test_another_process_that_writes_is_waited_for(
    index: Index, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"a.py": "def walrus():\n    pass\n"})
    holder = program(HOLDER, index.store.path)
    assert holder.stdin and holder.stdout and holder.stdout.readline()
    save = IndexStore.save

    def release_and_save(store: IndexStore, *arguments: Any) -> None:
        assert holder.stdin
        holder.stdin.write("go\n")
        holder.stdin.flush()
        save(store, *arguments)

    monkeypatch.setattr(IndexStore, "save", release_and_save)
    assert index.refresh().left == 0
    holder.communicate()


def test_a_word_of_every_chunk_is_found_too(write: Write, names: Names) -> None:
    write({f"m{n}.py": f"def walrus_{n}():\n    pass\n" for n in range(5)})
    assert len(names("walrus")) == 5
