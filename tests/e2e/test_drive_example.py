"""The program of the documents that drives a session, and what the documents say about it."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from agent.errors import ExitCode
from agent.ui.orders import KEYS, parse_order
from tests.e2e.driving import FLAGS
from tests.faults.command import Command

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/headless.md").read_text()


def test_the_example_drives_a_session(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    command = Command(tmp_path)
    script = (
        "LINES = [call('write', path='a.txt', content='one'), 'Written.',"
        " call('write', path='.hidden', content='one'), 'Not written.']"
    )
    words = command.scripted(script, "do", *FLAGS, "--approval", "ask")
    for name, value in command.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(command.work)
    main = runpy.run_path(str(ROOT / "examples/drive.py"))["main"]
    assert main(["Write a.txt", "Write .hidden"], words) == 77
    said = capfd.readouterr().out
    assert "answer: Written.\n  changed: ['a.txt']" in said
    assert "denied: Not written." in said and "session 2" in said
    assert [path.name for path in command.work.iterdir()] == ["a.txt"]


def test_it_is_as_short_as_the_document_says() -> None:
    lines = (ROOT / "examples/drive.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 40


def test_every_order_and_exit_code_is_documented() -> None:
    orders = re.findall(r"^\| `(\w+)` \|", DOCUMENT, flags=re.M)
    assert orders == list(KEYS)
    codes = re.findall(r"^\| (\d+) \|", DOCUMENT, flags=re.M)
    assert [int(code) for code in codes] == [int(code) for code in ExitCode]


def test_the_orders_of_the_document_are_orders() -> None:
    lines = re.findall(r"^→ (\{.*\})$", DOCUMENT, flags=re.M)
    assert len(lines) == 3
    for line in lines:
        assert parse_order(line.encode()).type == json.loads(line)["type"]
