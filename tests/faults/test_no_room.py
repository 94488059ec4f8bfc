"""Disks that are full or read-only, a home that is not there: work goes on, with a word."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys

import pytest

from tests.faults.command import AGENT, Command, in_order, read_only, with_disk
from tests.tiny_gguf import build
from tests.unit.models.hub import Hub, serving

# The model says so much that the log does not fit: 600 KB of deltas and tokens.
LONG = 'LINES = [" ".join(map(str, range(12_000)))]\nN_CTX = 60_000'
ENOUGH = 55  # the model has no more to say than it may


def test_a_full_disk_under_the_log_and_the_next_task(command: Command) -> None:
    """Both tasks see the same small disk; between them room is made on it."""
    filled = command.state.parent / "filled"
    script = command.home / "script.py"
    fill = f"Path({str(filled)!r}).write_bytes(bytes(700_000))"
    first = command.scripted(f"{LONG}\n{fill}", "do", "a")
    saved = script.with_name("first.py")
    script.rename(saved)
    first[2] = str(saved)
    heard = 'LINES = [lambda p: "go" if "11998 11999" in p else "no"]\nN_CTX = 60_000'
    second = command.scripted(heard, "do", "--continue", "b", "--output", "json")
    line = (
        f'"$@"; echo "code $?"; rm {filled}; {shlex.join(second)}; '
        f"cat {command.state}/sessions/*/events.jsonl >&2"
    )
    disk = with_disk(command.state.parent, "1m")
    done = command.run([*disk, "sh", "-c", line, "sh", *first])
    assert in_order(done), done.stderr[-2000:]
    answer, code, result = done.stdout.split("\n")[:3]
    assert answer.startswith("0 1 2 3") and code == "code 0"
    assert "this session is not saved" in done.stderr
    assert "No space left on device" in done.stderr
    assert json.loads(result)["exit_code"] == 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
    kinds = [json.loads(line)["type"] for line in lines if line.endswith("}")]
    assert kinds.count("task_given") == 2 and kinds[-1] in ("turn_ended", "session_titled")


def test_a_full_disk_under_the_files_leaves_the_old_file(command: Command) -> None:
    folder = command.work / "small"
    script = (
        'LINES = [call("write", path="a", content="old"),'
        ' call("shell", command="head -c 60000 /dev/zero > b"),'
        ' call("write", path="a", content=" ".join(map(str, range(4_000)))),'
        ' lambda p: str("No space left" in p) + Path("a").read_text()]'
    )
    words = command.scripted(script, "do", "write a", "--output", "json")
    done = command.run([*with_disk(folder, "64k"), "sh", "-c", f'cd {folder}; "$@"', "sh", *words])
    assert done.returncode == 0 and in_order(done), done.stderr
    assert json.loads(done.stdout)["answer"] == "Trueold"


@pytest.mark.parametrize("around", ["full", "read-only"])
def test_saved_model_state_without_room(command: Command, around: str) -> None:
    model = build(command.home / "tiny.gguf", ctx=8192)
    cache = command.home / "CACHE"
    before = with_disk(cache, "64k") if around == "full" else read_only(cache)
    cache.mkdir(exist_ok=True)
    flags = ["-m", str(model), "--ctx", "8192", "--max-tokens", "8", "--output", "json"]
    done = command.run([*before, AGENT, "do", "What is it?", *flags])
    assert done.returncode == ENOUGH and in_order(done), done.stderr
    assert json.loads(done.stdout)["usage"]["generated"] > 0
    assert len(command.logs()) == 1 and command.events()[-1]["type"] == "session_titled"
    again = command.agent("do", "--continue", "And now?", *flags)
    assert again.returncode == ENOUGH and in_order(again), again.stderr


PULL = """
import sys
from pathlib import Path
from agent.cli.main import run
from agent.models import fetch
from tests.unit.models.hub import entry_for
fetch.check_space = lambda *_: None  # as when the disk fills up while it comes
from agent.errors import IngleError
try:
    fetch.pull(entry_for(bytes(range(256)) * 12_000), Path(sys.argv[1]), offline=False)
except IngleError as error:
    print(error.exit_code, error)
"""


def test_a_download_without_room_goes_on_where_there_is_some(
    command: Command,
) -> None:
    data = bytes(range(256)) * 12_000
    models = command.home / "models"
    with serving(Hub(data)) as endpoint:
        words = [sys.executable, "-c", PULL, str(models)]
        save = f'"$@"; mkdir {command.home}/kept; cp -r {models}/. {command.home}/kept'
        variables = {"HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
        done = command.run([*with_disk(models, "1m"), "sh", "-c", save, "sh", *words], **variables)
        assert done.stdout.startswith("69 ") and "full" in done.stdout, done.stderr
        assert len(done.stdout.splitlines()) == 1 and in_order(done)
        files = [path for path in (command.home / "kept").rglob("*") if path.is_file()]
        (partial,) = [path for path in files if path.stat().st_size]
        assert data.startswith(partial.read_bytes())
        words[-1] = str(command.home / "kept")
        assert command.run(words, **variables).stdout == ""
    (whole,) = (command.home / "kept").rglob("*.gguf")
    assert hashlib.sha256(whole.read_bytes()).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("place", ["home", "no home", "XDG folders"])
def test_without_a_home_to_write_to_work_goes_on_in_memory(command: Command, place: str) -> None:
    (command.work / "old.txt").write_text("old\n")
    script = 'LINES = [call("write", path="new.txt", content="new\\n"), "done"]'
    unset = {f"XDG_{name}_HOME": "" for name in ("STATE", "CACHE", "CONFIG")}
    words = command.scripted(script, "do", "go")
    (command.home / "vocabulary").touch()
    if place == "home":
        home = command.home / "HOME"
        home.mkdir()
        done = command.run([*read_only(home), *words], HOME=str(home), **unset)
    elif place == "no home":
        nobody = ("unshare", "--user", "--map-user=12345")
        done = command.run([*nobody, *words], HOME="", **unset)
    else:
        (command.home / "STATE").write_text("a file in the place of a folder")
        done = command.run(words, XDG_CACHE_HOME="/proc/nowhere", XDG_CONFIG_HOME="/proc/nowhere")
    assert done.returncode == 0 and in_order(done), done.stderr
    assert (command.work / "new.txt").read_text() == "new\n"
    assert done.stderr.count("this session is not saved") == 1
    assert done.stdout == "done\n"
