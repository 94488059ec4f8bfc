"""The commands of the REPL that work on the session, in a terminal."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Open
from tests.e2e.terminal import Terminal


def write(path: str, text: str) -> str:
    call = {"name": "write", "arguments": {"path": path, "content": text}}
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


PEAR, PLUM = write("a.txt", "pear\n"), write("b.txt", "plum\n")
TWO_TURNS = f"""LINES = [
    {PEAR!r}, "One.", {PLUM!r}, "Two.",
    lambda p: f"{{int('pear' in p)}} and {{int('plum' in p)}}", "Last."
]"""


def two_turns(terminal: Open, *arguments: str, rows: int = 40) -> Terminal:
    seen = terminal(TWO_TURNS, *arguments, rows=rows)
    seen.line("first")
    seen.until("One.")
    seen.until(lambda: seen.text.count("2 model turns") == 1)
    seen.line("second")
    seen.until("Two.")
    seen.until(lambda: seen.text.count("2 model turns") == 2)
    return seen


def logs(home: Path) -> list[list[dict[str, object]]]:
    found = sorted(home.glob("STATE/ingle/sessions/*/events.jsonl"))
    return [[json.loads(line) for line in log.read_text("utf-8").splitlines()] for log in found]


def test_undo_takes_files_and_words_back_and_redo_brings_them_back(terminal: Open) -> None:
    seen = two_turns(terminal)
    assert (seen.work / "b.txt").exists()
    seen.line("/undo")
    seen.until("1 turn taken back, 1 file restored: b.txt")
    assert (seen.work / "a.txt").exists() and not (seen.work / "b.txt").exists()
    seen.line("/undo --redo")
    seen.until("1 turn brought back")
    assert (seen.work / "b.txt").read_text() == "plum\n"
    seen.line("/undo 3")
    seen.until("there are 2 turns to take back, not 3")
    seen.line("/undo x")
    seen.until("'x' is no number")
    seen.line("/undo")
    seen.until(lambda: seen.text.count("1 turn taken back") == 2)
    seen.line("what is there?")
    seen.until("1 and 0")


def test_everything_can_be_taken_back(terminal: Open) -> None:
    seen = two_turns(terminal)
    seen.line("/undo 2")
    seen.until("2 turns taken back, 2 files restored")
    assert list(seen.work.iterdir()) == []
    seen.line("what is there?")
    seen.until("0 and 0")


def test_undo_overwrites_what_somebody_else_changed_only_when_told_to(terminal: Open) -> None:
    seen = two_turns(terminal)
    (seen.work / "b.txt").write_text("mine\n")
    seen.line("/undo")
    seen.until("changed since by somebody else: b.txt")
    assert (seen.work / "b.txt").read_text() == "mine\n"
    seen.line("/undo --force")
    seen.until("1 turn taken back")
    assert not (seen.work / "b.txt").exists()


def test_rewind_goes_to_before_a_message_and_gives_it_back(terminal: Open) -> None:
    seen = two_turns(terminal)
    seen.line("/rewind")
    seen.until("/rewind N goes back")
    assert "    1  first" in seen.text and "    2  second" in seen.text
    seen.line("/rewind 7")
    seen.until("there is no message 7: the last one is 2")
    seen.line("/rewind 1")
    seen.until("2 turns taken back, 2 files restored")
    seen.until(lambda: [line for line in seen.lines if line.startswith("❯")][-1] == "❯ first")
    assert list(seen.work.iterdir()) == []


def test_diff_shows_the_last_change_or_that_of_a_turn(terminal: Open) -> None:
    seen = two_turns(terminal)
    before = seen.text.count("plum"), seen.text.count("pear")
    seen.line("/diff")
    seen.until(lambda: seen.text.count("plum") == before[0] + 1)
    assert seen.text.count("pear") == before[1]
    seen.line("/diff 1")
    seen.until(lambda: seen.text.count("pear") == before[1] + 1)
    seen.line("/diff 3")
    seen.until("there is no turn 3: the last one is 2")


def test_fork_goes_on_with_a_copy(terminal: Open) -> None:
    seen = two_turns(terminal)
    seen.line("/fork")
    seen.until(", a copy of session")
    seen.line("what is there?")
    seen.until("1 and 1")
    # Ids of one second have no order.
    original, copy = sorted(logs(seen.home), key=lambda log: bool(log[0]["forked_from"]))
    assert copy[0]["forked_from"] == original[0]["session"] and copy[0]["forked_at"] == 2
    assert "what is there?" not in json.dumps(original)
    seen.line(f"/fork {original[0]['session']} 1")
    seen.until(lambda: seen.text.count(", a copy of session") == 2)
    assert len(logs(seen.home)) == 3


@pytest.mark.parametrize(
    ("name", "begins"), [("", "# "), ("x.html", "<!doctype"), ("x.jsonl", '{"type"')]
)
def test_export_by_suffix_without_secrets(terminal: Open, name: str, begins: str) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    seen = terminal('LINES = ["An answer."]', columns=160)
    seen.line(f"my token is {token}")
    seen.until("done in")
    seen.line(f"/export {name}".rstrip())
    seen.until("written to")
    (path,) = seen.work.iterdir()
    text = path.read_text("utf-8")
    assert text.lower().startswith(begins) and "An answer." in text and token not in text
    seen.line(f"/export {path.name}")
    seen.until("cannot write")
    seen.line("/export x.pdf")
    seen.until("the name says what is written")


def test_context_is_a_picture_of_the_window(terminal: Open) -> None:
    seen = two_turns(terminal)
    seen.line("/context")
    seen.until("of 8,192 tokens")
    for kind in ("system", "tools", "user", "call", "result", "text", "free"):
        assert any(kind in line.split() for line in seen.lines), kind
    assert "█" in seen.text


def test_compact_folds_or_says_why_not(terminal: Open) -> None:
    seen = terminal('LINES = ["One.", "Two.", "Three."]')
    seen.line("hello")
    seen.until("One.")
    seen.line("/compact the colours")
    seen.until("nothing can be folded yet")


def test_stats_permissions_plan_and_tools(terminal: Open) -> None:
    seen = two_turns(terminal, "--approval", "auto", rows=60)
    seen.line("/stats")
    seen.until("seconds, in all")
    assert "turns, tool calls      2, 2" in seen.text
    seen.line("/stats json")
    seen.until('{"turns": 2, "calls": 2')
    seen.line("/permissions")
    seen.until("approval   auto")
    assert "folder     not trusted" in seen.text and "sandbox    workspace" in seen.text
    seen.line("/plan")
    seen.until("there is no plan")
    seen.line("/tools")
    seen.until("  shell")


def test_permissions_show_what_was_granted(terminal: Open) -> None:
    seen = terminal(f"LINES = [{write('a.txt', 'x')!r}, 'One.']", "--approval", "ask")
    seen.line("write it")
    seen.until("[s]")
    seen.send("s")
    seen.until("One.")
    seen.line("/permissions")
    seen.until("granted since the start")
    assert "allow  write(a.txt)" in seen.text


def test_mcp_lists_servers_and_how_they_stand(terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "CONFIG/ingle").mkdir(parents=True)
    servers = {
        "broken": {"command": sys.executable, "args": ["-c", "raise SystemExit('no luck')"]},
        "off": {"command": "true", "disabled": True},
        "bad": {},
    }
    (tmp_path / "CONFIG/ingle/mcp.json").write_text(json.dumps({"mcpServers": servers}))
    seen = terminal('LINES = ["One."]', columns=120)
    seen.until("scripted · auto")  # from here on nobody is asked about the folder
    (seen.work / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"theirs": {"command": "true"}}})
    )
    seen.line("/mcp")
    seen.until("theirs")
    text = " ".join(seen.text.split())
    assert "off user disabled" in text and "bad user it needs either a command or a url" in text
    assert "theirs project" in text and "broken user" in text


def test_hooks_of_the_user_stop_a_call_and_hear_of_others(terminal: Open, tmp_path: Path) -> None:
    before = (
        "import json,sys; d=json.load(sys.stdin); "
        "print(json.dumps({'allow': d['arguments'].get('path') != 'a.txt', 'reason': 'not a.txt'}))"
    )
    after = "import sys; open('heard', 'a').write(sys.stdin.read() + chr(10)); print('garbage')"
    lines = {
        name: [shlex.join([sys.executable, "-c", code])]
        for name, code in (("before_tool", before), ("after_tool", after))
    }
    (tmp_path / "CONFIG/ingle").mkdir(parents=True)
    (tmp_path / "CONFIG/ingle/config.toml").write_text(
        "[hooks]\n" + "".join(f"{name} = {json.dumps(line)}\n" for name, line in lines.items())
    )
    seen = two_turns(terminal)
    assert not (seen.work / "a.txt").exists() and (seen.work / "b.txt").exists()
    told = [e for e in logs(seen.home)[0] if e["type"] == "call_returned"]
    assert "a hook of the user stopped it: not a.txt" in str(told[0]["text"]) and told[1]["ok"]
    heard = [json.loads(line) for line in (seen.work / "heard").read_text().splitlines()]
    assert [(h["event"], h["tool"], h["ok"]) for h in heard] == [("after_tool", "write", True)]
    assert "printed something that is no JSON" in " ".join(seen.text.split())
