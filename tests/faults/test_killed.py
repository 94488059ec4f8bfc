"""`kill -9` at each stage of a task: what was recorded stays, files are whole, work goes on."""

from __future__ import annotations

import json
import signal

import pytest

from tests.faults.command import Command, in_order
from tests.tiny_gguf import build

APPEND = "agent.session.store:SessionLog.append"
DIED = -signal.SIGKILL
LISTEN = (
    'def hear(prompt):\n    Path("heard").write_text(prompt)\n    return "fine"\nLINES = [hear]'
)
EARLIER = 'LINES = ["that was the first"]'


def go_on(command: Command, *more: str) -> str:
    """The next task of the same session: what the model is given to read."""
    done = command.do(LISTEN, "--continue", "go on", *more)
    assert done.returncode == 0 and in_order(done), done.stderr
    assert "fine" in done.stdout
    heard = command.work / "heard"
    text = heard.read_text("utf-8")
    heard.unlink()
    return text


STAGES = {
    "load": ("agent.engine.native_context:Context.__init__", "", 1),
    "prefill": ("agent.engine.native_context:Context.decode", "", 2),
    "decode": (APPEND, "TextDelta", 2),
    "at its end": (APPEND, "TurnEnded", 1),
}
ENOUGH = 55  # the model has no more to say than it may


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_while_a_real_model_works(command: Command, stage: str) -> None:
    model = build(command.home / "tiny.gguf", ctx=8192)
    flags = ("-m", str(model), "--ctx", "8192", "--max-tokens", "40", "--output", "json")
    if stage == "load":
        assert command.agent("do", "What is the first?", *flags).returncode == ENOUGH
    killed = command.do(f"DIE_AT = {STAGES[stage]!r}", "What is the second?", *flags)
    assert killed.returncode == DIED
    assert killed.stdout == ""
    recorded = command.logs()[0].read_bytes()
    done = command.agent("do", "--continue", "What is the third?", *flags)
    assert done.returncode == ENOUGH and in_order(done), done.stderr
    assert command.logs()[0].read_bytes().startswith(recorded), "nothing that was recorded is lost"
    assert json.loads(done.stdout)["session"] == command.logs()[0].parent.name
    tasks = [e["text"] for e in command.events(0) if e["type"] == "task_given"]
    # Where nothing was said the session before goes on.
    before = "What is the first?" if stage == "load" else "What is the second?"
    assert tasks == [before, "What is the third?"]
    if stage == "load":
        listed = command.agent("sessions", "list", "--json")
        assert len(listed.stdout.splitlines()) == 1 and listed.stderr == ""


def test_a_kill_before_anything_is_said_leaves_the_session_before(command: Command) -> None:
    assert command.do(EARLIER, "hello").returncode == 0
    for stage in ("SessionStarted", "TaskGiven", "LogSet"):
        killed = command.do(f"LINES = []\nDIE_AT = ({APPEND!r}, {stage!r})", "hello again")
        assert killed.returncode == DIED
    assert "that was the first" in go_on(command)


def test_a_call_that_was_killed_is_reported_and_not_made_again(command: Command) -> None:
    counting = 'call("shell", command="echo x >> count")'
    script = f"LINES = [{counting}]\nDIE_AT = ({APPEND!r}, 'CallReturned')"
    assert command.do(script, "count").returncode == DIED
    assert (command.work / "count").read_text() == "x\n"
    told = go_on(command).split("go on")[0]
    assert told.count("outcome unknown") == 1
    assert (command.work / "count").read_text() == "x\n"
    (returned,) = [e for e in command.events() if e["type"] == "call_returned"]
    assert returned["ok"] is False and "outcome unknown" in returned["text"]
    shown = command.agent("sessions", "show", "last").stdout
    assert "outcome unknown" in shown
    assert go_on(command).count("outcome unknown") == 1, "it is said once"


def test_what_was_recorded_of_several_calls_reaches_the_model(command: Command) -> None:
    calls = " + ".join(f'call("shell", command="echo was-{n}")' for n in (1, 2, 3))
    script = f"LINES = [{calls}]\nDIE_AT = ({APPEND!r}, 'CallReturned', 2)"
    assert command.do(script, "do three things").returncode == DIED
    told = go_on(command)
    results = told[told.index("<tool_response>") :]
    assert "was-1" in results and results.index("was-1") < results.index("outcome unknown")
    # The third one was never made, and is not said to be.
    assert results.count("outcome unknown") == 1


OLD, NEW = ("".join(f"{word} {n}\n" for n in range(500)) for word in ("old", "new"))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("tools.workspace:_copy_owner_and_mode", OLD),
        ("tools.workspace:Workspace.remember", NEW),
    ],
)
def test_a_kill_in_an_edit_leaves_a_whole_file_and_undo_works(
    command: Command, place: str, expected: str
) -> None:
    file = command.work / "file.txt"
    file.write_text(OLD)
    script = (
        'LINES = [call("read", path="file.txt"),'
        f' call("write", path="file.txt", content={NEW!r})]'
        f"\nDIE_AT = ({place!r}, '', {1 if expected is OLD else 3})"
    )
    assert command.do(script, "change file.txt").returncode == DIED
    assert file.read_text() == expected
    assert "outcome unknown" in go_on(command)
    file.write_text(NEW)
    undone = command.agent("undo", "2")
    assert undone.returncode == 0 and in_order(undone), undone.stderr
    assert file.read_text() == OLD


@pytest.mark.parametrize(
    "place",
    [
        "tools.checkpoints.store:Checkpoints._write_tree",
        "tools.checkpoints.store:Checkpoints._remember",
    ],
)
@pytest.mark.parametrize("number", [1, 2])
def test_a_kill_in_a_checkpoint(command: Command, place: str, number: int) -> None:
    (command.work / "file.txt").write_text("old\n")
    script = (
        'LINES = [call("shell", command="echo new > file.txt"), "done"]'
        f"\nDIE_AT = ({place!r}, '', {number})"
    )
    assert command.do(script, "change file.txt").returncode == DIED
    changed = (command.work / "file.txt").read_text()
    assert changed == ("old\n" if number == 1 else "new\n")
    go_on(command)
    if number == 2:  # the state before the turn was recorded
        undone = command.agent("undo", "2")
        assert undone.returncode == 0, undone.stderr
        assert (command.work / "file.txt").read_text() == "old\n"


def test_a_kill_in_an_undo_and_the_same_undo_ends_it(command: Command) -> None:
    names = [f"f{n}" for n in range(5)]
    for name in names:
        (command.work / name).write_text("old\n")
    assert command.do(
        'LINES = [call("shell", command="for f in f*; do echo new > $f; done"), "done"]', "go"
    ).returncode == 0  # fmt: skip
    dying = command.run(
        command.scripted("DIE_AT = ('tools.checkpoints.restore:_write', '', 3)", "undo")
    )
    assert dying.returncode == DIED
    texts = [(command.work / name).read_text() for name in names]
    assert sorted(texts) == ["new\n"] * 3 + ["old\n"] * 2
    done = command.agent("undo")
    assert done.returncode == 0 and in_order(done), done.stderr
    assert {(command.work / name).read_text() for name in names} == {"old\n"}
