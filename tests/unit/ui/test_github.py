"""Annotations, the job summary and the outputs of a step, read as GitHub reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.events import CheckEnded, SessionStarted, TaskGiven, TurnEnded
from agent.messages import Usage
from agent.ui.github import (
    MOST_CHARS,
    MOST_ERRORS,
    Report,
    append,
    error,
    error_lines,
    is_wanted,
    job_summary,
    outputs,
)

PLACES = (("src/a.py", 3, "KeyError: 2\nmore"), ("b.py", 1, "100% wrong"))
CHECK = CheckEnded("make test", False, 1, "F", 1.0, PLACES)
END = TurnEnded("check_failed", "I tried.", 1, Usage(), ("src/a.py",), False, 2.0, 1)


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """A command as actions/runner reads it: name, properties, data."""
    match = re.fullmatch(r"::(\w+)(?: ([^:]*))?::([^\r\n]*)", line)
    assert match, line
    properties = dict(pair.split("=", 1) for pair in (match[2] or "").split(",") if pair)
    plain = {key: unescaped(value) for key, value in properties.items()}
    return match[1], plain, unescaped(match[3])


def unescaped(text: str) -> str:
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, char)
    return text


def read_outputs(text: str) -> dict[str, str]:
    """The file of outputs as actions/runner reads it (FileCommandManager.cs)."""
    found, lines = {}, text.split("\n")
    while lines and (line := lines.pop(0)):
        name, mark, delimiter = line.partition("<<")
        if not mark:
            name, _, value = line.partition("=")
            found[name] = value
            continue
        value_lines = []
        while (line := lines.pop(0)) != delimiter:
            value_lines.append(line)
        found[name] = "\n".join(value_lines)
    return found


def test_each_place_is_an_error() -> None:
    found = [parsed(line) for line in error_lines(CHECK, END, "/repo/sub", "/repo")]
    assert found == [
        ("error", {"file": "sub/src/a.py", "line": "3", "title": "check failed"},
         "KeyError: 2\nmore"),
        ("error", {"file": "sub/b.py", "line": "1", "title": "check failed"}, "100% wrong"),
    ]  # fmt: skip


def test_a_check_without_places_is_one_error_and_so_is_another_end() -> None:
    plain = replace(CHECK, places=())
    assert [parsed(x) for x in error_lines(plain, END, "", "")] == [
        ("error", {"title": "check failed"}, "make test\nF")
    ]
    out_of_time = replace(END, stop="time", exit_code=55, check_passed=None)
    ((_, _, text),) = [parsed(x) for x in error_lines(None, out_of_time, "", "")]
    assert "the time is up" in text
    assert error_lines(replace(CHECK, passed=True), replace(END, exit_code=0), "", "") == []
    assert error_lines(None, replace(END, exit_code=0), "", "") == []


def test_no_more_than_a_runner_shows() -> None:
    many = replace(CHECK, places=PLACES * 20)
    assert len(error_lines(many, END, "", "")) == MOST_ERRORS


@given(st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_nothing_breaks_out_of_an_annotation(message: str, file: str) -> None:
    line = error(message, file=file, line=3)
    assert "\n" not in line and "\r" not in line
    name, properties, _ = parsed(line)
    assert (name, set(properties), properties["line"]) == ("error", {"file", "line"}, "3")


def test_a_file_name_that_attacks() -> None:
    name = "a,line=9::x\n::set-output name=y::z.py"
    assert "\n::set-output" in f"::error file={name}::x"
    _, properties, _ = parsed(error("m", file=name, line=1))
    assert properties == {"file": name, "line": "1"}


EVIL = "fine\nEOF\nanswer=evil\nchanged<<EOF\nevil\nEOF"


def test_an_answer_cannot_set_other_outputs() -> None:
    usual = f"answer<<EOF\n{EVIL}\nEOF\n"
    assert read_outputs(usual)["answer"] == "evil"
    assert read_outputs(outputs({"answer": EVIL, "stop": "answer"})) == {
        "answer": EVIL, "stop": "answer",
    }  # fmt: skip
    assert outputs({"a": "b"}) != outputs({"a": "b"})


@given(
    st.dictionaries(st.sampled_from(["answer", "stop"]), st.text(alphabet="ab<\n=E", max_size=9))
)
def test_outputs_come_back(values: dict[str, str]) -> None:
    assert read_outputs(outputs(values)) == values


def test_the_summary_shows_what_others_wrote_as_it_is() -> None:
    evil = "```\n<img src=//evil>\n# Big\n````\n![x](//evil)"
    page = job_summary(replace(CHECK, text=evil), replace(END, answer=evil), evil)
    outside, fence = [], ""
    for line in page.split("\n"):
        if not fence and (match := re.match(r"(`{3,})text$", line)):
            fence = match[1]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    assert "evil" not in "\n".join(outside)
    assert "make test" in page and "`` src/a.py" not in page
    assert len(job_summary(CHECK, replace(END, answer="x" * 10**6), "t")) <= MOST_CHARS + 10


def test_a_whole_task(tmp_path: Path) -> None:
    said: list[str] = []
    files = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    (tmp_path / "GITHUB_OUTPUT").write_text("before=1\n")
    report = Report(files, said.append)
    for event in (SessionStarted("s1", "/repo", "m", 1, 0.0, "1"), TaskGiven("Fix it"), CHECK, END):
        report.take(event)
    assert len(said) == 2
    found = read_outputs((tmp_path / "GITHUB_OUTPUT").read_text())
    assert found == {
        "before": "1", "answer": "I tried.", "stop": "check_failed", "exit-code": "1",
        "check-passed": "false", "changed": "src/a.py", "session": "s1",
    }  # fmt: skip
    assert "Fix it" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_files_of_the_runner(tmp_path: Path) -> None:
    append("", "x")
    with pytest.raises(UsageError, match="cannot be written"):
        append(str(tmp_path / "no" / "file"), "x")
    append(str(tmp_path / "file"), "\ud800")
    assert (tmp_path / "file").read_text() == "\\ud800"


@pytest.mark.parametrize(
    ("choice", "value", "expected"),
    [("auto", "true", True), ("auto", "", False), ("none", "true", False), ("github", "", True)],
)
def test_when(choice: str, value: str, expected: bool) -> None:
    assert is_wanted(choice, {"GITHUB_ACTIONS": value}) is expected
