"""`agent context` on a session that a scripted run made, and where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.app import Job, Session
from agent.cli.main import run
from agent.engine.scripted import ScriptedEngine
from agent.events import LogSet, SessionStarted, TaskGiven
from agent.session import SessionLog
from tools.workspace import Workspace


class Nobody:
    closed = False

    def show(self, event: object) -> None:
        pass

    def close(self) -> None:
        pass


async def worked(state: Path, root: Path) -> ScriptedEngine:
    """A session of 30 long outputs in a small window."""
    calls = [
        json.dumps({"name": "shell", "arguments": {"command": f"seq {n} {n + 900}"}})
        for n in range(30)
    ]
    lines = [*(f"<tool_call>\n{call}\n</tool_call>" for call in calls), "done"]
    engine = ScriptedEngine(lines, n_ctx=4096)
    session = Session(engine, Workspace(root), SessionLog.create(state), Nobody())
    await session.start(sandbox="off")
    await session.do(Job("count", session.workspace))
    session.log.close()
    return engine


async def test_the_window_of_a_session(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = await worked(state, tmp_path)
    assert run(["context"]) == 0
    text = capsys.readouterr().out
    assert f"{len(engine.log):,} of 4,096 tokens" in text
    assert "the window was full" in text and "result" in text and "free" in text
    assert run(["context", "last", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["n_ctx"] == 4096 and data["used"] == len(engine.log) and data["folds"]
    assert sum(kind["tokens"] for kind in data["kinds"]) == data["used"]


@pytest.mark.usefixtures("state")
def test_no_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["context"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_log_that_does_not_say_what_its_tokens_are(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = SessionLog.create(state)
    log.append(SessionStarted(log.id, "/w", "tiny", 4096, 1.0, "0.1.0"))
    log.append(TaskGiven("go"))
    log.append(LogSet(0, tuple(range(100))))
    log.close()
    assert run(["context", log.id]) == 0
    assert "100 of 4,096 tokens" in (text := capsys.readouterr().out) and "other" in text
