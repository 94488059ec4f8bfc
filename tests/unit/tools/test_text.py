from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.text import NotText, changed_lines, decode, split_lines, unified_diff

LINES = st.lists(st.tuples(st.text("ab \r\x0c\u2028é"), st.sampled_from(["\n", "\r\n", "\r"])))


@given(LINES, st.booleans())
def test_encoding_what_was_decoded_gives_the_same_bytes(
    lines: list[tuple[str, str]], bom: bool
) -> None:
    data = b"\xef\xbb\xbf" * bom + "".join(a + b for a, b in lines).encode()
    file = decode(data)
    assert file.encode(file.text) == data


def test_windows_newlines_are_hidden_and_come_back() -> None:
    file = decode(b"\xef\xbb\xbfa\r\nb\r\n")
    assert file.text == "a\nb\n"
    assert file.encode("a\nc\r\n") == b"\xef\xbb\xbfa\r\nc\r\n"


def test_mixed_newlines_stay_visible() -> None:
    assert decode(b"a\r\nb\n").text == "a\r\nb\n"


@pytest.mark.parametrize(
    ("data", "words"), [(b"a\0b", "binary"), (b"caf\xe9", "not UTF-8 text: byte 0xe9")]
)
def test_what_is_no_text_is_named(data: bytes, words: str) -> None:
    with pytest.raises(NotText, match=words):
        decode(data)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(NotText, match="character 1"):
        decode(b"").encode("a\ud800")


def test_only_newline_ends_a_line() -> None:
    assert split_lines("a\x0cb\u2028c\r\nd") == ["a\x0cb\u2028c\r", "d"]


def test_diff_of_equal_texts_is_empty() -> None:
    assert unified_diff("a.py", "x\n", "x\n") == ""


def test_diff_says_where_the_last_newline_is_missing() -> None:
    diff = unified_diff("a.py", "x", "x\n")
    assert diff == ("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n")
    assert changed_lines(diff) == (1, 1)


def test_lines_that_look_like_a_diff_header_are_counted() -> None:
    assert changed_lines(unified_diff("a", "-- x\n", "++ y\n")) == (1, 1)
