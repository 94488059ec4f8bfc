"""What programs read from stdout, and that its description is complete."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import IngleError
from agent.events import KINDS, SCHEMA, TurnEnded, WorkProgress, from_json
from agent.messages import Usage
from agent.ui.headless import JsonPrinter, StreamJsonPrinter
from tests.unit.ui.drive import ANSWER, events

DRIVE = str(Path(__file__).with_name("drive.py"))
DOCUMENT = Path(__file__).parents[3] / "docs" / "stream-json.md"


def run(output: str) -> str:
    done = subprocess.run(
        [sys.executable, DRIVE, output], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_json_is_one_object() -> None:
    assert json.loads(run("json")) == {
        "schema": SCHEMA,
        "session": "20261121-215301-k3f9",
        "answer": ANSWER,
        "changed": ["stats.py"],
        "check": {"command": "pytest -q", "passed": True, "exit_code": 0},
        "usage": dataclasses.asdict(Usage(prompt=812, generated=290, decode_s=20.5)),
        "stop": "check_passed",
        "exit_code": 0,
        "seconds": 31.2,
        "turns": 3,
    }


def test_json_without_a_check() -> None:
    out = io.StringIO()
    JsonPrinter(out).show(TurnEnded("answer", "yes", 0, Usage()))
    assert json.loads(out.getvalue())["check"] is None


def test_stream_json_is_the_events_without_progress() -> None:
    lines = run("stream-json").splitlines()
    expected = [event for event in events() if not isinstance(event, WorkProgress)]
    assert [from_json(json.loads(line)) for line in lines] == expected
    assert json.loads(lines[0])["type"] == "session_started"


def test_stream_json_with_progress() -> None:
    out = io.StringIO()
    StreamJsonPrinter(out, progress=True).show(WorkProgress("load", 1, 2))
    assert json.loads(out.getvalue()) == {
        "type": "work_progress",
        "stage": "load",
        "done": 1,
        "total": 2,
    }


@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_a_reader_that_leaves_is_noticed(output: str) -> None:
    # The reader is gone before anything is written.
    command = f'"{sys.executable}" "{DRIVE}" {output} | true'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "closed" in done.stderr and "Traceback" not in done.stderr


def test_head_gets_its_line() -> None:
    command = f'"{sys.executable}" "{DRIVE}" stream-json | head -1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["type"] == "session_started"
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_an_error() -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(errno.ENOSPC, f"No space for {len(text)} characters")

    with pytest.raises(IngleError, match="No space"):
        JsonPrinter(Full()).show(TurnEnded("answer", "yes", 0, Usage()))


def test_every_event_and_field_is_documented() -> None:
    sections = re.split(r"^### `(\w+)`$", DOCUMENT.read_text(), flags=re.M)
    documented = {
        name: re.findall(r"^\| `(\w+)` \|", text, flags=re.M)
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    events_expected = {
        name: [field.name for field in dataclasses.fields(kind)] for name, kind in KINDS.items()
    }
    usage = [field.name for field in dataclasses.fields(Usage)]
    out = io.StringIO()
    JsonPrinter(out).show(TurnEnded("answer", "", 0, Usage()))
    expected = {**events_expected, "usage": usage, "result": list(json.loads(out.getvalue()))}
    assert documented == expected
