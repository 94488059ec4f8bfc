"""Streams that are closed, full, narrow or dumb; tools that print too much, or no text."""

from __future__ import annotations

import json
import shlex
import subprocess

import pexpect
import pytest

from tests.faults.command import AGENT, Command, in_order

SAYS = 'LINES = [call("shell", command="echo done > made"), " ".join(map(str, range(2000)))]'


def shell(command: Command, line: str, script: str = SAYS) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which AGENT is `agent` with the script."""
    words = shlex.join(command.scripted(script))
    return command.run(["bash", "-c", line.replace("AGENT", words)])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("AGENT do go >&-", 0),
        ("AGENT do go <&-", 0),
        ("AGENT do go 2>&-", 0),
        ("AGENT do go <&- >&- 2>&-", 0),
        ("AGENT do go --output stream-json | head -1; exit ${PIPESTATUS[0]}", 130),
        ("AGENT do go --output json > /dev/full", 1),
        ("AGENT do go > /dev/full", 1),
    ],
)
def test_streams_that_are_closed_or_full(command: Command, line: str, code: int) -> None:
    done = shell(command, line)
    assert in_order(done), done.stderr
    assert done.returncode == code, done.stderr
    if "full" in line:
        assert "cannot be written: No space left on device" in done.stderr.splitlines()[-1]
    events = command.events()
    assert [e["type"] for e in events].count("turn_ended") == 1
    if "head" not in line:
        assert (command.work / "made").read_text() == "done\n"
    # Every line of the log is whole: nothing else was written into it.
    lines = command.logs()[-1].read_text("utf-8").splitlines()
    assert len(lines) == len(events)


@pytest.mark.parametrize("line", ["AGENT sessions list", "AGENT --help", "AGENT cache show"])
def test_a_full_disk_behind_stdout_is_one_line(command: Command, line: str) -> None:
    done = shell(command, f"{line} > /dev/full; AGENT do x > made; {line} > /dev/full")
    assert in_order(done)
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_ten_columns(command: Command, terminal: str) -> None:
    variables = {**command.environment, "TERM": terminal, "NO_COLOR": ""}
    words = command.scripted(SAYS.replace("2000", "3"), "do", "go on with a task of some length")
    child = pexpect.spawn(
        words[0], words[1:], cwd=str(command.work), env=variables, encoding="utf-8",
        dimensions=(24, 10), timeout=600,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    said = child.before or ""
    assert "Traceback" not in said and "2" in said
    if terminal == "dumb":
        assert "\x1b" not in said
    for words in (["sessions", "list"], ["sessions", "show", "last"], ["stats"], ["context"]):
        other = pexpect.spawn(
            AGENT, words, cwd=str(command.work), env=variables, encoding="utf-8",
            dimensions=(24, 10), timeout=600,
        )  # fmt: skip
        other.expect(pexpect.EOF)
        other.close()
        assert other.exitstatus == 0, other.before
        if terminal == "dumb":
            assert "\x1b" not in (other.before or "")


FLOOD = """
LINES = [
    call("shell", command="head -c 100000000 /dev/zero | tr '\\\\0' x"),
    call("shell", command="head -c 100000 /dev/zero; printf 'a\\\\0b\\\\377\\\\376\\\\200c'"),
    lambda prompt: str(len(prompt) < 60_000 and "a\\0b" not in prompt),
]
"""


def test_a_tool_that_prints_too_much_or_no_text(command: Command) -> None:
    done = command.do(FLOOD, "go", "--output", "json")
    assert done.returncode == 0 and in_order(done), done.stderr
    returned = [e for e in command.events() if e["type"] == "call_returned"]
    assert [e["ok"] for e in returned][1] is True
    assert all(len(e["text"]) < 30_000 for e in returned)
    assert command.logs()[-1].stat().st_size < 2_000_000
    kept = [path.stat().st_size for path in (command.logs()[-1].parent / "output").iterdir()]
    assert max(kept) <= 64 * 1024**2
    assert "b\ufffd\ufffd\ufffdc" in returned[1]["text"]
    assert json.loads(done.stdout)["turns"] == 3
    shown = command.agent("sessions", "show", "last")
    assert shown.returncode == 0 and "\0" not in shown.stdout
