"""What a person sees of a turn, in a real terminal and in pipes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pyte
import pytest

from agent.events import (
    CallDelta,
    CallMade,
    CallReturned,
    CheckStarted,
    Event,
    ModelReplied,
    Notice,
    SessionStarted,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    WorkProgress,
)
from agent.messages import Usage
from agent.ui.oneshot import OneshotPrinter
from agent.ui.status import Writing
from tests.unit.ui.drive import ANSWER, events

DRIVE = str(Path(__file__).with_name("drive.py"))
COLOUR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM")


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in COLOUR_VARIABLES}
    return {**kept, "TERM": "xterm-256color", **changes}


def terminal(columns: int, part: str = "all", **changes: str) -> tuple[pyte.Screen, str]:
    """The screen after the driver has run in it, and the bytes that went there."""
    child = pexpect.spawn(
        sys.executable,
        [DRIVE, "text", part],
        dimensions=(100, columns),
        env=environment(**changes),  # type: ignore[arg-type]
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    screen = pyte.Screen(columns, 100)
    stream = pyte.Stream(screen)
    stream.feed(child.before or "")
    return screen, child.before or ""


def lines(screen: pyte.Screen) -> list[str]:
    return [line.rstrip() for line in screen.display if line.strip()]


def test_the_screen_at_80_columns() -> None:
    screen, _ = terminal(80)
    assert lines(screen) == [
        "tiny · 32,768 tokens of context",
        "I look at the file first, and then at what the test says about it.",
        "● read stats.py",
        "✗ read stat\\x1b]0;evil\\x07.py",
        "    it does not exist: did you mean stats.py?",
        "✗ $ pytest -q tests/test_stats.py -k mean  exit 1  0.8s",
        *(f"    line {n}" for n in range(4)),
        "    … 29 more lines",
        *(f"    line {n}" for n in range(33, 40)),
        "● edit stats.py  +1 -1",
        "     def mean(xs):",
        "    -    return sum(xs) / (len(xs) - 1)  # 平均値をここで計算しているので注意",
        "    +    return sum(xs) / len(xs)",
        "! the context is 80% full, older results are folded away from now on",
        "✗ a call that cannot be read",
        "    the JSON ends inside a string",
        "✓ check pytest -q: passed in 0.9s",
        "The mean divided by one too few, and so it was too large.",
        "It divides by `n` now.",
        "done in 31.2s · check passed · 3 model turns · 812 new + 0 reused prompt tokens",
        "290 generated · 14.1 tok/s · 1 file changed",
        "open",
    ]


def test_the_screen_at_40_columns() -> None:
    shown = lines(terminal(40)[0])
    assert shown[1:3] == ["I look at the file first, and then at", "what the test says about it."]
    assert "✗ $ pytest -q tests/test_…  exit 1  0.8s" in shown
    start = shown.index("     def mean(xs):")
    assert shown[start + 1 : start + 4] == [
        "    -    return sum(xs) / (len(xs) - 1)",
        "      # 平均値をここで計算しているので注",
        "     意",
    ]
    assert shown[-6:-1] == [
        "done in 31.2s · check passed",
        "3 model turns",
        "812 new + 0 reused prompt tokens",
        "290 generated · 14.1 tok/s",
        "1 file changed",
    ]


def test_colours_on_the_screen() -> None:
    screen, _ = terminal(80)
    at = {line.strip(): n for n, line in enumerate(screen.display)}

    def colour(text: str, column: int) -> str:
        return str(screen.buffer[at[text]][column].fg)

    assert colour("+    return sum(xs) / len(xs)", 4) == "green"
    assert colour("● read stats.py", 0) == "green"
    assert colour("✗ a call that cannot be read", 4) == "red"
    assert colour("It divides by `n` now.", 0) == "default"


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ("start", "reading … 812 of 1,630 tokens"),
        ("work", "editing stats.py … 2 lines"),
        ("thought", "thinking … 1,200 words"),
    ],
)
def test_the_line_about_what_goes_on(part: str, shown: str) -> None:
    assert lines(terminal(80, part)[0])[-1] == shown


def test_no_color_has_a_cursor_and_no_colours() -> None:
    _, raw = terminal(80, NO_COLOR="1")
    assert set(re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]", raw)) == {"\x1b[2K"}


def test_a_dumb_terminal_gets_text_only() -> None:
    _, raw = terminal(80, TERM="dumb")
    assert "\x1b" not in raw and "\r" not in raw.replace("\r\n", "\n")


def run(**changes: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, DRIVE, "text"], capture_output=True, env=environment(**changes), check=True
    )
    return done.stdout.decode(), done.stderr.decode()


def test_pipes_get_text_only_and_stdout_only_the_answer() -> None:
    stdout, stderr = run()
    assert stdout == ANSWER + "\n"
    assert "\x1b" not in stderr and "\r" not in stderr
    # Text and calls are apart by an empty line.
    assert "about it.\n\n● read stats.py\n✗ read" in stderr and "reading" not in stderr
    assert "I look at the file first, and then at what the test says about it.\n" in stderr


def test_force_color_colours_a_pipe_and_moves_no_cursor() -> None:
    _, stderr = run(FORCE_COLOR="1")
    codes = set(re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]", stderr))
    assert "\x1b[32m" in codes and all(code.endswith("m") for code in codes)
    assert "\x1b" not in run(FORCE_COLOR="1", NO_COLOR="1")[1]


def test_one_place_gets_the_answer_once() -> None:
    done = subprocess.run(
        [sys.executable, DRIVE, "text"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        check=True,
    )
    assert done.stdout.decode().count("It divides by `n` now.") == 1


def test_a_locale_without_the_character() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    OneshotPrinter(out, io.StringIO(), environment={}).show(TurnEnded("answer", "é", 0, Usage()))
    assert raw.getvalue() == b"\\xe9\n"


def test_both_streams_closed_early_are_no_crash() -> None:
    command = f'"{sys.executable}" "{DRIVE}" text 2>&1 | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=environment(), check=False
    )
    assert b"Traceback" not in done.stdout + done.stderr


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def printer(clock: Clock) -> tuple[OneshotPrinter, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return OneshotPrinter(out, err, environment={}, clock=clock), out, err


def test_the_memory_plan_is_said_in_place_of_the_context() -> None:
    shown, _, err = printer(Clock())
    plan = "ti\x1bny: 4,096 tokens, KV f16 5.4 GiB + weights 17.1 GiB of 30.0 GiB memory"
    shown.show(SessionStarted("id", "/w", "tiny", 4096, 1e9, "0.1.0", plan=plan))
    assert err.getvalue() == plan.replace("\x1b", "\\x1b") + "\n"


def test_a_log_says_now_and_then_how_far_it_is() -> None:
    clock = Clock()
    shown, _, err = printer(clock)
    for done in range(0, 3000, 100):
        shown.show(WorkProgress("prefill", done, 3000))
        clock.now += 1
    assert err.getvalue().splitlines() == [
        "reading … 1,000 of 3,000 tokens · 100 tok/s · 20s left",
        "reading … 2,000 of 3,000 tokens · 100 tok/s · 10s left",
    ]


def test_a_log_says_now_and_then_that_the_model_thinks() -> None:
    clock = Clock()
    shown, out, err = printer(clock)
    for piece in ["Secret", " pla", "n.", "\n"] * 6:
        shown.show(ThinkingDelta(piece))
        clock.now += 1
    shown.show(TextDelta("Yes."))
    shown.show(ModelReplied("Yes.", (1,), "end", Usage()))
    shown.show(TurnEnded("answer", "Yes.", 0, Usage()))
    assert err.getvalue().splitlines()[:5] == [
        "thinking … 6 words",
        "thinking … 11 words",
        "thought for 24.0s · 12 words",
        "",
        "Yes.",
    ]
    assert out.getvalue() == "Yes.\n"


def test_a_thinking_shows_at_once_in_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    err = Terminal()
    shown = OneshotPrinter(io.StringIO(), err, environment={"TERM": "x"}, clock=Clock())
    shown.show(WorkProgress("prefill", 1, 1))
    shown.show(ThinkingDelta("Hm"))
    assert err.getvalue().endswith("\r\x1b[2K\x1b[2mthinking … 1 word\x1b[0m")


def test_a_thinking_that_ends_in_silence_is_told() -> None:
    for after in (Notice("x"), ModelReplied("", (1,), "length", Usage()), None):
        shown, out, err = printer(Clock())
        shown.show(ThinkingDelta("Hm"))
        if after:
            shown.show(after)
        shown.close()
        assert err.getvalue().startswith("thought for 0.0s · 1 word\n") and not out.getvalue()
        assert "Hm" not in err.getvalue()


def test_two_thoughts_are_counted_apart() -> None:
    shown, _, err = printer(Clock())
    for _ in range(2):
        shown.show(ThinkingDelta("Hm hm"))
        shown.show(ModelReplied("", (1,), "end", Usage()))
    assert err.getvalue() == "thought for 0.0s · 2 words\n" * 2


def test_an_answer_that_was_not_streamed_is_printed() -> None:
    shown, out, _ = printer(Clock())
    shown.show(TextDelta("something else"))
    shown.show(TurnEnded("answer", "the \x1b answer\n", 0, Usage()))
    assert out.getvalue() == "the \\x1b answer\n"


@pytest.mark.parametrize(
    ("begun", "line"),
    [
        (
            CallMade("c1", "shell", {"command": "make all"}, "json"),
            "✗ $ make all  cut off after 3.0s",
        ),
        (CheckStarted("pytest -q"), "✗ check pytest -q  cut off after 3.0s"),
    ],
)
def test_what_was_running_when_it_ended_is_said(begun: Event, line: str) -> None:
    clock = Clock()
    shown, _, err = printer(clock)
    shown.show(begun)
    clock.now += 3.0
    shown.show(TurnEnded("interrupted", "", 130, Usage(), seconds=3.0))
    assert err.getvalue().startswith(f"{line}\n")


@pytest.mark.parametrize(
    ("stop", "code", "words"),
    [
        ("turns", 53, "stopped: no model turns left after 2.0s"),
        ("interrupted", 130, "interrupted after 2.0s"),
        ("error", 1, "failed after 2.0s"),
        ("check_failed", 1, "the check still fails after 2.0s"),
        ("new\x1breason", 1, "stopped: new\\x1breason after 2.0s"),
    ],
)
def test_the_summary_says_how_it_stopped(stop: str, code: int, words: str) -> None:
    shown, _, err = printer(Clock())
    shown.show(TurnEnded(stop, "", code, Usage(), seconds=2.0))
    assert err.getvalue().startswith(words)


def test_long_diffs_and_output_are_bounded() -> None:
    shown, _, err = printer(Clock())
    diff = "--- a\n+++ b\n@@ -0,0 +1,500 @@\n" + "".join(f"+{n}\n" for n in range(500))
    shown.show(CallMade("1", "write", {"path": "a"}, "raw"))
    shown.show(CallReturned("1", "write", True, "", diff, ("a",)))
    text = err.getvalue().splitlines()
    assert text[0] == "● write a  +500 -0" and text[-1] == "    … 440 more lines"
    assert len(text) == 62


def test_pause_ends_the_line_for_a_question() -> None:
    shown, _, err = printer(Clock())
    shown.show(TextDelta("half a line"))
    shown.pause()
    shown.close()
    assert err.getvalue() == "half a line\n"


def test_every_event_can_be_shown_alone() -> None:
    for event in events():
        shown, _, _ = printer(Clock())
        shown.show(event)
        shown.close()


def test_a_plan_is_one_line_while_it_is_written() -> None:
    assert Writing().describe(CallDelta("blueprint", "", '{"files": [')) == "planning the files …"
