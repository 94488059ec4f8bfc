"""Clocks that jump, folders of any kind and size, other agents, locks of the dead."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from tests.faults.command import Command, in_order, with_disk

DAY = 86_400
CLOCK = "import time\nreal = time.time\ntime.time = lambda: real() + {}\n"


def test_a_clock_that_jumps_both_ways_changes_no_order(command: Command) -> None:
    made = []
    for number, offset in enumerate((400 * DAY, 0, -400 * DAY)):
        script = f'{CLOCK.format(offset)}LINES = ["said {number}"]'
        done = command.do(script, f"task {number}", "--output", "json")
        assert done.returncode == 0 and in_order(done), done.stderr
        made.append(json.loads(done.stdout)["session"])
    assert made == sorted(made)
    listed = command.agent("sessions", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in listed] == made[::-1]
    heard = command.do('LINES = [lambda p: str("said 2" in p)]', "--continue", "go on")
    assert heard.stdout.strip() == "True"


def test_a_clock_that_jumps_in_a_task_uses_up_no_time(command: Command) -> None:
    script = """
import time
real, started = time.time, time.time()
hours = iter(range(1, 100_000))
time.time = lambda: real() + next(hours) * 3600 * (-1) ** next(hours)
LINES = [call("shell", command="echo 1 > a"), call("shell", command="echo 2 > b"), "done"]
"""
    done = command.do(script, "go", "--max-time", "1h", "--output", "json")
    assert in_order(done), done.stderr
    result = json.loads(done.stdout)
    assert (result["stop"], result["turns"]) == ("answer", 3)
    assert 0 < result["seconds"] < 3600
    undone = command.agent("undo")
    assert undone.returncode == 0 and sorted(path.name for path in command.work.iterdir()) == []


@pytest.mark.parametrize("kind", ["none", "bare", "unborn", "worktree of nothing"])
def test_any_kind_of_git_folder(command: Command, kind: str) -> None:
    if kind == "bare":
        subprocess.run(["git", "init", "-q", "--bare", command.work], check=True)
    elif kind == "unborn":
        subprocess.run(["git", "init", "-q", command.work], check=True)
    elif kind == "worktree of nothing":
        (command.work / ".git").write_text("gitdir: /no/where\n")
    before = sorted(path.name for path in command.work.iterdir())
    script = (
        'LINES = [call("shell", command="git status"),'
        ' call("write", path="made", content="x"), "done"]'
    )
    done = command.do(script, "go", "--output", "json")
    assert done.returncode == 0 and in_order(done), done.stderr
    assert json.loads(done.stdout)["changed"] == ["made"]
    assert command.agent("diff").returncode == 0
    undone = command.agent("undo")
    assert undone.returncode == 0 and in_order(undone), undone.stderr
    assert sorted(path.name for path in command.work.iterdir()) == before


def test_two_agents_in_a_folder_see_each_other_and_the_dead_are_not_seen(command: Command) -> None:
    os.mkfifo(command.home / "fifo")
    waiting = """
from tests.e2e.scripted_repl import gated
def say(prompt):
    print("waiting", file=__import__("sys").stderr, flush=True)
    return gated(str(Path(__file__).with_name("fifo")), "one", " two")(prompt)
LINES = [say]
"""
    first = command.start(command.scripted(waiting, "do", "wait", "--output", "stream-json"))
    assert first.stdout and first.stderr
    session = json.loads(first.stdout.readline())["session"]
    assert "waiting" in first.stderr.readline()
    second = command.do('LINES = ["hello"]', "hi")
    assert second.returncode == 0
    assert f"another session is at work in this folder ({session})" in second.stderr
    busy = command.do('LINES = ["hello"]', "--resume", session, "hi")
    assert busy.returncode == 75 and "open in another process" in busy.stderr
    assert command.agent("sessions", "rm", "--yes", session).returncode == 75
    first.kill()
    first.communicate()
    third = command.do('LINES = ["hello"]', "hi")
    assert third.returncode == 0 and "another session" not in third.stderr
    gone_on = command.do('LINES = ["hello"]', "--resume", session, "hi")
    assert gone_on.returncode == 0 and in_order(gone_on), gone_on.stderr
    assert list((command.state / "present").rglob("*-*")) == [], "what the dead left is removed"


FILES = 500_000
# On a disk in memory that goes with the process; the files are links to one empty file a folder.
MAKE = """
import os, sys
for number in range(int(sys.argv[1]) // 5000):
    os.mkdir(f"d{number:03d}")
    os.chdir(f"d{number:03d}")
    open("f0000.py", "w").close()
    for other in range(1, 5000):
        os.link("f0000.py", f"f{other:04d}.py")
    os.chdir("..")
"""


def test_half_a_million_files(command: Command) -> None:
    script = 'LINES = [call("shell", command="echo new > d000/made.txt"), "done"]'
    words = command.scripted(script, "do", "go", "--output", "stream-json")
    make = shlex.join([sys.executable, "-c", MAKE, str(FILES)])
    line = f'cd {command.work} && {make} && "$@" && cat d000/made.txt'
    disk = with_disk(command.work, "1g,nr_inodes=600k")
    done = command.run([*disk, "sh", "-c", line, "sh", *words])
    assert done.returncode == 0 and in_order(done), done.stderr
    *lines, made = done.stdout.splitlines()
    assert made == "new"
    said = [e["text"] for e in map(json.loads, lines) if e["type"] == "notice"]
    assert any("450,000 files are not saved for undo" in text for text in said), said
    assert command.logs()[0].stat().st_size < 1_000_000
    store = sum(p.stat().st_size for p in command.state.glob("checkpoints/**/*") if p.is_file())
    assert store < 50_000_000
