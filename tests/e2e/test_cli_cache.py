"""`agent cache` on blocks that are on disk."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from agent.cli.main import run
from agent.config import Folders, blocks_limit, parse_size
from agent.engine.blocks import fingerprint, key
from agent.engine.blockstore import BlockStore
from agent.errors import ConfigError

AGENT = str(Path(sys.executable).with_name("agent"))
MODEL = fingerprint(model="tiny")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the blocks of an empty home."""
    for name in list(os.environ):
        if name.startswith(("XDG_", "INGLE_", "PYTHON")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Folders.from_env().blocks == tmp_path / ".cache/ingle/blocks"
    return tmp_path / ".cache/ingle/blocks"


def fill(folder: Path, blocks: int = 3, size: int = 1_000_000) -> None:
    """A chain of blocks, one token each."""
    lines: list[str] = []
    store = BlockStore(folder, 10**9, lines.append)
    store.describe(MODEL, "tiny\x1b[31m", {"kv": "f16", "ctx": 4096})
    parent = MODEL
    for token in range(blocks):
        assert store.save(MODEL, parent, [token], bytes(size))
        parent = key(parent, [token])
    store.close()
    assert lines == []


def files(folder: Path) -> int:
    return len(list(folder.rglob("*.kv")))


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["cache", *arguments]) == 0
    return capsys.readouterr().out


def test_nothing_is_saved_yet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = out(capsys, "show")
    assert f"folder  {folder}" in shown and "0.0 MB in 0 blocks" in shown
    assert "nothing to remove" in out(capsys, "prune")
    assert "nothing to remove" in out(capsys, "clear")
    assert not folder.exists()


def test_show(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    monkeypatch.setenv("INGLE_BLOCKS_MAX", "2G")
    shown = out(capsys, "show")
    assert "used    3.0 MB in 3 blocks" in shown and "limit   2.00 GB\n" in shown
    row = shown.splitlines()[-1]
    assert re.match(r" +3\.0 MB +3  \d{4}-\d\d-\d\d \d\d:\d\d \d{4}-\d\d-\d\d", row)
    assert row.endswith(" tiny\\x1b[31m kv=f16 ctx=4096")
    monkeypatch.setenv("INGLE_BLOCKS_MAX", "0")
    assert "limit   0.0 MB: saves nothing" in out(capsys, "show")


def test_show_as_json(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGLE_BLOCKS_MAX", "2G")  # the default depends on what the disk has left
    fill(folder, 2)
    shown = json.loads(out(capsys, "show", "--json"))
    size = sum(path.stat().st_size for path in folder.rglob("*.kv"))
    (model,) = shown.pop("models")
    assert shown == {
        "folder": str(folder), "limit": 2 * 10**9, "bytes": size, "blocks": 2,
    }  # fmt: skip
    assert 0 < model.pop("oldest") <= model.pop("newest")
    assert model == {
        "fingerprint": MODEL.hex()[:32], "model": "tiny\x1b[31m", "blocks": 2, "bytes": size,
        "settings": {"kv": "f16", "ctx": 4096},
    }  # fmt: skip


@pytest.mark.parametrize(
    "about", [b"", b"[]", b'{"model": 7, "settings": 8}', b"\xff", b"[" * 9999]
)
def test_show_where_nobody_knows_the_model(
    folder: Path, capsys: pytest.CaptureFixture[str], about: bytes
) -> None:
    fill(folder)
    (path,) = folder.glob("*.json")
    path.write_bytes(about)
    shown = out(capsys, "show").splitlines()[-1]
    assert shown.endswith(" 7" if b"7" in about else f" unknown ({MODEL.hex()[:8]})")


def test_prune(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    assert "nothing to remove" in out(capsys, "prune")
    assert "1 block removed, 1.0 MB freed" in out(capsys, "prune", "--max", "2.5M")
    assert files(folder) == 2
    monkeypatch.setenv("INGLE_BLOCKS_MAX", "1500k")
    assert "1 block removed" in out(capsys, "prune")
    assert "1 block removed" in out(capsys, "prune", "--max", "0")
    assert files(folder) == 0 and not list(folder.glob("*.json"))


def test_clear_asks_only_where_somebody_can_answer(folder: Path) -> None:
    fill(folder)
    done = subprocess.run(
        [AGENT, "cache", "clear"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "say --yes" in done.stderr and done.stderr.count("\n") == 1
    assert files(folder) == 3


@pytest.mark.parametrize(
    ("answer", "left", "says"), [("n", 3, "nothing was removed"), ("y", 0, "3 blocks removed")]
)
def test_clear_on_a_terminal(folder: Path, answer: str, left: int, says: str) -> None:
    fill(folder)
    terminal = pexpect.spawn(AGENT, ["cache", "clear"], encoding="utf-8", dimensions=(24, 200))
    terminal.expect_exact("Remove 3.0 MB of saved state")
    terminal.sendline(answer)
    terminal.expect_exact(says)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0 and files(folder) == left


def test_clear_with_yes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder)
    assert "3 blocks removed, 3.0 MB freed" in out(capsys, "clear", "--yes")
    assert files(folder) == 0


@pytest.mark.parametrize("command", [["prune", "--max", "0"], ["clear", "--yes"]])
def test_while_another_process_removes_blocks(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    fill(folder)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(["cache", *command]) == 75
    assert "try again" in capsys.readouterr().err and files(folder) == 3


@pytest.mark.parametrize("command", ["show", "prune", "clear"])
def test_a_folder_that_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("")
    assert run(["cache", command]) == 52
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and str(folder) in shown.err


@pytest.mark.parametrize("size", ["", "x", "-1", "2X", "1e9", "nan", "2 G 2"])
def test_a_size_that_is_none(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    size: str,
) -> None:
    assert run(["cache", "prune", "--max", size]) == 2
    assert "write 500M, 2G or 2GiB" in capsys.readouterr().err
    if size:
        monkeypatch.setenv("INGLE_BLOCKS_MAX", size)
        with pytest.raises(ConfigError, match="INGLE_BLOCKS_MAX"):
            blocks_limit(folder)
        assert run(["cache", "show"]) == 52


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("17B", 17), ("500M", 500 * 10**6), ("2g", 2 * 10**9),
     ("1.5 GB", 15 * 10**8), ("2GiB", 2**31), ("2Gi", 2**31), ("3T", 3 * 10**12), ("4k", 4000)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_the_default_limit_is_a_share_of_the_free_space(folder: Path) -> None:
    status = os.statvfs("/")
    assert 0 < blocks_limit(folder) <= 10 * 10**9
    assert blocks_limit(folder) <= status.f_blocks * status.f_frsize // 10


@pytest.mark.parametrize("arguments", [["show"], ["prune"], ["clear", "--yes"]])
def test_no_engine_is_loaded_for_it(folder: Path, arguments: list[str]) -> None:
    fill(folder)
    code = (
        "import sys\nfrom agent.cli.main import run\n"
        f"code = run(['cache', *{arguments!r}])\n"
        "print('loaded', [m for m in ('llama_cpp', 'numpy', 'rich') if m in sys.modules])\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
