"""SIGTERM and SIGHUP to a headless task: a JSON result, a whole log, an exit code."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.faults.command import Command, in_order

# Each stops where the test can see it, and waits there for ever.
LOADING = """
from tests.e2e.scripted_repl import wait
from agent.cli import task
usual = task.find_rights
def slow(*given, **named):
    print("waiting", file=__import__("sys").stderr, flush=True)
    wait(str(Path(__file__).with_name("fifo")))
LINES = []
task.find_rights = slow
"""
SPEAKING = """
from tests.e2e.scripted_repl import gated
def waiting(prompt):
    print("waiting", file=__import__("sys").stderr, flush=True)
    return gated(str(Path(__file__).with_name("fifo")), "so far", " and no further")(prompt)
LINES = [waiting]
"""
IN_A_TOOL = 'LINES = [call("shell", command="echo here > began; sleep 1000")]'


def signalled(command: Command, script: str, number: int, output: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a task that gets the signal in that stage."""
    os.mkfifo(command.home / "fifo")
    if script is IN_A_TOOL:
        os.mkfifo(command.work / "began")
    process = command.start(command.scripted(script, "do", "wait", "--output", output))
    if script is IN_A_TOOL:
        (command.work / "began").read_text()  # until the tool writes to it
    else:
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize("script", [LOADING, SPEAKING, IN_A_TOOL], ids=["load", "decode", "tool"])
@pytest.mark.parametrize(
    ("number", "output"), [(signal.SIGTERM, "json"), (signal.SIGHUP, "stream-json")]
)
def test_a_signal_ends_a_headless_task_with_a_result(
    command: Command, script: str, number: int, output: str
) -> None:
    code, out, err = signalled(command, script, number, output)
    assert code == 130
    assert "Traceback" not in err
    last: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert (last["stop"], last["exit_code"]) == ("interrupted", 130)
    if script is not LOADING:
        assert command.events()[-1]["type"] == "turn_ended"
        assert command.events()[-1]["stop"] == "interrupted"
    if script is IN_A_TOOL:
        done = command.do('LINES = [lambda p: str(p.count("outcome unknown"))]', "--continue", "?")
        assert done.stdout.strip() == "1" and in_order(done)


def test_a_signal_that_nohup_switched_off_ends_nothing(command: Command) -> None:
    script = f"{SPEAKING}\nimport signal\nassert signal.getsignal(1) is signal.SIG_IGN"
    os.mkfifo(command.home / "fifo")
    words = ["nohup", *command.scripted(script, "do", "wait", "--output", "json")]
    process = command.start(words)
    assert process.stderr is not None
    while "waiting" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGHUP)
    (command.home / "fifo").write_text(".")
    out, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["answer"] == "so far and no further"
