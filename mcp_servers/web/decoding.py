"""From bytes of a stranger to text: unpacked within a bound, and of a character set we know."""

from __future__ import annotations

import codecs
import re
import zlib

from mcp_servers.web.errors import WebError

_ENCODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
# Python's registry also has codecs that unpack, execute or need quadratic time.
_CHARSETS = re.compile(
    r"ascii|utf-8|utf-8-sig|utf-16(-le|-be)?|utf-32(-le|-be)?|iso8859-\d+|cp\d+|koi8-[rtu]|"
    r"gb2312|gbk|gb18030|hz|big5|big5hkscs|shift_jis(x0213|_2004)?|euc_jp|euc_kr|johab|"
    r"iso2022_(jp|kr)\w*|mac-\w+|tis-620|ptcp154"
)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{1,40})", re.I)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Unpacker:
    """Takes a body in pieces; `data` is what it unpacks to, at most `limit` bytes.

    Raises:
        WebError: the encoding is not known, the data are broken or too many.
    """

    def __init__(self, encoding: str, limit: int):
        names = [name.strip().lower() for name in encoding.split(",")]
        names = [name for name in names if name not in ("", "identity")]
        if len(names) > 1 or any(name not in _ENCODINGS for name in names):
            raise WebError(f"the page came in an encoding that was not asked for ({encoding[:60]})")
        self._bits = _ENCODINGS[names[0]] if names else 0
        self._unpack = zlib.decompressobj(self._bits) if self._bits else None
        self._limit = limit
        self._begin = b""  # of deflate, until it is clear which kind it is
        self.data = bytearray()

    def feed(self, data: bytes) -> None:
        if self._unpack is None:
            self._take(data)
            return
        while data:
            room = self._limit - len(self.data) + 1
            try:
                self._take(self._unpack.decompress(data, room))
                self._begin += data[: 2 - len(self._begin)]
            except zlib.error as error:
                if self._bits == 15 and len(self._begin) < 2:
                    # Some servers send deflate without its header.
                    self._bits = -15
                    self._unpack = zlib.decompressobj(-15)
                    data = self._begin + data
                    continue
                raise WebError(f"the page's compressed data are broken: {error}") from error
            data = self._unpack.unconsumed_tail
            if self._unpack.eof:
                data = self._unpack.unused_data
                if self._bits != 31 or not data.startswith(b"\x1f\x8b"):
                    return  # what follows is not of the page
                self._unpack = zlib.decompressobj(self._bits)

    def _take(self, data: bytes) -> None:
        if len(self.data) + len(data) > self._limit:
            raise too_large(self._limit)
        self.data += data


def too_large(limit: int) -> WebError:
    return WebError(
        f"the page is larger than {limit / 2**20:g} MiB and is not read: "
        "is there a smaller page that says the same?"
    )


def to_text(data: bytes, label: str = "", *, html: bool = False) -> str:
    """The text of a body; `label` is the charset of its header. Never fails: what cannot be read
    becomes U+FFFD."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    for name in (_codec(label), _codec(_in_meta(data)) if html else ""):
        if name:
            return data.decode(name, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # Mostly UTF-8 with a few broken bytes, or text of the time before it.
        readable = data.decode("utf-8", "replace")
        if error.start > 0 and readable.count("\ufffd") * 20 < len(readable):
            return readable
        return data.decode("cp1252", "replace")


def _in_meta(data: bytes) -> str:
    found = _META.search(data[:4096])
    name = found[1].decode("ascii") if found else ""
    # A page whose ASCII can be read is not in UTF-16, whatever it says.
    return "utf-8" if name.lower().startswith(("utf-16", "utf16")) else name


def _codec(label: str) -> str:
    """Python's name of a charset that is decoded; "" for any other."""
    if not label or len(label) > 40:
        return ""
    try:
        name = codecs.lookup(label.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return ""
    if name == "iso8859-1":
        return "cp1252"  # as browsers do
    return name if _CHARSETS.fullmatch(name) else ""
