"""`agent do --input stream-json`: another program drives a session of the real command."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.driving import Program

WRITE = 'call("write", path="a.txt", content="one\\n")'
ASK = ("--approval", "ask")


def test_a_full_round(tmp_path: Path) -> None:
    script = f"""
def second(prompt):
    assert "the user said no: use b.txt" in prompt, prompt
    return "I will not."
LINES = [{WRITE}, second, gated(FIFO, "One, two, ", "three."), "never"]
"""
    with Program(tmp_path, script, *ASK) as program:
        program.send("prompt", id="first", text="Write a.txt")
        asked = program.until("approval_asked")
        assert asked["tool"] == "write" and "+one" in asked["diff"]
        program.send("approval", id=asked["id"], answer="no", reason="use b.txt")
        assert program.until("approval_given")["reason"] == "use b.txt"
        assert program.until("turn_ended")["answer"] == "I will not."
        program.send("prompt", id="second", text="Count to three")
        program.until("text_delta", text=" two")
        program.send("interrupt")
        said = program.until("model_replied")
        assert said["reason"] == "interrupted" and said["text"].startswith("One, two")
        assert program.until("turn_ended")["stop"] == "interrupted"
        program.send("end")
        code, said = program.rest(end=False)
    assert code == 130 and said == "", said
    assert [e["id"] for e in program.all("prompt_began")] == ["first", "second"]
    assert not (tmp_path / "work/a.txt").exists()
    last = program.seen[-1]
    assert (last["type"], last["stop"], last["turns"]) == ("session_ended", "end", 2)
    assert last["session"] == program.seen[0]["session"]


@pytest.mark.parametrize("answer", ["once", "session", "always"])
def test_a_yes_lets_the_call_run(tmp_path: Path, answer: str) -> None:
    again = 'call("write", path="a.txt", content="two\\n")'
    with Program(tmp_path, f"LINES = [{WRITE}, {again}, 'Done.']", *ASK) as program:
        program.send("prompt", text="Write a.txt")
        program.send("end")
        program.send("approval", id=program.until("approval_asked")["id"], answer=answer)
        if answer == "once":
            asked = program.until("approval_asked")
            program.send("approval", id=asked["id"], answer="once")
        code, said = program.rest(end=False)
    assert (code, said) == (0, "")
    assert (tmp_path / "work/a.txt").read_text() == "two\n"
    assert len(program.all("approval_asked")) == (2 if answer == "once" else 1)
    kept = tmp_path / "CONFIG/ingle"
    assert kept.exists() == (answer == "always")


def test_what_is_queued_is_done_in_order_and_the_end_of_input_ends_it(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = ['One.', 'Two.', 'Three.']", "Zero") as program:
        for number in ("a", "b"):
            program.send("prompt", id=number, text=f"Say {number}")
        code, said = program.rest()
    assert (code, said) == (0, "")
    assert [e["answer"] for e in program.all("turn_ended")] == ["One.", "Two.", "Three."]
    assert [e["id"] for e in program.all("prompt_began")] == ["", "a", "b"]
    assert [e["text"] for e in program.all("task_given")] == ["Zero", "Say a", "Say b"]


def test_steering_ends_the_turn_and_goes_before_the_queue(tmp_path: Path) -> None:
    script = "LINES = [gated(FIFO, 'One, two, ', 'three.'), 'Steered.', 'Queued.']"
    with Program(tmp_path, script) as program:
        program.send("prompt", id="1", text="Begin")
        program.until("text_delta", text=" two")
        program.send("prompt", id="2", text="Later")
        program.send("steer", id="3", text="No, this")
        code, _ = program.rest()
    assert code == 0
    assert [e["id"] for e in program.all("prompt_began")] == ["1", "3", "2"]
    assert [e["stop"] for e in program.all("turn_ended")] == ["interrupted", "answer", "answer"]
    said = [e["text"] for e in program.all("model_replied")]
    assert said[0].startswith("One, two") and said[1:] == ["Steered.", "Queued."]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello", "no JSON"),
        (b"[1]", "no JSON object but list"),
        (b"{}", "no 'type'"),
        (b'{"type": 3}', "no type '3'"),
        (b'{"type": "promt", "text": "x"}', "did you mean prompt?"),
        (b'{"type": "prompt"}', "prompt needs 'text'"),
        (b'{"type": "prompt", "text": "  "}', "'text' is empty"),
        (b'{"type": "prompt", "text": 3}', "'text' is no text"),
        (b'{"type": "prompt", "text": "x", "file": "a"}', "prompt has no 'file'"),
        (b'{"type": "prompt", "text": "x", "files": "a"}', "no list of paths"),
        (b'{"type": "prompt", "text": "a\\u0000b"}', "NUL"),
        (b'{"type": "prompt", "text": "\\ud800"}', "surrogate"),
        (b'{"type": "prompt", "text": "\xff"}', "no UTF-8"),
        (b'{"type": "approval", "id": "x", "answer": "yes"}', "one of once, session"),
        (b'{"type": "approval", "id": "x", "answer": "once"}', "nothing is asked with the id 'x'"),
        (b'{"type": "interrupt", "now": true}', "interrupt has no 'now': it has only a type"),
        (b"[" * 100_000, "no JSON"),
        (b"x" * (17 << 20), "longer than 16 MiB"),
    ],
)
def test_a_bad_line_is_named_and_the_session_goes_on(
    tmp_path: Path, line: bytes, says: str
) -> None:
    with Program(tmp_path, "LINES = ['Hello.']") as program:
        program.raw(b"\n" + line + b"\n")
        program.send("prompt", text="hello")
        code, said = program.rest()
    errors = program.all("error")
    assert len(errors) == 1 and says in errors[0]["text"] and errors[0]["line"] == 2, errors
    assert (code, said) == (0, "")
    assert program.all("turn_ended")[0]["answer"] == "Hello."


def test_only_bad_lines_are_a_wrong_use(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = []") as program:
        program.raw(b"do it\n")
        code, _ = program.rest()
    assert code == 2
    assert program.seen[-1]["exit_code"] == 2


def test_nothing_may_come_behind_the_end_but_answers(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = [gated(FIFO, 'One, two, ', 'three.')]") as program:
        program.send("prompt", text="Begin")
        program.until("text_delta", text=" two")
        program.send("end")
        program.send("prompt", text="More")
        assert "the session ends" in program.until("error")["text"]
        program.go()
        code, _ = program.rest(end=False)
    assert code == 0
    assert len(program.all("turn_ended")) == 1


@pytest.mark.parametrize("asked", [False, True])
def test_nobody_is_left_to_approve_when_the_input_has_ended(tmp_path: Path, asked: bool) -> None:
    script = f"""
def second(prompt):
    assert "nobody is there to approve it" in prompt, prompt
    return "No."
LINES = [{WRITE}, second]
"""
    with Program(tmp_path, script, *ASK) as program:
        program.send("prompt", text="Write a.txt")
        if asked:
            program.until("approval_asked")
        program.rest()
    assert [e["kind"] for e in program.all("approval_given")] == ["no"]
    assert not (tmp_path / "work/a.txt").exists()


def test_the_window_is_folded_on_demand(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = ['Hello.', 'Notes: nothing.']") as program:
        program.send("prompt", text="hello")
        program.send("compact", focus="names")
        code, said = program.rest()
    assert (code, said) == (0, "")
    assert [e["text"] for e in program.all("notice")] == ["nothing can be folded yet"]


@pytest.mark.parametrize("stage", ["idle", "decode", "approval"])
def test_sigterm_gives_a_result(tmp_path: Path, stage: str) -> None:
    lines = {"decode": "gated(FIFO, 'One, two, ', 'three.')", "approval": WRITE, "idle": "'x'"}
    with Program(tmp_path, f"LINES = [{lines[stage]}]", *ASK) as program:
        program.until("session_started")
        if stage != "idle":
            program.send("prompt", text="Begin")
            program.until({"decode": "text_delta", "approval": "approval_asked"}[stage])
        program.process.send_signal(signal.SIGTERM)
        code, said = program.rest(end=False)
    assert code == 130 and said == ""
    last = program.seen[-1]
    assert (last["type"], last["stop"], last["exit_code"]) == ("session_ended", "signal", 130)
    stops = [e["stop"] for e in program.all("turn_ended")]
    assert stops == ([] if stage == "idle" else ["interrupted"])
    assert not (tmp_path / "work/a.txt").exists()


def test_a_reader_that_leaves_ends_the_session(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = [gated(FIFO, 'One, two, ', 'three, ', 'four.')]") as program:
        program.send("prompt", text="Begin")
        program.until("text_delta")
        assert program.process.stdout is not None
        program.process.stdout.close()
        program.process.stdout = None
        program.go()
        code, said = program.rest(end=False)
    assert code == 130 and said == ""
    log = program.command.events()
    assert log[-1]["type"] == "turn_ended" and log[-1]["stop"] == "interrupted"


def test_an_error_of_a_turn_does_not_end_the_session(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = ['Hello.']") as program:
        program.send("prompt", id="1", text="look", files=["missing.txt"])
        assert "missing.txt" in program.until("error")["text"]
        program.send("prompt", id="2", text="hello")
        code, _ = program.rest()
    assert code == 0
    assert program.all("turn_ended")[-1]["answer"] == "Hello."


def test_a_session_goes_on_in_another_process(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = ['Hello.']") as program:
        program.send("prompt", text="hello")
        program.rest()
    script = """
def again(prompt):
    assert "hello" in prompt and "Hello." in prompt, prompt
    return "Again."
LINES = [again]
"""
    with Program(tmp_path, script, "--continue") as again:
        again.send("prompt", text="and again")
        code, said = again.rest()
    assert code == 0, said
    assert again.seen[-1]["session"] == program.seen[-1]["session"]
    assert again.all("turn_ended")[0]["answer"] == "Again."


def test_budgets_hold_for_each_prompt(tmp_path: Path) -> None:
    calls = ", ".join(['call("read", path="a.txt")'] * 2)
    with Program(tmp_path, f"LINES = [{calls}, 'Done.']", "--max-turns", "1") as program:
        (tmp_path / "work/a.txt").write_text("one\n")
        program.send("prompt", text="Read")
        program.send("prompt", text="Read")
        code, _ = program.rest()
    assert [e["stop"] for e in program.all("turn_ended")] == ["turns", "turns"]
    assert code == 53


def test_it_has_to_answer_in_the_same_form(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = []", "--output", "json") as program:
        code, said = program.rest()
    assert code == 2 and "--output stream-json" in said


def test_it_annotates_nothing(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = []", "--annotations", "github") as program:
        code, said = program.rest()
    assert code == 2 and "--annotations github is for one task" in said


def test_everything_on_stdout_is_ascii_json(tmp_path: Path) -> None:
    with Program(tmp_path, "LINES = ['\\x1b[2J\\u2028é']") as program:
        program.send("prompt", text="hello")
        assert program.process.stdin is not None
        program.process.stdin.close()
        program.process.stdin = None
        out, err = program.process.communicate()
    assert out.isascii() and b"\x1b" not in out and err == b""
    assert all(isinstance(json.loads(line), dict) for line in out.splitlines())
