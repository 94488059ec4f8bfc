"""The REPL in a terminal, as a user sees it, with a model that follows a script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Open

ANSWER = 'LINES = ["The *first* answer.", "The second.", "The third.", "The fourth."]'
SLOW = 'LINES = [gated(FIFO, "It begins.\\n\\nAnd then", " it ends."), "Two.", "Three.", "Four."]'


def events(home: Path) -> list[dict[str, object]]:
    logs = sorted(home.glob("STATE/ingle/sessions/*/events.jsonl"))
    return [json.loads(line) for log in logs for line in log.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_question_is_answered_below_it(terminal: Open, columns: int) -> None:
    seen = terminal(ANSWER, columns=columns)
    seen.line("why?")
    seen.until("done in")
    lines = seen.lines
    asked, answered = lines.index("❯ why?"), lines.index("The first answer.")
    done = next(n for n, line in enumerate(lines) if line.startswith("done in"))
    assert asked < answered < done
    prompt = max(n for n, line in enumerate(lines) if line == "❯")
    assert done < prompt and lines[prompt + 1].startswith("scripted · auto · ctx ")
    assert all(len(line) <= columns for line in lines)
    seen.line("/exit")
    assert seen.ended() == 0
    assert [e["type"] for e in events(seen.home)][-1] in ("turn_ended", "session_titled")


def test_keys_before_the_model_is_there_are_kept_and_the_prompt_waits(terminal: Open) -> None:
    seen = terminal(f"LOAD_GATE = FIFO\n{ANSWER}")
    seen.until("loading")
    seen.line("why?")
    seen.until("⋯ why?")
    seen.send("a draft")
    seen.until("❯ a draft")
    seen.go()
    seen.until("The first answer.")
    seen.until("❯ a draft")


def test_a_queue_of_three_is_answered_in_order(terminal: Open) -> None:
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    for text in ("two?", "three?", "four?"):
        seen.line(text)
    seen.until("⋯ four?")
    seen.go()
    seen.until("Four.")
    whole = seen.whole
    places = [
        whole.index(x) for x in ("it ends.", "❯ two?", "Two.", "❯ three?", "Three.", "❯ four?")
    ]
    assert places == sorted(places)
    assert "⋯" not in seen.text


def test_what_was_queued_last_can_be_taken_back(terminal: Open) -> None:
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    seen.line("two?")
    seen.until("⋯ two?")
    seen.send("\x1b[A")
    seen.until("❯ two?")
    seen.until(lambda: "⋯" not in seen.text)


@pytest.mark.parametrize("key", ["\x1b", "\x03"], ids=["esc", "ctrl-c"])
def test_a_stopped_answer_stays_and_the_next_message_is_answered(terminal: Open, key: str) -> None:
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    seen.send(key)
    seen.until("interrupted after")
    assert "It begins." in seen.text and "And then" in seen.text
    seen.line("two?")
    seen.until("Two.")
    stops = [e["stop"] for e in events(seen.home) if e["type"] == "turn_ended"]
    assert stops == ["interrupted", "answer"]


def test_steering_ends_the_answer_and_goes_first(terminal: Open) -> None:
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    seen.line("later?")
    seen.until("⋯ later?")
    seen.send("now?\x13")
    seen.until("Three.")
    whole = seen.whole
    assert whole.index("interrupted") < whole.index("❯ now?") < whole.index("❯ later?")


def test_esc_ends_a_command_that_runs(terminal: Open) -> None:
    call = {"name": "shell", "arguments": {"command": "echo $$ > pid; exec sleep 600"}}
    tag = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    seen = terminal(f"LINES = [{tag!r}, 'Two.']", "--sandbox", "off")
    seen.line("run it")
    seen.until("● $ echo")
    pid = seen.work / "pid"
    seen.until(lambda: pid.exists() and bool(pid.read_text().strip()))
    seen.send("\x1b")
    seen.until("interrupted after")
    assert "cut off after" in seen.text and "✗ $ echo" in seen.text
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_ctrl_c_while_the_model_loads_leaves(terminal: Open) -> None:
    seen = terminal(f"LOAD_GATE = FIFO\n{ANSWER}")
    seen.send("\x03")
    seen.until("Ctrl-C again leaves")
    seen.send("\x03")
    seen.go()
    assert seen.ended() == 0


def test_ctrl_c_empties_the_prompt_first_and_leaves_then(terminal: Open) -> None:
    seen = terminal(ANSWER)
    seen.send("half a thought")
    seen.until("❯ half a thought")
    seen.send("\x03")
    seen.until(lambda: "half a thought" not in seen.text and "again leaves" in seen.text)
    seen.send("\x03")
    assert seen.ended() == 0


def test_ctrl_d_leaves_and_a_hang_up_ends_in_order(terminal: Open) -> None:
    seen = terminal(ANSWER)
    seen.send("\x04")
    assert seen.ended() == 0
    other = terminal(SLOW)
    other.line("one?")
    other.until("And then")
    other.child.kill(signal.SIGHUP)
    other.ended()
    assert other.child.signalstatus is None
    assert events(other.home)[-1]["stop"] == "interrupted"


def test_an_edit_is_a_card_with_its_diff(terminal: Open) -> None:
    call = {"name": "write", "arguments": {"path": "a.py", "content": "def f():\n    return 1\n"}}
    tag = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    seen = terminal(f"LINES = [{tag!r}, 'Written.']")
    seen.line("write a.py")
    seen.until("done in")
    assert "● write a.py  +2 -0" in seen.text
    assert "    +def f():" in seen.text
    assert "1 file changed" in seen.text
    seen.line("/diff")
    seen.until(lambda: seen.text.count("+def f():") == 2)


def test_approval_shows_the_whole_diff_and_takes_a_no_with_a_reason(terminal: Open) -> None:
    call = {"name": "write", "arguments": {"path": "a.py", "content": "x = '\x1b]0;evil\x07'\n"}}
    tag = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    script = f"LINES = [{tag!r}, 'I see.', {tag!r}, 'Done.']"
    seen = terminal(script, "--approval", "ask")
    seen.line("write a.py")
    seen.until("[n] no, and say why")
    assert "? write wants to run" in seen.text and "because: " in seen.text
    assert "\\x1b]0;evil\\x07" in seen.text and "\x1b]0;evil" not in seen.raw
    seen.send("n")
    seen.until("why not?")
    seen.line("not here")
    seen.until("I see.")
    told = [e for e in events(seen.home) if e["type"] == "call_returned"]
    assert "the user said no: not here" in str(told[0]["text"])
    assert not (seen.work / "a.py").exists()
    seen.line("write a.py")
    seen.until(lambda: seen.text.count("[y] yes, once") == 1)
    seen.send("y")
    seen.until("Done.")
    assert (seen.work / "a.py").exists()


def test_esc_at_a_question_is_no(terminal: Open) -> None:
    call = {"name": "write", "arguments": {"path": "a.py", "content": "x\n"}}
    tag = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    seen = terminal(f"LINES = [{tag!r}, 'After.']", "--approval", "ask")
    seen.line("write a.py")
    seen.until("[y] yes, once")
    seen.send("\x1b")
    seen.until("interrupted after")
    assert not (seen.work / "a.py").exists()


def test_shift_tab_goes_through_the_approval_modes(terminal: Open) -> None:
    seen = terminal(ANSWER)
    for mode in ("scripted · auto", "scripted · never", "scripted · ask", "scripted · auto"):
        seen.until(mode)
        seen.send("\x1b[Z")


def test_a_paste_of_a_megabyte_is_an_attachment(terminal: Open) -> None:
    seen = terminal('LINES = [lambda prompt: str(prompt.count("line of text")) + " seen"]')
    seen.until("scripted · auto")
    seen.paste("line of text\n" * 80_000)
    seen.until("[pasted 80,000 lines]")
    seen.line(" how many?")
    seen.until(" seen")
    assert "❯ [pasted 80,000 lines] how many?" in seen.text
    kept = list(seen.home.glob("STATE/ingle/sessions/*/output/*paste*"))
    assert kept[0].read_text().count("line of text") == 80_000


def test_a_file_behind_an_at_sign_is_completed_and_attached(terminal: Open) -> None:
    seen = terminal('LINES = [lambda prompt: "secret" in prompt and "I know" or "no"]')
    (seen.work / "deep").mkdir()
    (seen.work / "deep" / "knowledge.txt").write_text("the secret is 42\n")
    (seen.work / "photo.png").write_bytes(b"\x89PNG\0")
    (seen.work / "blob.bin").write_bytes(b"\0\1")
    seen.send("@knwl")
    seen.until("deep/knowledge.txt")
    seen.send("\t")
    seen.until("❯ @deep/knowledge.txt")
    seen.line(" what?")
    seen.until("I know")
    for name, why in (
        ("photo.png", "is an image"), ("blob.bin", "is a binary file"), ("no.txt", "not exist"),
    ):  # fmt: skip
        seen.send(f"\x15@{name} ?")
        seen.until(f"❯ @{name} ?")
        seen.send("\r")
        seen.until(why)
        assert f"❯ @{name} ?" in seen.text


def test_a_server_behind_an_at_sign_is_completed(terminal: Open) -> None:
    seen = terminal('LINES = ["ok"]')
    seen.until("· auto")
    seen.send("@cod")
    seen.until("search of the project's code")
    seen.send("\t")
    seen.until("❯ @code-search")


def test_commands_of_the_user_run_in_the_terminal_and_one_is_shown_to_the_model(
    terminal: Open,
) -> None:
    script = 'LINES = [lambda p: f"{int(chr(65) * 3 in p)} and {int(chr(66) * 3 in p)}"]'
    seen = terminal(script)
    seen.line("!printf A%s AA")
    seen.until(lambda: "\nAAA" in seen.text and "❯" in seen.text)
    seen.line("!!printf B%s BB; exit 3")
    seen.until(lambda: "\nexit 3" in seen.text)
    seen.line("what did it say?")
    seen.until("1 and 0")


def test_an_unknown_command_names_the_nearest_and_help_has_all(terminal: Open) -> None:
    seen = terminal(ANSWER, rows=60)
    seen.line("/contxt")
    seen.until("there is no command /contxt: did you mean /context?")
    seen.line("/help")
    seen.until("/exit  ")
    for name in ("model", "clear", "compact", "context", "plan", "resume", "fork", "rewind",
                 "undo", "diff", "check", "mcp", "tools", "permissions", "init", "export", "copy",
                 "stats", "theme"):  # fmt: skip
        assert f"  /{name} " in seen.text
    seen.send("/sta")
    seen.until("Tokens and seconds of this session.\nscripted")


def test_a_session_is_cleared_and_resumed(terminal: Open) -> None:
    seen = terminal('LINES = ["One.", "Two.", lambda p: "yes" if "apple" in p else "no"]')
    seen.line("apple?")
    seen.until("One.")
    seen.line("/clear")
    seen.until("a new session")
    seen.line("pear?")
    seen.until("Two.")
    seen.line("/resume")
    seen.until("/resume ID goes on")
    first = next(line.split()[0] for line in seen.lines if line.endswith("  apple?"))
    assert "another session" not in seen.whole
    seen.line(f"/resume {first}")
    seen.until("goes on")
    seen.line("do you know?")
    seen.until("yes")


def test_a_broken_history_is_set_aside_and_named(tmp_path: Path, terminal: Open) -> None:
    place = tmp_path / "STATE" / "ingle"
    place.mkdir(parents=True)
    (place / "history.jsonl").write_bytes(b'{"text": "good"}\n\xff\xfe broken')
    seen = terminal(ANSWER)
    seen.until("set aside")
    kept = list(place.glob("history.jsonl.broken-*"))
    assert kept[0].read_bytes().endswith(b"broken")
    seen.line("why?")
    seen.until("done in")
    seen.send("\x1b[A")
    seen.until(lambda: seen.text.count("❯ why?") == 2)
    assert json.loads((place / "history.jsonl").read_text())["text"] == "why?"


def test_earlier_prompts_are_searched(terminal: Open) -> None:
    seen = terminal(ANSWER)
    for text in ("alpha?", "beta?"):
        seen.line(text)
    seen.until("The second.")
    seen.send("\x12alp")
    seen.until("search: alp")
    seen.send("\r\r")
    seen.until("The third.")
    assert seen.whole.count("❯ alpha?") == 2


def test_the_draft_has_lines_and_an_editor(terminal: Open, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\necho "from the editor" >> "$1"\n')
    editor.chmod(0o755)
    seen = terminal(ANSWER, environment={"EDITOR": str(editor), "VISUAL": ""})
    seen.until("scripted · auto")
    seen.send("one\x0atwo\x1b\rthree")
    seen.until("❯ one\n  two\n  three")
    seen.send("\x07")
    seen.until("from the editor")
    seen.send("\r")
    seen.until("The first answer.")
    assert "❯ one\n  two\n  three" in seen.text


@pytest.mark.parametrize(("rows", "columns"), [(6, 10), (3, 10), (10, 20)])
def test_the_smallest_terminals(terminal: Open, rows: int, columns: int) -> None:
    seen = terminal(ANSWER, rows=rows, columns=columns)
    seen.line("why?")
    seen.until("scripted")
    seen.until(lambda: "first" in seen.whole and "done" in seen.whole)
    seen.line("/exit")
    assert seen.ended() == 0
    assert "Traceback" not in seen.raw and "too small" not in seen.raw


def test_a_storm_of_resizes(terminal: Open) -> None:
    seen = terminal(SLOW)
    seen.line("one?")
    seen.until("And then")
    for n in range(60):
        seen.resize(5 + n % 30, 8 + (n * 37) % 140)
    seen.resize(24, 80)
    seen.go()
    seen.until("done in")
    assert "it ends." in seen.text
    seen.line("two?")
    seen.until("Two.")


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"TERM": "", "LANG": "C"}], ids=["dumb", "none"]
)
def test_plain_lines_where_nothing_else_is_possible(
    terminal: Open, environment: dict[str, str]
) -> None:
    seen = terminal(ANSWER, environment=environment)
    seen.line("why?")
    seen.until("done in")
    seen.line("/nosuch")
    seen.until("there is no command /nosuch")
    seen.line("/exit")
    assert seen.ended() == 0
    assert "\x1b" not in seen.raw
    assert seen.text.index("The first answer.") < seen.text.index("done in")


def test_plain_by_choice_asks_in_lines(terminal: Open) -> None:
    call = {"name": "write", "arguments": {"path": "a.py", "content": "x = 1\n"}}
    tag = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    seen = terminal(
        f"LINES = [{tag!r}, 'Fine.']", "--plain", "--approval", "ask", environment={"X": "1"}
    )
    seen.line("write a.py")
    seen.until("y: yes, once")
    seen.line("y")
    seen.until("Fine.")
    assert "\x1b" not in seen.raw and (seen.work / "a.py").exists()


def test_no_colour_and_no_utf8(terminal: Open) -> None:
    environment = {"NO_COLOR": "1", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    seen = terminal(SLOW, environment=environment)
    seen.until(">")
    seen.line("one?")
    seen.until("And then")
    seen.go()
    seen.until("done in")
    assert seen.raw.isascii() and "?[" not in seen.text
    import re

    codes = {c for found in re.findall(r"\x1b\[([0-9;]*)m", seen.raw) for c in found.split(";")}
    assert not {c for c in codes if c.isdigit() and 30 <= int(c) <= 107}


def test_without_a_terminal_it_says_what_to_use(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("agent"))], input="hello\n", capture_output=True,
        text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2 and 'agent do "..."' in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
