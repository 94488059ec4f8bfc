"""Text of files: decoding that can be undone exactly, and unified diffs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"


class NotText(Exception):
    """The bytes are no UTF-8 text, or the text cannot be written as UTF-8; says why."""


@dataclass(frozen=True)
class TextFile:
    """A decoded file: ``encode(text)`` gives back the original bytes.

    ``newline`` is ``\\r\\n`` only when every line ends so; then ``text`` has plain ``\\n``. A file
    of mixed endings keeps its ``\\r`` in ``text``, since nothing else could restore it.
    """

    text: str
    newline: str = "\n"
    bom: bool = False

    def encode(self, text: str) -> bytes:
        """Bytes of a new text in this file's style.

        Raises:
            NotText: the text has half of a surrogate pair.
        """
        if self.newline == "\r\n":
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise NotText(f"character {error.start} is half of a surrogate pair") from error
        return BOM + data if self.bom else data


def decode(data: bytes) -> TextFile:
    """Decode a file's bytes.

    Raises:
        NotText: a NUL byte, or bytes that are not UTF-8.
    """
    if b"\0" in data:
        raise NotText("binary: it has NUL bytes")
    bom = data.startswith(BOM)
    try:
        text = data[len(BOM) if bom else 0 :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotText(f"not UTF-8 text: byte 0x{data[error.start]:02x}") from error
    endings = text.count("\n")
    plain = text.replace("\r\n", "\n")
    if endings and endings == text.count("\r\n") and "\r\n" not in plain:
        return TextFile(plain, "\r\n", bom)
    return TextFile(text, "\n", bom)


def is_argument(text: str) -> bool:
    """Whether a string can be handed to a program or to the file system."""
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def split_lines(text: str) -> list[str]:
    """Lines without their ``\\n``; unlike str.splitlines, form feeds and the like end no line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def unified_diff(name: str, before: str, after: str, context: int = 3) -> str:
    """Unified diff of two texts, ``""`` when they are equal."""
    old, new = _with_ends(before), _with_ends(after)
    pieces = []
    for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", n=context):
        pieces.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(pieces)


def changed_lines(diff: str) -> tuple[int, int]:
    """How many lines a unified diff adds and removes."""
    body = diff.split("\n")[2:]
    added = sum(line.startswith("+") for line in body)
    removed = sum(line.startswith("-") for line in body)
    return added, removed


def _with_ends(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    ended = [f"{line}\n" for line in lines]
    return [*ended, last] if last else ended
