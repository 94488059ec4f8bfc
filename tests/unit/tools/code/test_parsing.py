"""Real child processes: slow texts, endless ones, crashes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.code.parsing import CHILD, Text, parse_text, parse_texts
from tools.code.symbols import parse

ROOT = Path(__file__).parents[4]
# The real child with a parser that does, on some words, what a bad grammar does.
BAD_CHILD = """
import os, re, signal, sys, time
sys.path.insert(0, {root!r})
import tools.code.symbols as symbols
real = symbols.parse
def parse(language, data):
    if b"LOOP" in data:
        re.match("(a+)+$", "a" * 64 + "b")  # in C, for years, without letting Python in
    if b"SLEEP" in data:
        time.sleep(10_000)
    if b"CRASH" in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"CHATTER" in data:
        os.write(int(os.environ.get("ANSWERS", "3")), b"no json\\n")
    return real(language, data)
symbols.parse = parse
from tools.code.parsing_child import main
main()
"""


@pytest.fixture
def bad_child(tmp_path: Path) -> Path:
    program = tmp_path / "child.py"
    program.write_text(BAD_CHILD.format(root=str(ROOT)), "utf-8")
    return program


def python(name: str, code: str) -> Text:
    return Text(name, "python", code.encode())


def children() -> set[str]:
    """Processes of ours that run a parsing child, by pid."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            line = (folder / "cmdline").read_bytes()
            status = (folder / "stat").read_text()
        except (OSError, ValueError):
            continue
        if str(CHILD).encode() in line and f" {os.getpid()} " in status.rpartition(")")[2]:
            found.add(folder.name)
    return found


def test_every_text_comes_back_once_with_its_symbols() -> None:
    texts = [python(f"f{n}", f"def name{n}():\n    used{n}()\n" * (n + 1)) for n in range(50)]
    results = {each.name: each for each in parse_texts(texts)}
    assert results.keys() == {text.name for text in texts}
    for text in texts:
        assert results[text.name].symbols == parse("python", text.data)
        assert results[text.name].error == ""


def test_a_text_that_takes_too_long_costs_only_itself() -> None:
    slow = python("slow", "x = [1, (2, {3: 4})]\n" * 500_000)
    texts = [python("a", "def a(): pass"), slow, python("b", "def b(): pass")]
    results = {each.name: each for each in parse_texts(texts, workers=1, limit_s=0.2)}
    assert results["slow"].error == "parsing takes longer than 0.2 s"
    assert results["slow"].symbols.definitions == ()
    assert [results[name].symbols.definitions[0].name for name in "ab"] == ["a", "b"]


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("LOOP", "parsing takes longer than 0.3 s"),
        ("SLEEP", "parsing takes longer than 2 s"),
        ("CRASH", "its parser crashed"),
        ("CHATTER", "its parser crashed"),
    ],
)
def test_a_parser_that_never_ends_or_crashes_is_killed_and_the_rest_goes_on(
    bad_child: Path, word: str, error: str
) -> None:
    bad = python("bad", f"{word} = 1")
    texts = [python("a", "def a(): pass"), bad, python("b", "def b(): pass"), bad]
    results = list(parse_texts(texts, limit_s=0.3, wall_s=2, child=bad_child))
    assert [each.error for each in results if each.name == "bad"] == [error, error]
    good = {each.name: each.symbols.definitions[0].name for each in results if each.error == ""}
    assert good == {"a": "a", "b": "b"}


def test_no_child_is_left_when_the_results_are_given_up() -> None:
    assert children() == set()
    taken = []

    def texts() -> Iterator[Text]:
        for number in range(10_000):
            taken.append(number)
            yield python(str(number), "def a(): pass")

    results = parse_texts(texts())
    next(results)
    assert children() != set()
    results.close()
    assert children() == set()
    assert len(taken) < 1000


def test_giving_up_does_not_wait_for_a_text_that_never_ends(bad_child: Path) -> None:
    texts = [python("a", "def a(): pass"), python("bad", "SLEEP = 1")]
    results = parse_texts(texts, limit_s=600, wall_s=600, child=bad_child)
    next(results)
    results.close()


def test_what_the_source_of_texts_raises_is_raised_here() -> None:
    def texts() -> Iterator[Text]:
        yield python("a", "def a(): pass")
        raise PermissionError("not yours")

    with pytest.raises(PermissionError, match="not yours"):
        list(parse_texts(texts()))
    assert children() == set()


def test_no_texts_start_no_children() -> None:
    assert list(parse_texts([])) == []


def test_a_project_s_own_tools_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as with python -c and -m
    assert parse_text("python", b"def a(): pass").symbols.definitions[0].name == "a"


def test_the_child_leaves_ctrl_c_to_its_parent() -> None:
    def texts() -> Iterator[Text]:
        yield python("a", "def a(): pass")
        for child in children():
            os.kill(int(child), signal.SIGINT)
        yield python("b", "def b(): pass")

    results = list(parse_texts(texts(), workers=1))
    assert [each.symbols.definitions[0].name for each in results] == ["a", "b"]
