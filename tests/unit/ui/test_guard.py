"""What a GitHub runner reads holds no commands but ours."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ui.guard import Guard, Line, guarded

# The commands that a runner knows; what is no command of these is only shown.
NAMES = ("error", "set-output", "add-mask", "stop-commands", "set-env", "add-path", "debug")


def commands(text: str) -> list[str]:
    """What actions/runner would obey in this output: its rules, from ActionCommand.cs."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if (trimmed := line.strip()).startswith("::") and "::" in trimmed[2:]:
            name = trimmed[2:].split("::")[0].split(" ")[0]
            found.append(name)
        elif "##[" in line and "]" in line[line.index("##[") :]:
            found.append(line[line.index("##[") + 3 :].split("]")[0].split(" ")[0])
    return [name for name in found if name in NAMES]


ATTACKS = [
    "::error::x",
    "  ::error file=a::x",
    "\t\u00a0\u3000::error::x",
    "text\n::set-output name=a::b",
    "text\r::set-output name=a::b",
    "text ##[add-mask]a",
    "####[add-mask]a",
    "\n\n::stop-commands::token\n",
    "::error::x\n::error::y",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_works_without_the_guard_and_not_with_it(attack: str) -> None:
    assert commands(attack)
    for size in (1, 2, 3, len(attack)):
        out = io.StringIO()
        guard = Guard(out)
        for start in range(0, len(attack), size):
            guard.write(attack[start : start + size])
        assert commands(out.getvalue()) == []
        assert out.getvalue().replace(" ", "") == attack.replace(" ", "")


@given(st.lists(st.text(alphabet=":#[] \n\rerox", max_size=12), max_size=12))
def test_nothing_gets_through(pieces: list[str]) -> None:
    out = io.StringIO()
    one = Line()
    guards = [Guard(out, one), Guard(out, one)]
    for number, piece in enumerate(pieces):
        guards[number % 2].write(piece)
    assert not re.search(r"(^|[\r\n])\s*::|##\[", out.getvalue())


@pytest.mark.parametrize("text", ["std::vector<int>", "a: b\n - c ::", "# [1]\n## title", ":x", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    out = io.StringIO()
    Guard(out).write(text)
    assert out.getvalue() == text


def test_two_streams_in_one_place_share_their_line() -> None:
    out, line = io.StringIO(), Line()
    one, other = Guard(out, line), Guard(out, line)
    one.write("half")
    other.write(":")
    one.write("\n:")
    other.write(":error::x")
    assert commands(out.getvalue()) == []
    apart = io.StringIO()
    Guard(apart).write("\n:")
    Guard(apart, Line(blank=False)).write(":error::x")
    assert commands(apart.getvalue()) == ["error"]


def test_our_own_commands_stand_on_a_line_of_their_own() -> None:
    out = io.StringIO()
    guard = Guard(out)
    guard.write("half a line")
    guard.command("::error::one")
    guard.command("::error::two")
    guard.write("::error::not ours")
    assert commands(out.getvalue()) == ["error", "error"]


def test_a_stream_is_guarded_once() -> None:
    once = guarded(io.StringIO())
    assert isinstance(once, Guard) and guarded(once) is once
