"""What no compiler would take: every grammar gives what it can, and never raises."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.code.languages import WHEELS
from tools.code.parsing import parse_text
from tools.code.scan import scan
from tools.code.symbols import MOST_DEFINITIONS, parse

LANGUAGES = [*WHEELS, "markdown"]


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=25)
@given(data=st.binary(max_size=400))
def test_any_bytes_can_be_parsed_and_scanned(language: str, data: bytes) -> None:
    symbols = parse(language, data)
    total = data.count(b"\n") + 1
    assert all(1 <= each.first_line <= each.last_line <= total for each in symbols.definitions)
    assert all(1 <= each.line <= total for each in symbols.references)
    scan(language, data)


def test_invalid_utf8_is_replaced_where_it_stands() -> None:
    source = b'def caf\xe9(a):\n    """Gr\xfc\xdfe"""\n    return b\xff\n\ndef fine(): pass\n'
    first, second = parse("python", source).definitions
    assert first.signature.startswith("def caf�")
    assert first.docstring == "Gr��e"
    assert (second.name, second.first_line) == ("fine", 5)


def test_half_written_code_keeps_what_is_whole() -> None:
    source = "def whole(a):\n    return a\n\nclass Half:\n    def begun(self, x=(\n"
    names = {each.name for each in parse("python", source.encode()).definitions}
    assert "whole" in names


@pytest.mark.parametrize(
    ("language", "opened"),
    [
        ("python", b"("),
        ("javascript", b"{["),
        ("cpp", b"a<"),
        ("rust", b"{"),
        ("java", b"class A {"),
    ],
)
def test_deep_nesting_ends_no_matter_how(language: str, opened: bytes) -> None:
    result = parse_text(language, opened * 20_000)
    assert result.error == "" or "parse" in result.error or "longer" in result.error


def test_a_file_of_nothing_but_definitions_is_bounded() -> None:
    source = b"def f(): pass\n" * (MOST_DEFINITIONS + 10)
    assert len(parse("python", source).definitions) == MOST_DEFINITIONS


def test_what_almost_matches_takes_no_longer() -> None:
    """With patterns that go on to the next line the first one takes half an hour."""
    for piece in (b"static", b"pub(crate)"):
        scan("python", (piece + b"\n") * 300_000)
        scan("javascript", (piece + b"\n") * 300_000)
    for piece in (b"a*& ", b"pub(", b"static ", b"a::", b"x <", b" ", b"func (", b"*", b"# ", b"`"):
        for language in WHEELS:
            scan(language, piece * 20_000)
        parse("markdown", piece * 20_000)
        parse("markdown", b"# " + piece * 20_000)


def test_random_text_of_a_language_s_own_words_is_parsed() -> None:
    dice = random.Random(5)
    words = [
        "def",
        "class",
        "(",
        ")",
        ":",
        "\n",
        "    ",
        "name",
        '"""',
        "'",
        "{",
        "}",
        "#",
        "=>",
        ";",
    ]
    for language in WHEELS:
        for _ in range(20):
            parse(language, " ".join(dice.choices(words, k=200)).encode())
