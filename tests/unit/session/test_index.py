"""The index of a session: everything is found again, whatever happens to its file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.events import (
    CallDelta,
    CallMade,
    CallRejected,
    CallReturned,
    CheckEnded,
    Event,
    LogSet,
    ModelReplied,
    Notice,
    Summarised,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
)
from agent.messages import Usage
from agent.session import SessionLog
from agent.session.index import INDEX_NAME, Index
from tests.unit.session.scripts import FACTS, long_session, started
from tools.output import OutputStore


def replied(text: str) -> ModelReplied:
    return ModelReplied(text, (1,), "end", Usage())


def record(state: Path, events: Iterable[Event]) -> SessionLog:
    log = SessionLog.create(state)
    for event in events:
        log.append(event)
    return log


def folder_of(log: SessionLog) -> Path:
    assert log.folder is not None
    return log.folder


def text_of(index: Index, handle: str) -> str:
    entry = index.get(handle)
    assert entry is not None
    return entry.text


def handles(index: Index, query: str) -> list[str]:
    return [hit.handle for hit in index.search(query)]


TURN: tuple[Event, ...] = (
    TaskGiven("Repair the frobnicator, please.", ("src/frob.py",)),
    LogSet(0, (5, 6)),
    ThinkingDelta("It is the "),
    ThinkingDelta("hysteresis."),
    TextDelta("I will"),
    replied("I will look at the valves."),
    CallMade("1.0", "read", {"path": "src/frob.py", "first_line": 3}, "tag"),
    CallReturned("1.0", "read", True, "def calibrateValve(bar):\n    return bar * 0.98\n"),
    CallRejected("<tool_call>{", "the JSON ends too early, zugzwang"),
    CallMade("1.1", "write", {"path": "notes.md", "content": "# Notes\nthe gasket leaks\n"}, "raw"),
    CallReturned("1.1", "write", True, "notes.md written", changed=("notes.md",)),
    CheckEnded("pytest -q", False, 1, "FAILED test_pressure", 1.0),
    Notice("the moon is full"),
    replied("Done: the valve was wrong."),
    TurnEnded("answer", "Done: the valve was wrong.", 0, Usage()),
    Summarised("goal: repair the quincunx"),
    Summarised("loop loop loop palimpsest", refused="it repeats itself"),
)


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_each_thing_has_a_handle_and_a_text(tmp_path: Path, place: str) -> None:
    log = SessionLog.create(tmp_path if place == "disk" else None)
    for event in TURN:
        log.append(event)
    index = Index.open(log.folder, log.unsaved)
    found = {
        "u1": ("frobnicator", "task", "", "Repair the frobnicator, please.\nwith src/frob.py"),
        "t1": ("hysteresis", "thinking", "", "It is the hysteresis."),
        "a1": ("look valves", "answer", "", "I will look at the valves."),
        "i1": ("first_line", "call", "read", "read path=src/frob.py first_line=3"),
        "r1": ("calibrateValve", "result", "read", str(TURN[7].text)),  # type: ignore[union-attr]
        "b1": ("zugzwang", "rejected", "", "<tool_call>{\nthe JSON ends too early, zugzwang"),
        "i2": ("gasket", "call", "write",
               "write path=notes.md\ncontent:\n# Notes\nthe gasket leaks\n"),
        "r2": ("written", "result", "write", "notes.md written"),
        "c1": ("test_pressure", "check", "pytest -q", "pytest -q: failed\nFAILED test_pressure"),
        "s1": ("quincunx", "summary", "", "goal: repair the quincunx"),
    }  # fmt: skip
    for handle, (query, kind, name, text) in found.items():
        assert handles(index, query)[0] == handle
        entry = index.get(handle)
        assert entry is not None
        assert (entry.handle, entry.kind, entry.name, entry.text) == (handle, kind, name, text)
    # The text deltas are a part of the answer, a notice is for people, that summary was not taken.
    assert handles(index, "moon") == handles(index, "palimpsest") == []
    assert index.get("r9") is None and index.last() == "s1"
    if place == "disk" and (entry := index.get("r1")):
        line = (folder_of(log) / "events.jsonl").read_bytes()[entry.offset :]
        assert line.startswith(b'{"type": "call_returned", "id": "1.0"')


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("calibrate valve", True),  # a name of code, asked for in words
        ("calibrateValve", True),
        ("calibrate_valve", True),
        ("CALIBRATEVALVE", True),
        ("ibrateVal", True),  # a part of a word
        ("calibrating valves", True),  # other endings
        ("0.98", True),
        ("what does calibrateValve(bar) return?", True),
        ("calibrated ovens", True),
        ("src/frob.py", True),
        ("nothing of the kind", False),
    ],
)
def test_words_names_and_parts_of_them_find_it(tmp_path: Path, query: str, found: bool) -> None:
    log = record(tmp_path, TURN)
    assert ("r1" in handles(Index.open(log.folder), query)) is found


@pytest.mark.parametrize(
    "query",
    ['"', "'", "AND", "NOT valve", "valve OR", "text:valve", "valve*", "^valve", "{parts}: x",
     "NEAR(a b)", "a\0b", "\ud800", "-valve", "(", "", "   ", "💥", "+ + +", "a" * 100_000,
     "valve " * 5_000, "valve; DROP TABLE pieces", "%", "日本語", "ö", "_", "__init__", "."],
)  # fmt: skip
def test_nothing_in_a_query_is_syntax(tmp_path: Path, query: str) -> None:
    index = Index.open(record(tmp_path, TURN).folder)
    index.search(query)
    assert "r1" in handles(index, f"{query[:200]} calibrateValve")


def test_text_that_sqlite_cannot_keep_and_other_scripts(tmp_path: Path) -> None:
    texts = ["half \ud800 a pair", "nul \0 byte", "über das Öl im Getriebe", "数据库连接失败了"]
    log = record(tmp_path, [TaskGiven(text) for text in texts])
    index = Index.open(log.folder)
    assert handles(index, "half pair") == ["u1"] and handles(index, "nul byte") == ["u2"]
    assert handles(index, "OL GETRIEBE") == ["u3"]
    assert handles(index, "连接失败") == ["u4"]
    assert text_of(index, "u1") == "half ? a pair"
    assert text_of(index, "u2") == "nul \ufffd byte"


def test_facts_among_a_thousand_turns(tmp_path: Path) -> None:
    """All of them, by a question in other words than what was said, in the first six hits."""
    log = record(tmp_path, [started("x")])
    store = OutputStore(log.output)
    for _, whole, events in long_session(1_000):
        for event in events:
            if whole and isinstance(event, CallReturned):
                event = replace(event, text=store.cut(whole, "shell") + "exit code 0")
            log.append(event)
    index = Index.open(log.folder)
    assert (index.last(), index.take_note()) == ("a2000", "")
    missed = [
        fact.query
        for fact in FACTS
        if not any(fact.needle in hit.snippet for hit in index.search(fact.query, 6))
    ]
    assert missed == []


def test_a_long_output_is_found_and_read_in_full(tmp_path: Path) -> None:
    log = SessionLog.create(tmp_path)
    lines = [f"line {n}" for n in range(1, 5_001)]
    lines[2_499] = "the needle"
    text = OutputStore(log.output).cut("\n".join(lines), "shell") + "\nexit code 3"
    assert "needle" not in text
    log.append(CallMade("1", "shell", {"command": "seq"}, "tag"))
    log.append(CallReturned("1", "shell", False, text))
    index = Index.open(log.folder)
    (hit,) = index.search("needle")
    assert hit.handle == "r1" and hit.snippet.split("\n")[2_500 - hit.line] == "the needle"
    assert text_of(index, "r1") == "\n".join([*lines, "exit code 3"])
    # What was kept may be gone: then there is what the model saw.
    for file in (folder_of(log) / "output").iterdir():
        file.unlink()
    assert text_of(index, "r1") == text


def test_an_output_that_names_other_files_does_not_open_them(tmp_path: Path) -> None:
    log = SessionLog.create(tmp_path)
    outside = tmp_path / "private.txt"
    outside.write_text("the crown jewels")
    (folder_of(log) / "output").mkdir()
    (folder_of(log) / "output" / "link.txt").symlink_to(outside)
    for number, name in enumerate((outside, "/x/../../private.txt", "/x/link.txt")):
        notice = f"[lines 1-2 left out, 9 characters; all of it is in {name}: read that path with]"
        log.append(CallMade(str(number), "shell", {}, "tag"))
        log.append(CallReturned(str(number), "shell", True, f"mine\n{notice}\n"))
    index = Index.open(log.folder)
    assert handles(index, "crown jewels") == []
    assert all(text_of(index, f"r{n}").startswith("mine") for n in (1, 2, 3))


def test_what_is_added_is_taken_in_without_reading_the_log_again(tmp_path: Path) -> None:
    log = record(tmp_path, TURN)
    index = Index.open(log.folder)
    path = folder_of(log) / "events.jsonl"
    # Bytes that were read are not looked at any more, but for the last ones.
    data = path.read_bytes()
    path.write_bytes(data.replace(b"frobnicator", b"FROBNICATOR"))
    for event in (TaskGiven("second thing"), ThinkingDelta("half a"), ThinkingDelta(" thought")):
        log.append(event)
    with path.open("ab") as file:
        file.write(b'{"type": "task_given", "text": "torn ap')
    for _ in range(2):
        again = Index.open(log.folder)
        again.refresh()
        assert handles(again, "second") == ["u2"]
        assert "frobnicator" in text_of(again, "u1")
        assert again.take_note() == ""
    with path.open("ab") as file:
        file.write(b'art"}\n')
    log.append(ThinkingDelta("whole"))
    log.append(ThinkingDelta(" now"))
    index.refresh()
    assert text_of(index, "u3") == "torn apart"
    assert text_of(index, "p1") == "half a thought"
    log.append(replied("yes"))
    index.refresh()
    assert text_of(index, "t3") == "whole now"


def test_a_message_that_was_cut_off_is_kept(tmp_path: Path) -> None:
    cut: list[Event] = [ThinkingDelta("Hm."), TextDelta("The cau"), CallDelta("x", "", "se is")]
    log = record(tmp_path, [TaskGiven("why"), *cut, started("x"), TaskGiven("go on")])
    index = Index.open(log.folder)
    assert text_of(index, "p1") == "Hm.\n\nThe cause is"
    log.append(replied("yes"))
    index.refresh()
    assert index.get("t1") is None and handles(index, "yes") == ["a1"]


def test_recall_does_not_find_itself(tmp_path: Path) -> None:
    log = record(tmp_path, TURN)
    log.append(CallMade("2", "recall", {"query": "gasket"}, "tag"))
    log.append(CallReturned("2", "recall", True, "[i2] the gasket leaks"))
    log.append(CallMade("3", "read", {"path": "a"}, "tag"))
    index = Index.open(log.folder)
    assert handles(index, "gasket") == ["i2"]
    assert index.get("r3") is None and index.get("i4") is not None


def test_the_same_output_again_and_again_hides_nothing(tmp_path: Path) -> None:
    events: list[Event] = []
    for n in range(200):
        line = f"{n} shop: the red lamp order failed"
        events += [CallMade(str(n), "shell", {}, "tag"), CallReturned(str(n), "shell", True, line)]
    events.insert(100, TaskGiven("The lamp of the order form has to be red, or accounting failed."))
    same = "the green lamp is on\n" * 3
    for n in range(200, 220):
        events += [CallMade(str(n), "read", {}, "tag"), CallReturned(str(n), "read", True, same)]
    index = Index.open(record(tmp_path, events).folder)
    assert handles(index, "green") == ["r201"]
    assert "u1" in handles(index, "red lamp order failed")[:2]


BROKEN = {
    "empty": b"",
    "garbage": b"\0\xff{" * 5_000,
    "cut": None,
    "header only": b"SQLite format 3\0",
    "zeros inside": None,
}


@pytest.mark.parametrize("how", [*BROKEN, "other tables", "other version", "bad state"])
def test_a_broken_index_is_built_again_with_a_word(tmp_path: Path, how: str) -> None:
    log = record(tmp_path, TURN)
    Index.open(log.folder).close()
    path = folder_of(log) / INDEX_NAME
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "zeros inside":
        path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    elif how in BROKEN:
        path.write_bytes(BROKEN[how] or b"")
    else:
        script = {
            "other tables": "DROP TABLE words",
            "other version": "PRAGMA user_version = 99",
            "bad state": "UPDATE meta SET state = '[1'",
        }
        with sqlite3.connect(path) as database:
            database.execute(script[how])
        database.close()
    index = Index.open(log.folder)
    assert handles(index, "hysteresis") == ["t1"]
    note = index.take_note()
    assert how == "empty" or ("built again" in note and "\n" not in note)
    assert index.take_note() == ""
    again = Index.open(log.folder)
    assert handles(again, "hysteresis") == ["t1"] and again.take_note() == ""


def test_an_index_that_breaks_while_it_is_open(tmp_path: Path) -> None:
    log = record(tmp_path, TURN)
    index, other = Index.open(log.folder), Index.open(log.folder)
    with (folder_of(log) / INDEX_NAME).open("r+b") as file:
        file.write(b"\xff" * 50_000)
    assert handles(index, "hysteresis") == ["t1"]
    assert "built again" in index.take_note()
    assert handles(other, "hysteresis") == ["t1"]
    # Also when somebody deletes it.
    (folder_of(log) / INDEX_NAME).unlink()
    log.append(TaskGiven("quokka"))
    assert handles(Index.open(log.folder), "quokka") == ["u2"]


def test_another_log_in_its_place(tmp_path: Path) -> None:
    log = record(tmp_path, TURN)
    Index.open(log.folder).close()
    path = folder_of(log) / "events.jsonl"
    path.write_bytes(b'{"type": "task_given", "text": "quokka"}\n')
    index = Index.open(log.folder)
    assert "another one" in index.take_note()
    assert handles(index, "quokka") == ["u1"] and handles(index, "hysteresis") == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    log = record(tmp_path, TURN)
    # A folder in its place stops root too.
    (folder_of(log) / INDEX_NAME).mkdir()
    index = Index.open(log.folder)
    assert "in memory" in index.take_note()
    assert handles(index, "hysteresis") == ["t1"]


def test_a_link_in_the_place_of_the_index_is_not_followed(tmp_path: Path) -> None:
    log = record(tmp_path, TURN)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder_of(log) / INDEX_NAME).symlink_to(victim)
    index = Index.open(log.folder)
    assert handles(index, "hysteresis") == ["t1"]
    assert victim.read_text() == "precious"


def test_a_disk_that_fills_up_later(tmp_path: Path) -> None:
    """The log goes on in memory then, and what it has there is found too."""
    log = record(tmp_path, TURN)
    index = Index.open(log.folder, log.unsaved)
    full = os.open("/dev/full", os.O_WRONLY)
    assert log._file is not None
    os.dup2(full, log._file)
    os.close(full)
    log.append(TaskGiven("quokka"))
    index.refresh()
    assert "in memory" in index.take_note()
    assert handles(index, "quokka") == ["u2"] and handles(index, "hysteresis") == ["t1"]
    log.append(TaskGiven("wombat"))
    index.refresh()
    assert handles(index, "wombat") == ["u3"]


def test_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*events.jsonl"):
        Index.open(tmp_path)


def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        log = record(tmp_path, TURN)
        Index.open(log.folder)
    finally:
        os.umask(previous)
    assert (folder_of(log) / INDEX_NAME).stat().st_mode & 0o777 == 0o600


def test_several_processes_at_once(tmp_path: Path) -> None:
    """Each reads the same log into the same file, while it still grows."""
    log = record(tmp_path, TURN)
    code = (
        "import sys\nfrom pathlib import Path\nfrom agent.session.index import Index\n"
        "index = Index.open(Path(sys.argv[1]))\n"
        "for line in sys.stdin:\n"
        "    index.refresh()\n"
        "print([hit.handle for hit in index.search('quokka 199')][:1], index.take_note())\n"
    )
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(log.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for n in range(200):
        log.append(TaskGiven(f"quokka {n}"))
        for reader in readers:
            assert reader.stdin is not None
            if n % 10 == 9:
                reader.stdin.write("\n")
                reader.stdin.flush()
    assert [reader.communicate()[0] for reader in readers] == ["['u201'] \n"] * 3
    with sqlite3.connect(folder_of(log) / INDEX_NAME) as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone() == (11 + 200,)
    database.close()
