"""Nothing that a terminal obeys or hides gets through; what can be seen is unchanged."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ui.escape import safe, safe_line, safe_output

BLANK = set("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
JOINERS = set("\u200c\u200d")
# Visible signs, although Unicode calls them formats.
VISIBLE = {chr(c) for c in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2)}
VISIBLE |= {chr(c) for c in (0x110BD, 0x110CD, *range(0x13430, 0x13440))}


def is_dangerous(char: str) -> bool:
    if char in "\n\t" or char in VISIBLE or char in JOINERS:
        return False
    in_plane_14 = 0xE0000 <= ord(char) <= 0xE0FFF
    # Not assigned yet, and reserved for characters that show nothing.
    reserved = ord(char) == 0x2065 or 0xFFF0 <= ord(char) <= 0xFFF8
    return (
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or char in BLANK
        or in_plane_14
        or reserved
    )


any_text = st.text(st.characters() | st.sampled_from("\x1b\r\n\t\u200d\u202e\u3164\ud800\x9b"))


@given(any_text)
def test_no_dangerous_character_survives(text: str) -> None:
    assert [c for c in safe(text) if is_dangerous(c)] == []


def test_each_single_character() -> None:
    for code in range(0x110000):
        char = chr(code)
        if is_dangerous(char) or char in JOINERS:
            assert safe(char) != char and safe(char).isascii() and safe(char).isprintable(), code
        else:
            assert safe(char) == char, code


@given(st.text(st.characters(exclude_categories=("C", "Z"))).map(lambda t: f" {t} \n\t{t}"))
def test_printable_text_is_unchanged(text: str) -> None:
    if not any(is_dangerous(c) for c in text):
        assert safe(text) == text


@given(any_text)
def test_twice_is_once_and_it_can_be_encoded(text: str) -> None:
    once = safe(text)
    assert safe(once) == once
    once.encode("utf-8")
    assert "\n" not in safe_line(text) and "\t" not in safe_line(text)


@pytest.mark.parametrize(
    ("attack", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x1b]8;;http://evil\x1b\\text", "\\x1b]8;;http://evil\\x1b\\text"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("pass\u200dword", "pass\\u200dword"),
        ("50%\r100%\b", "50%\\r100%\\x08"),
        ("a\r\nb", "a\nb"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_attacks_are_visible(attack: str, shown: str) -> None:
    assert safe(attack) == shown


@pytest.mark.parametrize("text", ["👩\u200d💻", "می\u200cخواهم", "क्\u200dष", "✔\ufe0f", "é漢字"])
def test_writing_that_needs_joiners_is_unchanged(text: str) -> None:
    assert safe(text) == text


def test_colours_of_programs_go() -> None:
    assert safe_output("\x1b[1;31mE\x1b[0m \x1b[2J") == "E \\x1b[2J"
