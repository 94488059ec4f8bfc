"""Bodies as strangers send them: packed, broken, in any character set."""

from __future__ import annotations

import gzip
import zlib

import pytest

from mcp_servers.web.clean import hides, visible
from mcp_servers.web.decoding import Unpacker, to_text
from mcp_servers.web.errors import WebError

TEXT = b"some text that is packed " * 200


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("GZIP", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + b"behind it"),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
    ],
)
def test_a_body_is_unpacked_however_it_is_cut(encoding: str, body: bytes, step: int) -> None:
    unpacker = Unpacker(encoding, len(TEXT))
    for start in range(0, len(body), step):
        unpacker.feed(body[start : start + step])
    assert bytes(unpacker.data) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(WebError, match="not asked for"):
        Unpacker(encoding, 100)


def test_broken_data_are_an_error() -> None:
    with pytest.raises(WebError, match="broken"):
        Unpacker("gzip", 100).feed(b"no gzip at all")


@pytest.mark.parametrize(
    ("data", "label", "html", "text"),
    [
        ("grün".encode(), "", False, "grün"),
        ("grün".encode(), "utf-8", False, "grün"),
        ("grün".encode("latin-1"), "iso-8859-1", False, "grün"),
        ("grün".encode("latin-1"), "", False, "grün"),
        ("€".encode("cp1252"), "latin-1", False, "€"),
        ("日本".encode("shift_jis"), "Shift_JIS", False, "日本"),
        ("日本".encode("gb18030"), '"GB2312"', False, "日本"),
        ("привет".encode("koi8-r"), "koi8-r", False, "привет"),
        ("grün".encode("utf-16"), "", False, "grün"),
        (b"\xef\xbb\xbfgr\xc3\xbcn", "latin-1", False, "grün"),
        (b'<meta charset="windows-1251">' + "да".encode("cp1251"), "", True,
         '<meta charset="windows-1251">да'),
        (b"<meta charset=utf-16>ok", "", True, "<meta charset=utf-16>ok"),
        (b"ok", "no-such-charset", False, "ok"),
        (b"ok", "zlib_codec", False, "ok"),
        (b"\\x41", "unicode_escape", False, "\\x41"),
        (b"xn--a", "punycode", False, "xn--a"),
        (b"ok", "x" * 1000, False, "ok"),
        (b"ok", "\0", False, "ok"),
    ],
)  # fmt: skip
def test_a_charset_is_found(data: bytes, label: str, html: bool, text: str) -> None:
    assert to_text(data, label, html=html) == text


def test_a_few_broken_bytes_do_not_make_utf8_something_else() -> None:
    data = ("ä" * 100).encode() + b"\xff" + ("ö" * 100).encode()
    assert to_text(data) == "ä" * 100 + "\ufffd" + "ö" * 100


def test_characters_that_nobody_sees_are_taken_out() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    assert visible(f"a\u200bb\u202ec\u2066d\ufeff{hidden}e\x1b[31m\x00\x9b") == "abcde[31m"
    assert visible("a\r\nb\rc\td\n\n \n\n\ne") == "a\nb\nc\td\n\ne"


@pytest.mark.parametrize(
    "style",
    [
        "display:none", "DISPLAY : NONE !important", "color:red;display/**/:none",
        "visibility: hidden", "font-size:0", "font-size: 0px;", "text-indent:-9999px",
        "position:absolute;left:-10000px", "height:0", "clip: rect(0 0 0 0)",
    ],
)  # fmt: skip
def test_a_style_that_hides(style: str) -> None:
    assert hides(style)


@pytest.mark.parametrize(
    "style", ["", "display:block", "font-size:0.9em", "height:0.5em", "max-height:100px",
              "line-height:0", "left:-1px", "opacity:0"],
)  # fmt: skip
def test_a_style_that_does_not(style: str) -> None:
    assert not hides(style)
