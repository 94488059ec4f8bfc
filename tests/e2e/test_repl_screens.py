"""Whole screens at three widths, compared with those in tests/e2e/screens.

`UPDATE_SCREENS=1` writes them anew: look at the difference.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Open

SCREENS = Path(__file__).with_name("screens")
TEXT = """# A heading

Some **bold** words and a line that is long enough to be broken at each of the three widths, twice.

- one item
- `code` in another

| a | b |
|---|---|
| 1 | 2 |
"""
FILE = "def f():\n    return 'a text that is long enough to be broken in a narrow terminal'\n"
WRITE = {"name": "write", "arguments": {"path": "a.py", "content": FILE}}
SHELL = {"name": "shell", "arguments": {"command": "seq 40; exit 3"}}


def tag(call: object) -> str:
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


def still(text: str) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"\b\d+\.\d+s\b", "1.0s", text)
    text = re.sub(r"(\+\d+ -\d+)  1.0s", r"\1", text)
    text = re.sub(r" · reuse \d+%| · [\d.]+ tok/s", "", text)
    text = re.sub(r"in:\s+\S+(\n +\S+)*?(?=\n +because)", "in: FOLDER", text)
    return "\n".join(line.rstrip() for line in text.split("\n")) + "\n"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_screens(terminal: Open, columns: int) -> None:
    lines = [TEXT, tag(WRITE), "Written.", tag(SHELL), "It ended with 3."]
    seen = terminal(
        f"LINES = {lines!r}", "--approval", "ask", "--sandbox", "off", columns=columns, rows=70
    )
    seen.until("scripted · ask")
    shots = []
    seen.line("show me text")
    seen.until("done in")
    seen.line("write a.py")
    seen.until("[n] no")
    shots.append(seen.text)
    seen.send("s")
    seen.until(lambda: seen.whole.count("done in") == 2)
    seen.line("run it")
    seen.until(lambda: seen.text.count("[n] no") == 1)
    seen.send("y")
    seen.until(lambda: seen.whole.count("done in") == 3)
    seen.line("/diff")
    seen.until(lambda: seen.whole.count("+def f") == 3)
    seen.send("/c")
    # The row of the status is drawn last.
    seen.until(lambda: "/context" in seen.text and "ctx" in seen.text.rstrip().split("\n")[-1])
    shots.append(seen.whole)
    shown = still("\n=====\n".join(shots))
    assert all(len(line) <= columns for line in shown.split("\n"))
    place = SCREENS / f"{columns}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        place.write_text(shown, "utf-8")
    assert shown == place.read_text("utf-8")
