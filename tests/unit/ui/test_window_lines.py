"""What is done to the window is one line, wherever a session is shown."""

from __future__ import annotations

import io

from agent.events import Folded, Summarised, TaskGiven
from agent.ui.oneshot import OneshotPrinter
from agent.ui.repl.paint import Painter
from agent.ui.repl.view import View
from agent.ui.transcript import transcript

FOLD = Folded(900, 5000, 1200, 300, "full", ("u1",))
NOTES = Summarised("state: half done\x1b[31m", seconds=2.0)
REFUSED = Summarised("", "it names no file\nat all")
LINES = [
    "folded 5,000 tokens to 1,200: the window was full",
    "noted where the work stands in 2.0s",
    "notes on the work so far were not taken: it names no file at all",
]


def test_in_the_repl() -> None:
    view = View(Painter(colour=False), lambda: 0.0)
    for event in (FOLD, NOTES, REFUSED):
        view.show(event)
    assert view.take() == LINES
    assert view.unfold()
    assert any("half done" in line for line in view.take())


def test_in_one_shot() -> None:
    out, error = io.StringIO(), io.StringIO()
    printer = OneshotPrinter(out, error, environment={})
    for event in (FOLD, NOTES, REFUSED):
        printer.show(event)
    assert error.getvalue().splitlines() == LINES and out.getvalue() == ""


def test_in_a_transcript_with_the_notes() -> None:
    text = "\n".join(transcript([TaskGiven("go"), FOLD, NOTES, REFUSED]))
    assert all(f"! {line}" in text for line in LINES)
    assert "    state: half done" in text and "\x1b" not in text
