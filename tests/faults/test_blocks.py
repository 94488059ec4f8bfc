"""KV blocks on a bad disk and among other processes: a miss, one notice, never wrong bytes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine.blockfile import DIGEST_BYTES, HEADER, MAGIC
from agent.engine.blocks import FORMAT_VERSION, BlockRef, fingerprint, key
from agent.engine.blockstore import BlockStore, Counts
from agent.engine.blocksweep import ABANDONED_S, Busy, clear, exclusive, prune, scan, shrink

MODEL = fingerprint(model="tiny")
OTHER = fingerprint(model="other")
TOKENS = [3, 1, 4, 1, 5, 9, 2, 6]
DATA = bytes(range(256)) * 2
WHOLE = HEADER.size + len(DATA) + DIGEST_BYTES


def save(store: BlockStore, model: bytes = MODEL, tokens: list[int] = TOKENS) -> Path:
    """Save one block behind the root; its file."""
    assert store.save(model, model, tokens, DATA)
    store.flush()
    ref = BlockRef(model, model, key(model, tokens), 0, len(tokens))
    return store.folder / ref.folder / ref.name


def saved(folder: Path) -> Path:
    """The file of a good block."""
    lines: list[str] = []
    store = BlockStore(folder, 10**6, lines.append)
    path = save(store)
    store.close()
    assert store.counts == Counts(saved=1) and lines == []
    return path


@pytest.fixture
def quiet() -> Iterator[Callable[[str], None]]:
    """The log of a store that has nothing to say."""
    lines: list[str] = []
    yield lines.append
    assert lines == []


def check_ignored(folder: Path, path: Path) -> str:
    """The file gives nothing, goes, and is said once, however many follow; the notice."""
    lines: list[str] = []
    store = BlockStore(folder, 10**6, lines.append)
    (block,) = store.find(MODEL, TOKENS)
    data = path.read_bytes()
    for _ in range(2):
        path.write_bytes(data)
        assert store.load(block) is None
        assert not path.exists()
    assert store.load(block) is None
    assert store.counts == Counts(bad=2)
    (line,) = lines
    assert str(path) in line
    # The same block is saved again, and good.
    assert save(store) == path
    assert store.load(block) == DATA
    store.close()
    return line


CUTS = [0, 1, 7, 8, 11, 12, 43, 44, 75, 76, 107, 108, 111, 112, HEADER.size - 1, HEADER.size,
        HEADER.size + 1, HEADER.size + len(DATA) - 1, HEADER.size + len(DATA),
        WHOLE - DIGEST_BYTES + 1, WHOLE - 1]  # fmt: skip


@pytest.mark.parametrize("size", CUTS)
def test_a_truncated_file(tmp_path: Path, size: int) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    check_ignored(tmp_path, path)


@pytest.mark.parametrize("more", [b"\0", b"x" * 100, DATA * 2])
def test_a_file_with_more_behind(tmp_path: Path, more: bytes) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes() + more)
    check_ignored(tmp_path, path)


def test_a_file_of_zeros_as_a_power_failure_leaves_it(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:300] + bytes(WHOLE - 300))
    check_ignored(tmp_path, path)


@given(st.integers(0, WHOLE - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_a_flipped_byte_anywhere(place: int, bits: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = saved(Path(folder))
        data = bytearray(path.read_bytes())
        data[place] ^= bits
        path.write_bytes(data)
        check_ignored(Path(folder), path)


def test_each_flipped_byte(tmp_path: Path) -> None:
    path = saved(tmp_path)
    store = BlockStore(tmp_path, 10**6, lambda _line: None)
    (block,) = store.find(MODEL, TOKENS)
    good = path.read_bytes()
    for place in range(WHOLE):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        assert store.load(block) is None, place


def test_the_block_of_another_model_under_this_name(
    tmp_path: Path, quiet: Callable[[str], None]
) -> None:
    store = BlockStore(tmp_path, 10**6, quiet)
    path, other = save(store), save(store, OTHER)
    path.write_bytes(other.read_bytes())
    check_ignored(tmp_path, path)


def test_the_block_of_other_tokens_under_this_name(
    tmp_path: Path, quiet: Callable[[str], None]
) -> None:
    store = BlockStore(tmp_path, 10**6, quiet)
    path, other = save(store), save(store, tokens=TOKENS[::-1])
    path.write_bytes(other.read_bytes())
    check_ignored(tmp_path, path)


def signed(header: bytes, data: bytes) -> bytes:
    """A file whose digest is right."""
    return header + data + hashlib.blake2b(header + data, digest_size=DIGEST_BYTES).digest()


def header(**changed: int | bytes) -> bytes:
    values: dict[str, int | bytes] = {
        "magic": MAGIC, "version": FORMAT_VERSION, "model": MODEL, "parent": MODEL,
        "key": key(MODEL, TOKENS), "tokens": len(TOKENS), "size": len(DATA),
    }  # fmt: skip
    return HEADER.pack(*{**values, **changed}.values())


def test_this_is_how_a_good_file_looks(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert path.read_bytes() == signed(header(), DATA)


@pytest.mark.parametrize(
    "changed",
    [{"magic": b"INGLE-KW"}, {"version": 0}, {"model": OTHER}, {"parent": OTHER}, {"key": OTHER},
     {"tokens": 7}, {"tokens": 0}, {"size": 0}, {"size": 511}, {"size": 513}, {"size": 2**64 - 1}],
)  # fmt: skip
def test_a_header_that_does_not_fit(tmp_path: Path, changed: dict[str, int | bytes]) -> None:
    path = saved(tmp_path)
    path.write_bytes(signed(header(**changed), DATA))
    check_ignored(tmp_path, path)


def test_a_future_version_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.write_bytes(signed(header(version=FORMAT_VERSION + 1), DATA))
    assert f"version {FORMAT_VERSION + 1}, not {FORMAT_VERSION}" in check_ignored(tmp_path, path)


def test_other_things_in_the_place_of_a_block(tmp_path: Path) -> None:
    lines: list[str] = []
    store = BlockStore(tmp_path, 10**6, lines.append)
    path = save(store)
    (block,) = store.find(MODEL, TOKENS)
    path.unlink()
    path.mkdir()
    assert store.load(block) is None
    path.rmdir()
    secret = tmp_path / "elsewhere"
    secret.write_bytes(signed(header(), DATA))
    path.symlink_to(secret)
    assert store.load(block) is None
    assert scan(tmp_path).blocks == []
    store.close()
    assert len(lines) == 1 and secret.exists()


def test_files_that_vanish_between_find_and_load_are_no_news(
    tmp_path: Path, quiet: Callable[[str], None]
) -> None:
    store = BlockStore(tmp_path, 10**6, quiet)
    save(store)
    (block,) = store.find(MODEL, TOKENS)
    clear(tmp_path)
    assert store.load(block) is None
    # The folder of the model went with them; it comes back.
    save(store)
    assert store.load(block) == DATA
    store.close()


@pytest.mark.parametrize("folder", ["file/blocks", "file", "x" * 300])
def test_a_folder_that_cannot_be_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    check_off(tmp_path / folder)


def test_a_folder_where_the_system_allows_none() -> None:
    check_off(Path("/proc/nowhere/blocks"))


def check_off(folder: Path) -> None:
    """The store stops saving, with one line, and nothing else happens."""
    lines: list[str] = []
    store = BlockStore(folder, 10**6, lines.append)
    store.find(MODEL, TOKENS)
    lines.clear()
    assert store.wants(MODEL, MODEL, TOKENS)
    assert store.save(MODEL, MODEL, TOKENS, DATA)
    store.flush()
    assert not store.wants(MODEL, MODEL, TOKENS) and not store.save(MODEL, MODEL, TOKENS, DATA)
    assert store.find(MODEL, TOKENS) == []
    store.close()
    assert store.counts == Counts(dropped=2)
    assert [line for line in lines if "no longer saved" in line] == lines[:1]
    assert str(folder) in lines[0] and "INGLE_BLOCKS_MAX=0" in lines[0]


ROOT = Path(__file__).parents[2]
COMMON = """
import hashlib, itertools, json, random, sys
from pathlib import Path
from agent.engine.blocks import fingerprint, key
from contextlib import suppress
from agent.engine.blockstore import BlockStore
from agent.engine.blocksweep import Busy, clear

MODEL = fingerprint(model="tiny")
folder = Path(sys.argv[1])
lines = []


def data_of(name, size):
    return hashlib.shake_128(name).digest(size)
"""


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", COMMON + code, *map(str, arguments)]


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
store = BlockStore(folder, 10**6, lines.append)
assert store.save(MODEL, MODEL, [1], bytes(10_000))
store.flush()
first = store.save(MODEL, key(MODEL, [1]), [2], bytes(30_000))
# Waits behind the one that fails, or is refused.
store.save(MODEL, key(MODEL, [1]), [3], bytes(10_000))
store.flush()
taken = [first, store.save(MODEL, key(MODEL, [1]), [4], bytes(10_000))]
store.close()
(first,) = store.find(MODEL, [1, 2])
assert store.load(first) == bytes(10_000)
print(json.dumps([taken, store.counts.saved, lines]))
"""


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    done = subprocess.run(
        python(FULL, tmp_path), cwd=ROOT, capture_output=True, text=True, check=True
    )
    taken, saved, lines = json.loads(done.stdout)
    assert (taken, saved) == ([True, False], 1)
    assert len(lines) == 1 and "File too large" in lines[0]
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".kv"]


SHARED = """
# Six conversations that share their beginning; payloads follow from the key.
chance = random.Random(int(sys.argv[2]))
limit = int(sys.argv[3])
store = BlockStore(folder, limit, lines.append)
loaded = missing = 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(120):
    if number % 40 == 39 and sys.argv[2] == "0":
        with suppress(Busy):
            clear(folder)
    prompt = [1, 2, chance.randrange(6), 4, 5, 6, 7, 8]
    restored = 0
    for block in store.find(MODEL, prompt):
        data = store.load(block)
        if data is None:
            missing += 1
            break
        assert block.key == key(MODEL, prompt[: block.end]), "another place"
        assert data == data_of(block.key, 20_000), "wrong bytes"
        restored = block.end
        loaded += 1
    for begin in range(restored, 8, 2):
        parent = key(MODEL, prompt[:begin])
        piece = prompt[begin : begin + 2]
        store.save(MODEL, parent, piece, data_of(key(parent, piece), 20_000))
    store.flush()
store.close()
print(json.dumps([loaded, missing, store.counts.saved, store.counts.bad, lines]))
"""


def test_several_processes_save_load_and_remove_at_once(tmp_path: Path) -> None:
    processes, limit = 4, 200_000
    running = [
        subprocess.Popen(
            python(SHARED, tmp_path, number, limit),
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(processes)
    ]  # fmt: skip
    for process in running:
        assert process.stdout and process.stdout.readline() == "ready\n"
    results = [process.communicate("go\n")[0] for process in running]
    assert [process.returncode for process in running] == [0] * processes
    counts = [json.loads(result) for result in results]
    assert all(not lines and not bad for *_, bad, lines in counts)
    assert all(loaded > 0 for loaded, *_ in counts)
    saved = sum(count[2] for count in counts)
    left = scan(tmp_path)
    assert saved > len(left.blocks) > 0, "nothing was removed: the test would prove nothing"
    # Each process may be one block, or a twentieth, above the limit.
    assert left.bytes <= limit + processes * 21_000
    assert prune(tmp_path, limit // 2).blocks and scan(tmp_path).bytes <= limit // 2


KILLED = """
store = BlockStore(folder, 10**9, lines.append)
parent, token = MODEL, int(sys.argv[2]) * 1000
while True:
    token += 1
    name = key(parent, [token])
    assert store.save(MODEL, parent, [token], name * 200_000)
    parent = name
    print(token, flush=True)
    store.flush()
"""
ROUNDS = 20


def test_kill_in_the_middle_of_a_write(tmp_path: Path, quiet: Callable[[str], None]) -> None:
    chance = random.Random(7)
    unfinished = loaded = 0
    for number in range(ROUNDS):
        with subprocess.Popen(
            python(KILLED, tmp_path, number), cwd=ROOT, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            # So many blocks later, at some moment of a write.
            for _ in range(chance.randrange(2, 5)):
                last = int(writer.stdout.readline())
            while writer.poll() is None and not list(tmp_path.glob("*/*.tmp")):
                pass
            for _ in range(chance.randrange(5_000)):
                pass
            writer.send_signal(signal.SIGKILL)
        reader = BlockStore(tmp_path, 10**9, quiet)
        for block in reader.find(MODEL, range(number * 1000 + 1, last + 10)):
            assert reader.load(block) == block.key * 200_000
            loaded += 1
        unfinished += sum(1 for _ in tmp_path.rglob("*.kv.*.tmp"))
        with exclusive(tmp_path):
            pass
        for path in [*tmp_path.rglob("*.kv"), *tmp_path.rglob("*.tmp")]:
            path.unlink()
    assert loaded and unfinished, "no kill hit a write: the test would prove nothing"


def test_what_a_killed_writer_left_is_counted_and_then_removed(
    tmp_path: Path, quiet: Callable[[str], None]
) -> None:
    store = BlockStore(tmp_path, 10**6, quiet)
    path = save(store)
    left = path.with_name(path.name + ".0badcafe.tmp")
    left.write_bytes(bytes(5000))
    assert scan(tmp_path).unfinished_bytes == 5000 and left.exists()
    before = left.stat().st_mtime - ABANDONED_S - 1
    os.utime(left, (before, before))
    assert scan(tmp_path).unfinished_bytes == 0 and not left.exists()
    store.close()


def test_while_another_process_removes_blocks_nobody_else_does(
    tmp_path: Path, quiet: Callable[[str], None]
) -> None:
    store = BlockStore(tmp_path, WHOLE, quiet)
    save(store)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys\nfile = open(sys.argv[1], 'a')\n"
         "fcntl.flock(file, fcntl.LOCK_EX)\nprint(flush=True)\nsys.stdin.read()",
         str(tmp_path / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout and holder.stdout.readline()
    for change in (
        lambda: shrink(tmp_path, 0),
        lambda: prune(tmp_path, 0),
        lambda: clear(tmp_path),
    ):
        with pytest.raises(Busy):
            change()
    # The writer does not wait for it either: the block is dropped, the store goes on.
    save(store, tokens=TOKENS[::-1])
    assert store.counts == Counts(saved=1, dropped=1)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    save(store, tokens=TOKENS[::-1])
    assert store.counts == Counts(saved=2, dropped=1)
    assert store.find(MODEL, TOKENS) == []
    store.close()


def test_only_one_at_a_time_removes_blocks(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(Busy):
        clear(tmp_path)
    assert clear(tmp_path).blocks == 0


def test_files_that_vanish_while_they_are_counted(tmp_path: Path) -> None:
    path = saved(tmp_path)
    others = [path.with_name(f"{number:016x}.7.{number:032x}.kv") for number in range(200)]

    def churn() -> None:
        for _ in range(15):
            for other in others:
                other.touch()
            for other in others:
                other.unlink()

    thread = threading.Thread(target=churn)
    thread.start()
    while thread.is_alive():
        assert path.name in [block.name for block in scan(tmp_path).blocks]
    thread.join()


def test_everything_is_removed_again_and_again_while_it_is_saved(
    tmp_path: Path, quiet: Callable[[str], None]
) -> None:
    store = BlockStore(tmp_path, 10**9, quiet)
    store.describe(MODEL, "tiny", {})
    done = threading.Event()

    def remove() -> None:
        while not done.is_set():
            clear(tmp_path)

    thread = threading.Thread(target=remove)
    thread.start()
    for token in range(200):
        assert store.save(MODEL, MODEL, [token], DATA * 500)
        store.flush()
    done.set()
    thread.join()
    assert store.counts.saved + store.counts.dropped == 200
    assert store.counts.dropped, "no write was hit: the test would prove nothing"
    save(store)
    (block,) = store.find(MODEL, TOKENS)
    assert store.load(block) == DATA
    store.close()


@pytest.mark.filterwarnings("error")
def test_a_log_that_fails_harms_nobody(tmp_path: Path) -> None:
    def broken(_line: str) -> None:
        raise RuntimeError

    (tmp_path / "blocks").write_text("")
    store = BlockStore(tmp_path / "blocks", 10**6, broken)
    assert store.save(MODEL, MODEL, TOKENS, DATA)
    store.close()
    assert store.counts == Counts(dropped=1)


def test_other_files_in_the_folder_stay(tmp_path: Path, quiet: Callable[[str], None]) -> None:
    store = BlockStore(tmp_path, 10**6, quiet)
    path = save(store)
    mine = [tmp_path / "notes", path.parent / "notes.txt", tmp_path / ("0" * 32 + ".txt")]
    for other in mine:
        other.write_text("mine")
    store.close()
    assert prune(tmp_path, 0).blocks == 1
    assert clear(tmp_path).blocks == 0
    assert all(other.read_text() == "mine" for other in mine)
