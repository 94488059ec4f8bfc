"""Small incremental readers that the dialects share."""

from __future__ import annotations

import re


class JsonScanner:
    """Finds the end of one JSON value that arrives in pieces; linear in its length."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> int:
        """Offset in `text` just behind the closing bracket of the outermost value, or -1."""
        for i, char in enumerate(text):
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif char == "\\":
                    self._escaped = True
                elif char == '"':
                    self._in_string = False
            elif char == '"':
                self._in_string = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    return i + 1
        return -1


_NAME = r'\{\s*"name"\s*:\s*"(?P<name>[^"\\]*)"\s*,\s*'
CALL_HEAD = re.compile(_NAME + r'"(?:arguments|parameters)"\s*:\s*')


def may_become_call(text: str) -> bool:
    """Whether `text` is a beginning of ``{"name": "…", "arguments": ``."""
    rest = text
    for token in ("{", '"name"', ":", None, ","):
        rest = rest.lstrip()
        if token is None:
            match = re.match(r'"[^"\\]*"', rest)
            if match is None:
                return rest == "" or re.fullmatch(r'"[^"\\]*', rest) is not None
            rest = rest[match.end() :]
        elif rest.startswith(token):
            rest = rest[len(token) :]
        else:
            return token.startswith(rest)
    rest = rest.lstrip()
    for key in ('"arguments"', '"parameters"'):
        if rest.startswith(key):
            return rest[len(key) :].strip() in ("", ":")
    return any(key.startswith(rest) for key in ('"arguments"', '"parameters"'))


_DECORATION = "*`#: \t"
_PATH = re.compile(r"(?:[\w.@+-]+/)*[\w.@+-]+")
# Files without a suffix that people name; anything else must look like name.suffix.
_BARE_NAMES = {"Makefile", "Dockerfile", "LICENSE", "README", "CHANGELOG", "Procfile", "Justfile"}


def path_in_line(line: str) -> str:
    """The path that a line consists of, decorations like ``**a.py**:`` taken off; '' if none."""
    bare = line.strip().strip(_DECORATION)
    if not bare or len(bare) > 200 or not _PATH.fullmatch(bare):
        return ""
    name = bare.rsplit("/", 1)[-1]
    has_suffix = re.search(r"\.[A-Za-z][\w+-]*$", name) is not None or name.startswith(".")
    return bare if has_suffix or name in _BARE_NAMES else ""


def may_become_path(line: str) -> bool:
    """Whether a line that is still being written could turn out to be only a path."""
    bare = line.strip().strip(_DECORATION)
    return len(line) < 200 and (not bare or _PATH.fullmatch(bare.rstrip("/")) is not None)


_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<language>[^\s`]*)[^`]*$")


def fence(line: str) -> tuple[str, str] | None:
    """Backticks and language of a line that opens (or, without a language, closes) a block."""
    match = _FENCE.match(line.strip())
    return (match["ticks"], match["language"].lower()) if match else None
