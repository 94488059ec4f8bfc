"""Turns are taken back: their files, and what was said in them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from agent.app import Job
from agent.cli.main import run
from agent.engine.scripted import Line
from agent.events import FilesSaved, Notice, Undone
from agent.session.presence import Presence
from agent.session.resume import load_earlier
from agent.session.undo import history
from tests.turn.conftest import Desk


async def turns(desk: Desk, *scripts: list[Line]) -> list[tuple[int, ...]]:
    """One turn a script, in one session; the tokens of the log after each."""
    session = await desk.open([line for script in scripts for line in script])
    after = []
    for number in range(len(scripts)):
        await session.do(Job(f"task {number + 1}", session.workspace, sandbox="off"))
        after.append(load_earlier(desk.state, session.log.id).tokens)
    await session.close()
    session.log.close()
    return after


@pytest.fixture
def cli(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The commands find the desk's sessions."""
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.state.parent / "xdg"))
    desk.state = desk.state.parent / "xdg/ingle"
    return desk


def agent(desk: Desk, *arguments: str) -> int:
    return run([*arguments, "-d", str(desk.root)])


def writes(desk: Desk, **files: str) -> list[Line]:
    return [desk.call("shell", command=f"printf {text} > {name}") for name, text in files.items()]


async def test_files_and_conversation_go_back(
    cli: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.put("a", "zero")
    after = await turns(
        cli,
        [*writes(cli, a="one", b="one"), "Done."],
        [*writes(cli, a="two"), "Done."],
        ["Just talk."],
    )
    assert agent(cli, "undo", "2") == 0
    assert capsys.readouterr().out == "a\n"
    assert (cli.read("a"), cli.read("b")) == ("one", "one")
    assert load_earlier(cli.state, "last").tokens == after[0]
    assert agent(cli, "undo") == 0
    assert cli.read("a") == "zero" and cli.names() == ["a"]
    assert agent(cli, "undo") == 2
    assert "0 turns" in capsys.readouterr().err


async def test_an_undo_can_be_undone(cli: Desk) -> None:
    after = await turns(cli, [*writes(cli, a="one"), "Done."], [*writes(cli, a="two"), "Done."])
    assert agent(cli, "undo", "2") == 0
    assert cli.names() == []
    assert agent(cli, "undo", "--redo") == 0
    assert cli.read("a") == "two"
    assert load_earlier(cli.state, "last").tokens == after[1]
    assert agent(cli, "undo") == 0
    assert cli.read("a") == "one"
    assert load_earlier(cli.state, "last").tokens == after[0]


async def test_what_the_user_changed_since_is_not_overwritten(
    cli: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await turns(cli, [*writes(cli, a="one", b="one"), "Done."])
    cli.put("b", "by the user")
    cli.put("c", "by the user")
    assert agent(cli, "undo") == 1
    assert "b" in capsys.readouterr().err
    assert (cli.read("a"), cli.read("b")) == ("one", "by the user")
    assert agent(cli, "undo", "--force") == 0
    assert cli.names() == ["c"]
    assert agent(cli, "undo", "--redo") == 0
    assert (cli.read("a"), cli.read("b"), cli.read("c")) == ("one", "by the user", "by the user")


async def test_the_diff_of_a_turn(cli: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cli.put("a", "zero\n")
    await turns(
        cli, [*writes(cli, a="one"), "Done."], [*writes(cli, b="two"), "Done."], ["Just talk."]
    )
    cli.put("a", "by the user")
    assert agent(cli, "diff") == 0
    shown = capsys.readouterr().out
    assert "+two" in shown and "one" not in shown and "\x1b" not in shown
    assert agent(cli, "diff", "1") == 0
    assert "-zero\n+one" in capsys.readouterr().out
    assert agent(cli, "diff", "1", "--stat") == 0
    assert capsys.readouterr().out == "changed  a\n"
    assert agent(cli, "diff", "3") == 0
    assert capsys.readouterr().out == ""
    assert agent(cli, "diff", "4") == 2


async def test_the_diff_in_colour_and_with_escapes(
    cli: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await turns(cli, [cli.call("shell", command=r"printf 'x\033]0;title\007' > a"), "Done."])
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert agent(cli, "diff") == 0
    shown = capsys.readouterr().out
    assert "\x1b[32m+x\\x1b]0;title\\x07\x1b[0m" in shown


async def test_no_session_here(cli: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("undo", "diff"):
        assert agent(cli, command) == 2
        assert "there is no session in" in capsys.readouterr().err


async def test_a_session_that_is_open_is_not_undone(cli: Desk) -> None:
    session = await cli.open([*writes(cli, a="one"), "Done."])
    await session.do(Job("go", session.workspace, sandbox="off"))
    assert agent(cli, "undo") == 75
    assert cli.read("a") == "one"


async def test_a_turn_that_only_reads_saves_nothing(desk: Desk) -> None:
    desk.put("a", "x")
    await turns(desk, [desk.call("read", path="a"), "Read."])
    assert not any(isinstance(event, FilesSaved) for event in desk.logged)
    assert not (desk.state / "checkpoints").exists()


async def test_a_turn_saves_once_before_and_once_after(desk: Desk) -> None:
    await turns(desk, [*writes(desk, a="1", b="2", c="3"), "Done."])
    saved = [event for event in desk.logged if isinstance(event, FilesSaved)]
    assert len(saved) == 2 and saved[0].before == saved[1].before
    assert saved[0].after == "" and saved[1].after not in ("", saved[1].before)


async def test_a_turn_that_was_cut_off_can_be_undone(cli: Desk) -> None:
    cli.put("a", "zero")
    await turns(cli, [*writes(cli, a="one"), "Done."])
    lines = cli.log_file.read_bytes().splitlines(keepends=True)
    place = max(i for i, line in enumerate(lines) if b'"files_saved"' in line)
    cli.log_file.write_bytes(b"".join(lines[:place]))
    assert agent(cli, "undo") == 0
    assert cli.read("a") == "zero"


async def test_a_store_that_cannot_be_made_is_said_and_work_goes_on(desk: Desk) -> None:
    desk.state.mkdir()
    (desk.state / "checkpoints").write_text("in the way")
    await turns(desk, [*writes(desk, a="1"), "Done."], [*writes(desk, a="2"), "Done."])
    assert desk.read("a") == "2"
    notices = [event.text for event in desk.shown(Notice)]
    assert sum("cannot be undone" in text for text in notices) == 1
    assert history(desk.logged).turns[-1].before == ""


async def test_two_sessions_in_one_folder_see_each_other(desk: Desk) -> None:
    other = Presence(desk.state, desk.root, "20260101-000000-abcd")
    await desk.do(["Hi."])
    assert any("20260101-000000-abcd" in event.text for event in desk.shown(Notice))
    other.leave()
    desk.screen.events.clear()
    assert desk.session is not None
    await desk.session.close()
    await desk.do(["Hi."])
    assert not desk.shown(Notice)


def test_presence_ends_with_the_process(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        Presence(tmp_path, root, "child")
        os.write(tell, b"x")
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.read(ready, 1)
    mine = Presence(tmp_path, root, "mine")
    assert mine.others() == ["child"]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert mine.others() == []
    assert not list((tmp_path / "present").glob("*/child"))


def test_the_last_undo_can_be_taken_back_only_before_a_new_task() -> None:
    from agent.events import TaskGiven

    start = [TaskGiven("1"), TaskGiven("2"), Undone(1, "x", "y")]
    assert [turn.task for turn in history(start).turns] == ["1"]
    assert len(history(start).undone) == 1
    again = history([*start, Undone(1, "y", "x", redo=True)])
    assert [turn.task for turn in again.turns] == ["1", "2"] and not again.undone
    assert not history([*start, TaskGiven("3")]).undone
