"""Text of models, tools, files and servers that would take the user's terminal over.

The control is a terminal that is told the raw text: its title changes, or its cells do.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pyte
import pytest

from agent.approval import ApprovalRequest
from agent.cli.asking import question_text
from agent.cli.diff import painted
from agent.events import (
    CallDelta,
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    CheckStarted,
    Event,
    ModelReplied,
    Notice,
    SessionStarted,
    SessionTitled,
    Summarised,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    WorkProgress,
)
from agent.messages import Usage
from agent.ui.oneshot import OneshotPrinter
from agent.ui.repl.paint import Painter
from agent.ui.repl.view import View
from agent.ui.terminal import Output
from agent.ui.transcript import transcript

TITLE = "\x1b]2;owned\x07"
ATTACKS = {
    "title": TITLE,
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "tmux": f"\x1bPtmux;\x1b{TITLE}\x1b\\",
    "iterm": "\x1b]1337;File=name=eA==;inline=1:AAAA\x07",
    "c1": "\x9d2;owned\x07\x9b2J",
    "keys": "\x1b[?1000h\x1bc\x1b[21t",
    "clear": "\x1b[2J\x1b[H",
    "overwrite": "rm -rf ~\rls      ",
    "erase": "rm\x08\x08ls",
    "direction": "\u202egnp.exe\u2066",
    "hidden": "a\u200bb\U000e0041\ufeff",
    "separator": "x\u2028y\u2029z\x85",
}
# Everything that is no visible character, but for the line ends that we print ourselves.
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e0fff]"
)


def everywhere(evil: str) -> list[Event]:
    """A turn in which each text that somebody else writes is the evil one."""
    half = len(evil) // 2
    usage = Usage()
    given: dict[str, Any] = {"path": evil, "command": evil, evil: evil}
    return [
        SessionStarted("s", evil, evil, 100, 0.0, "1", plan=evil),
        SessionTitled(evil),
        TaskGiven(evil, (evil,)),
        WorkProgress(evil, 1, 2),
        ThinkingDelta(evil[:half]),
        ThinkingDelta(evil[half:] + "\n"),
        TextDelta(evil[:half]),
        TextDelta(evil[half:] + "\n\n```" + evil + "\n" + evil + "\n```\n\n| " + evil + " |\n"),
        CallDelta(evil, evil, evil),
        ModelReplied(evil, (), "stop", usage),
        CallMade("1", evil, given, "json"),
        CallReturned("1", evil, True, evil, f"--- a/{evil}\n+++ b/{evil}\n@@ -1 +1 @@ {evil}\n"
                     f"-{evil}\n+{evil}\n", (evil,), 0),
        CallMade("2", "shell", given, "json"),
        CallReturned("2", "shell", False, evil, "", (), 1),
        CallRejected(evil, evil),
        CheckStarted(evil),
        CheckEnded(evil, False, 1, evil, 0.1),
        Notice(evil),
        Summarised(evil, evil),
        TurnEnded("answer", evil, 0, usage, (evil,), True, 0.1, 1),
    ]  # fmt: skip


def oneshot(evil: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    printer = OneshotPrinter(out, err, environment={"TERM": "dumb"})
    for event in everywhere(evil):
        printer.show(event)
    printer.close()
    return out.getvalue() + err.getvalue()


def repl(evil: str) -> str:
    view = View(Painter(80, colour=False), lambda: 0.0, hint_keys=False)
    for event in everywhere(evil):
        view.show(event)
    while view.unfold():
        pass
    return "\n".join(view.take())


def shown_again(evil: str) -> str:
    return "\n".join(transcript(everywhere(evil)))


def asked(evil: str) -> str:
    diff = f"--- a/{evil}\n+++ b/{evil}\n@@ -1 +1 @@ {evil}\n-{evil}\n+{evil}\n"
    return question_text(ApprovalRequest(evil, evil, evil, diff, evil, evil, evil, evil))


def diffed(evil: str) -> str:
    lines = [f"diff --git a/{evil} b/{evil}", f"--- a/{evil}", f"@@ {evil}", f"+{evil}", f"-{evil}"]
    return "\n".join(painted(lines, Output(io.StringIO(), {"TERM": "dumb"})))


def screen_of(text: str) -> pyte.Screen:
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(text)
    return screen


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("place", [oneshot, repl, shown_again, asked, diffed])
def test_nothing_that_others_write_commands_the_terminal(
    place: Callable[[str], str], name: str
) -> None:
    evil = ATTACKS[name]
    assert FORBIDDEN.search(evil), "the raw text would"
    shown = place(f"before {evil} after")
    assert "before" in shown and "after" in shown
    assert not FORBIDDEN.search(shown), FORBIDDEN.search(shown)


@pytest.mark.parametrize("place", [oneshot, repl, shown_again, asked, diffed])
def test_the_title_of_the_terminal_stays(place: Callable[[str], str]) -> None:
    assert screen_of(f"x {TITLE}").title == "owned"
    assert screen_of(place(f"x {TITLE}")).title == ""
