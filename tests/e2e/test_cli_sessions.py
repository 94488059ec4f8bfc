"""`agent sessions` on sessions that are on disk."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.cli.main import run
from agent.events import (
    CallMade,
    CallReturned,
    CheckEnded,
    Event,
    LogSet,
    ModelReplied,
    Notice,
    SessionStarted,
    SessionTitled,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
)
from agent.messages import Usage
from agent.session import SessionLog, list_sessions, read_session
from agent.session.resume import load_earlier


def record(state: Path, *events: Event) -> str:
    log = SessionLog.create(state)
    place = str(Path.home() / "project")
    log.append(SessionStarted(log.id, place, "tiny", 4096, 1_700_000_000.0, "0.1.0"))
    for event in events:
        log.append(event)
    log.close()
    return log.id


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["sessions", *arguments]) == 0
    return capsys.readouterr().out


def test_no_sessions(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sessions", "list"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "no sessions yet" in shown.err
    assert not state.exists()


def test_the_list(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = record(
        state,
        TaskGiven("fix \x1b[31mit\nand more"),
        TurnEnded("answer", "yes", 0, Usage(prompt=1000, generated=234)),
    )
    monkeypatch.setenv("COLUMNS", "200")
    (row,) = out(capsys, "list").splitlines()[1:]
    assert row.split()[0] == one and " answer " in row and " 1,234 " in row
    assert "~/project" in row and row.endswith("fix \\x1b[31mit")
    monkeypatch.setenv("COLUMNS", "60")
    assert all(len(line) < 60 for line in out(capsys, "list").splitlines())


def test_the_list_as_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record(state, TaskGiven("first"))
    assert [json.loads(line) for line in out(capsys, "list", "--json").splitlines()] == [
        {
            "id": one,
            "time": 1_700_000_000.0,
            "workspace": str(Path.home() / "project"),
            "model": "tiny",
            "task": "first",
            "stop": "unfinished",
            "tokens": 0,
            "title": "",
        }
    ]


def test_show_a_session_that_was_cut_off(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record(state, TaskGiven("go"), TextDelta("half \x9ban ans"))
    for name in (one, one[:-1], "last"):
        shown = out(capsys, "show", name)
        assert "> go" in shown and "half \\x9ban ans" in shown
        assert shown.splitlines()[-1] == "unfinished: the session was cut off here"


def test_show_as_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, Notice("hi"))
    lines = [json.loads(line) for line in out(capsys, "show", "last", "--json").splitlines()]
    assert [line["type"] for line in lines] == ["session_started", "notice"]


def test_a_session_that_is_not_there(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record(state, TaskGiven("go"))
    assert run(["sessions", "show", one[:-1] + "#"]) == 2
    assert f"did you mean {one}?" in capsys.readouterr().err


TOKEN = "ghp_" + "aB3dE6gH9" * 4
DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-old <b>\n+new & better\n"
TURN: tuple[Event, ...] = (
    TaskGiven("use <script>alert(1)</script>", ("x.py",)),
    LogSet(0, (1, 2)),
    ThinkingDelta("Hm & so"),
    ModelReplied(f"I take `a<b` and {TOKEN}:\n```python\nif a < b:\n```", (3,), "end", Usage(), 2),
    CallMade("1", "edit", {"path": "x.py"}, "tag"),
    CallReturned("1", "edit", True, "edited", DIFF, ("x.py",)),
    CallMade("2", "shell", {"command": "cat <<E\n</pre>\nE", "token": "aB3dE6gH9aB3dE6gH9"}, "tag"),
    CallReturned(
        "2", "shell", False, "```\n</pre><img src=x onerror=alert(1)>\x1b[31m\n", "", (), 1, 2.0
    ),
    CheckEnded("make test", False, 2, "1 failed", 3.0),
    CallMade("3", "shell", {"command": "sleep 9"}, "tag"),
    TurnEnded("answer", "done", 0, Usage(prompt=10, generated=5)),
    SessionTitled("Escape <everything>"),
)


class Page(HTMLParser):
    """Which elements a page has, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_export_as_html(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    assert out(capsys, "export", "last", "-o", str(tmp_path / "s.html")) == ""
    text = (tmp_path / "s.html").read_text()
    page = Page(text)
    names = {name for name, _ in page.tags}
    usual = {"html", "head", "meta", "title", "style", "body", "h1", "dl", "dt", "dd"}
    assert names <= usual | {"div", "details", "summary", "pre", "code", "span", "b"}
    # Nothing is loaded, and nothing runs.
    assert not re.search(r"https?:|url\(|@import|javascript", text)
    assert all(key in {"class", "open", "lang", "charset", "content", "name", "http-equiv"}
               for _, attributes in page.tags for key in attributes)  # fmt: skip
    for said in ("<script>alert(1)</script>", "a<b", "if a < b:", "</pre><img src=x", "Hm & so",
                 "outcome unknown", "1 failed", "Escape <everything>", "with x.py"):  # fmt: skip
        assert said in page.text
    assert "\x1b" not in text and '<span class="minus">-old &lt;b&gt;</span>' in text
    assert "prefers-color-scheme: dark" in text


def test_export_as_markdown(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    shown = out(capsys, "export", "last")
    assert shown.startswith("# Escape \\<everything\\>\n")
    assert "> use \\<script\\>alert(1)\\</script\\>" in shown
    # Output with a fence in it stands between longer ones.
    assert "````\n```\n</pre><img src=x onerror=alert(1)>\n````" in shown
    assert "```diff\n" in shown and "`edit x.py`" in shown and "its outcome is not known" in shown


def test_export_as_json_lines(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, *TURN)
    events = [
        json.loads(line) for line in out(capsys, "export", "last", "--format", "jsonl").splitlines()
    ]
    assert [event["type"] for event in events] == [
        "session_started", "task_given", "thinking_delta", "model_replied", "call_made",
        "call_returned", "call_made", "call_returned", "check_ended", "call_made", "turn_ended",
    ]  # fmt: skip
    # Tokens are text in other words.
    assert events[3]["tokens"] == []


@pytest.mark.parametrize("command", [("show",), ("show", "--json"), ("export",),
                                     ("export", "--format", "html"),
                                     ("export", "--format", "jsonl")])  # fmt: skip
def test_secrets_are_masked(
    state: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    halves = TextDelta(TOKEN[:20]), TextDelta(TOKEN[20:])
    record(state, *TURN, TaskGiven(f"my {TOKEN}"), *halves)
    shown = out(capsys, *command, "last")
    assert TOKEN not in shown and TOKEN[:20] not in shown and "aB3dE6gH9aB3dE6gH9" not in shown
    assert shown.count("[secret:github:") == 3
    assert TOKEN in out(capsys, *command, "last", "--unmasked")
    assert TOKEN in (state / "sessions" / list_sessions(state)[0].id / "events.jsonl").read_text()


def test_secrets_in_the_list_and_in_what_is_found(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(state, TaskGiven(f"wombat {TOKEN}"))
    for shown in (out(capsys, "list"), out(capsys, "search", "wombat"),
                  out(capsys, "search", "wombat", "--json")):  # fmt: skip
        assert TOKEN not in shown and "[secret:github:" in shown


def test_search_goes_through_all_sessions(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record(state, TaskGiven("the blue heron sits on the pier"), Notice("x"))
    two = record(state, TaskGiven("a heron and \x1b[31m more"))
    record(state, TaskGiven("nothing of the kind"))
    lines = out(capsys, "search", "blue", "heron").splitlines()
    assert lines[0].startswith(f"{one} u1 (") and lines[1] == "    the blue heron sits on the pier"
    assert lines[2].startswith(f"{two} u1 (") and lines[3] == "    a heron and \\x1b[31m more"
    assert len(out(capsys, "search", "heron", "-n", "1").splitlines()) == 2
    found = [
        json.loads(line) for line in out(capsys, "search", "blue heron", "--json").splitlines()
    ]
    assert [(hit["session"], hit["handle"], hit["kind"]) for hit in found] == [
        (one, "u1", "task"), (two, "u1", "task")
    ]  # fmt: skip
    assert run(["sessions", "search", "zeppelin"]) == 0
    assert "nothing in 3 sessions has 'zeppelin'" in capsys.readouterr().err


def test_a_broken_log_is_named_and_stays(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(state, TaskGiven("heron"))
    broken = state / "sessions" / "20200101-000000-aaaa"
    broken.mkdir()
    (broken / "events.jsonl").write_bytes(b"\0\xff{" * 100)
    for command in ("list", "search heron"):
        assert run(["sessions", *command.split()]) == 0
        shown = capsys.readouterr()
        assert "heron" in shown.out
    assert run(["sessions", "list"]) == 0
    assert f"{broken.name}: its log has no event" in capsys.readouterr().err
    for command in ("show", "export"):
        assert run(["sessions", command, broken.name]) == 52
        assert "has no event that can be read; it stays as it is" in capsys.readouterr().err
    assert (broken / "events.jsonl").read_bytes() == b"\0\xff{" * 100


SECOND: tuple[Event, ...] = (
    SessionStarted("x", "/elsewhere", "tiny", 4096, 1_700_000_009.0, "0.1.0"),
    TaskGiven("second"),
    LogSet(3, (7, 8)),
    ModelReplied("yes", (9,), "end", Usage(), 5, True),
    TurnEnded("answer", "yes", 0, Usage()),
)


def test_fork_copies_to_the_end_or_to_a_turn(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = record(state, *TURN, *SECOND)
    kept = state / "sessions" / one / "output"
    kept.mkdir()
    (kept / "0001-shell.txt").write_text("all of it")
    (whole,) = out(capsys, "fork", one).split()
    (first,) = out(capsys, "fork", one, "--at", "1").split()
    assert len({one, whole, first}) == 3
    assert load_earlier(state, whole).tokens == (1, 2, 3, 7, 8, 9)
    assert load_earlier(state, first).tokens == (1, 2, 3)
    assert load_earlier(state, first).title == "Escape <everything>"
    for copy, turn, count in ((whole, 2, 5), (first, 1, 0)):
        start, *events = read_session(state, copy)
        assert isinstance(start, SessionStarted)
        assert (start.session, start.forked_from, start.forked_at) == (copy, one, turn)
        assert start.workspace == str(Path.home() / "project") and start.time > 1_700_000_009
        assert events == read_session(state, one)[1 : len(TURN) + count + 1]
        assert (state / "sessions" / copy / "output" / "0001-shell.txt").read_text() == "all of it"
    # The copy goes its own way.
    log = SessionLog.resume(state, first)
    log.append(TaskGiven("another"))
    log.close()
    assert len(read_session(state, one)) == len(TURN) + len(SECOND) + 1
    assert run(["sessions", "fork", one, "--at", "3"]) == 2
    assert f"session {one} has 2 turns: it cannot be forked at 3" in capsys.readouterr().err


def test_a_fork_of_a_session_that_is_open_and_torn(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = SessionLog.create(state)
    log.append(SessionStarted(log.id, "/w", "tiny", 4096, 1.0, "0.1.0"))
    log.append(TaskGiven("go"))
    with (state / "sessions" / log.id / "events.jsonl").open("ab") as file:
        file.write(b'{"type": "notice", "te')
    (copy,) = out(capsys, "fork", log.id).split()
    assert [type(event) for event in read_session(state, copy)] == [SessionStarted, TaskGiven]
    log.close()


def test_rm_asks_only_a_person(
    state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, two = record(state, TaskGiven("one")), record(state, TaskGiven("two"))
    assert run(["sessions", "rm", one]) == 2
    assert "--yes" in capsys.readouterr().err
    assert run(["sessions", "rm", "--yes", one, "nobody"]) == 2
    assert {summary.id for summary in list_sessions(state)} == {one, two}
    out(capsys, "search", "one")
    assert run(["sessions", "rm", "--yes", one, one]) == 0
    assert capsys.readouterr().err == f"removed {one}\n"
    assert [path.name for path in (state / "sessions").iterdir()] == [two]
    # A folder that somebody linked in is theirs.
    outside = tmp_path / "outside"
    (state / "sessions" / two).rename(outside)
    (outside / "keep").write_text("mine")
    (state / "sessions" / two).symlink_to(outside)
    assert run(["sessions", "rm", "--yes", two]) == 0
    assert (outside / "keep").read_text() == "mine" and list((state / "sessions").iterdir()) == []


def test_rm_leaves_what_another_process_has_open(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = SessionLog.create(state)
    log.append(TaskGiven("working"))
    assert run(["sessions", "rm", "--yes", log.id]) == 75
    assert "is open in another process" in capsys.readouterr().err
    assert read_session(state, log.id) == [TaskGiven("working")]
    log.close()
    assert run(["sessions", "rm", "--yes", log.id]) == 0


def test_resume_without_a_terminal_says_how(
    state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = record(state, *TURN)
    (tmp_path / "project").mkdir()
    assert (
        out(capsys, "resume", "last") == f"agent do --dir {tmp_path}/project --resume {one} ...\n"
    )
