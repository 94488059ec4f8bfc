"""`agent stats` on sessions that are on disk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import run
from agent.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallMade,
    CallReturned,
    CheckEnded,
    Event,
    ModelReplied,
    SessionStarted,
    TaskGiven,
    TurnEnded,
)
from agent.messages import Usage
from agent.session import SessionLog
from agent.session.fork import fork


def record(state: Path, *events: Event, when: float = 1_700_000_000.0) -> str:
    log = SessionLog.create(state)
    log.append(SessionStarted(log.id, "/w", "tiny", 4096, when, "0.1.0"))
    for event in events:
        log.append(event)
    log.close()
    return log.id


USAGE = Usage(prompt=1_000_000, reused=4_000_000, generated=50, prefill_s=20.0, decode_s=10.0)
TURN: tuple[Event, ...] = (
    CheckEnded("true", False, 1, "", 2.0),
    TaskGiven("go"),
    ModelReplied("", (), "end", Usage(prompt=1, generated=1)),
    CallMade("1", "shell", {}, "tag"),
    CallReturned("1", "shell", True, "", seconds=3.0),
    CheckEnded("true", True, 0, "", 4.0),
    TurnEnded("answer", "", 0, USAGE, seconds=45.0),
)


def data(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["stats", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def prices(tmp_path: Path, text: str) -> None:
    folder = tmp_path / ".config/ingle"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(text)


def test_nothing_yet(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "nothing was done yet" in shown.err
    assert not state.exists()
    assert data(capsys)["turns"] == 0


def test_all_of_it_as_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    record(state, *TURN, *TURN, when=1_700_100_000.0)
    found = data(capsys)
    assert (found["sessions"], found["turns"], found["calls"]) == (2, 3, 3)
    assert found["usage"]["prompt"] == 3_000_000 and found["usage"]["reused"] == 12_000_000
    assert (found["tools_s"], found["checks_s"], found["rest_s"]) == (9.0, 18.0, 18.0)
    assert (found["seconds"], found["tokens_per_s"]) == (135.0, 5.0)
    assert [(day["turns"], day["tokens_per_s"]) for day in found["days"]] == [(1, 5.0), (2, 5.0)]
    assert found["cost"] is None and found["energy_j"] is None


def test_a_turn_that_was_cut_off_counts_what_it_did(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replied = ModelReplied("", (), "end", Usage(prompt=7, generated=4, decode_s=2.0))
    record(state, TaskGiven("go"), replied, replied)
    found = data(capsys)
    assert (found["usage"]["prompt"], found["usage"]["generated"]) == (14, 8)
    assert (found["seconds"], found["rest_s"], found["tokens_per_s"]) == (4.0, 0.0, 2.0)


def test_a_fork_does_not_count_twice(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record(state, *TURN, *TURN)
    copy = fork(state, one, 1)
    assert data(capsys)["turns"] == 2
    log = SessionLog.resume(state, copy)
    log.append(SessionStarted(copy, "/w", "tiny", 4096, 1_700_000_500.0, "0.1.0"))
    for event in TURN:
        log.append(event)
    log.close()
    # A copy of a copy has copied turns and others.
    fork(state, copy)
    found = data(capsys)
    assert (found["turns"], found["usage"]["prompt"]) == (3, 3_000_000)


def test_the_last_days(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    record(state, *TURN, when=time.time() - 3 * 86_400)
    assert data(capsys, "--days", "2")["turns"] == 0
    assert data(capsys, "--days", "4")["turns"] == 1
    assert data(capsys)["turns"] == 2


def test_what_it_would_cost_elsewhere(
    state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record(state, *TURN)
    prices(tmp_path, '[prices]\ninput = 3.0\ncached = 0.5\noutput = 20000.0\ncurrency = "EUR"\n')
    cost = data(capsys)["cost"]
    assert (cost["amount"], cost["currency"]) == (3.0 + 2.0 + 1.0, "EUR")
    assert run(["stats"]) == 0
    assert "6.00 EUR" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["[prices]\ninput = -1.0", "[prices]\nimput = 1.0", "[prices\n"])
def test_a_price_table_that_is_wrong(
    state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    record(state, *TURN)
    prices(tmp_path, text)
    assert run(["stats"]) == 52
    assert "config.toml" in capsys.readouterr().err


def test_what_people_read(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    slow = TurnEnded("answer", "", 0, Usage(generated=25, decode_s=10.0), seconds=10.0)
    record(state, TaskGiven("x"), slow, when=1_700_200_000.0)
    assert run(["stats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 sessions, 2 turns, 1 tool call"
    assert ["tokens", "reused", "4,000,000"] in [line.split() for line in lines]
    bars = {line[:10]: line.count("█") for line in lines if "tok/s   " in line}
    assert sorted(bars.values()) == [15, 30]
    shares = [line.split()[-1] for line in lines if line.endswith("%")]
    assert sum(int(share[:-1]) for share in shares) in (99, 100, 101)
    assert not any(line.startswith(("energy", "waiting", "load")) for line in lines)
    assert all(len(line) < 80 for line in lines if not line.startswith("elsewhere"))


def test_waiting_for_a_person_is_no_work_of_a_tool(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(
        state, TaskGiven("go"), CallMade("1", "shell", {}, "tag"), ApprovalAsked("shell", "ls"),
        ApprovalGiven("once", seconds=30.0), CallReturned("1", "shell", True, "", seconds=32.0),
        CallMade("2", "shell", {}, "tag"), CallReturned("2", "shell", True, "", seconds=1.0),
        ApprovalAsked("check", "make"), ApprovalGiven("once", seconds=5.0),
        CheckEnded("make", True, 0, "", 4.0),
        TurnEnded("check_passed", "", 0, Usage(), seconds=50.0),
    )  # fmt: skip
    found = data(capsys)
    assert (found["tools_s"], found["waiting_s"], found["checks_s"]) == (3.0, 35.0, 4.0)
    assert (found["rest_s"], found["seconds"]) == (8.0, 50.0)
    assert run(["stats"]) == 0
    assert any(
        line.split() == ["waiting", "for", "you", "35.0s", "70%"]
        for line in capsys.readouterr().out.splitlines()
    )


def test_loading_comes_on_top_of_the_turn(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usage = Usage(load_s=6.0, decode_s=3.0)
    record(state, TaskGiven("go"), TurnEnded("answer", "", 0, usage, seconds=4.0))
    found = data(capsys)
    assert found["usage"]["load_s"] == 6.0
    assert (found["rest_s"], found["seconds"]) == (1.0, 10.0)
    assert run(["stats"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["load", "6.0s", "60%"] in shown


def test_energy_where_it_is_known(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, TaskGiven("a"), TurnEnded("answer", "", 0, Usage(), energy_j=1800.0))
    record(state, TaskGiven("b"), TurnEnded("answer", "", 0, Usage(), energy_j=5400.0))
    record(state, TaskGiven("c"), TurnEnded("answer", "", 0, Usage()))
    assert data(capsys)["energy_j"] == 7200.0
    assert run(["stats"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["energy", "2.00", "Wh"] in shown


def test_broken_logs_are_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    broken = state / "sessions" / "20200101-000000-aaaa"
    broken.mkdir()
    (broken / "events.jsonl").write_bytes(b"\0\xff{\n" * 100)
    assert run(["stats"]) == 0
    shown = capsys.readouterr()
    assert "1 session, 1 turn," in shown.out
    assert shown.err == f"not counted: {broken.name}: no event in its log can be read\n"
