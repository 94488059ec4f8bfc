"""What another program asks for on stdin, one JSON object a line (docs/headless.md)."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Longer lines are refused without being kept.
MOST_BYTES = 16 << 20
READ_BYTES = 65_536

# The keys of each type; those with a question mark may be missing.
KEYS = {
    "prompt": ("text", "id?", "files?"),
    "steer": ("text", "id?", "files?"),
    "approval": ("id", "answer", "reason?"),
    "interrupt": (),
    "compact": ("focus?",),
    "end": (),
}
ANSWERS = ("once", "session", "always", "no")


@dataclass(frozen=True)
class Order:
    """One line. `type` says which of the others mean anything: see :data:`KEYS`."""

    type: str
    id: str = ""
    text: str = ""
    files: tuple[str, ...] = ()
    answer: str = ""
    reason: str = ""
    focus: str = ""


def read_lines(descriptor: int) -> Iterator[bytes]:
    """The lines of a file descriptor without their ends; one longer than MOST_BYTES is cut.

    Reads without a buffer that is locked: a thread that waits in it would keep Python from ending.
    """
    kept = bytearray()
    while data := _read(descriptor):
        *ends, rest = data.split(b"\n")
        for end in ends:
            yield bytes(kept + end)
            kept.clear()
        if len(kept) <= MOST_BYTES:
            kept += rest
    if kept:
        yield bytes(kept)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError:
        return b""  # closed


def parse_order(line: bytes) -> Order:
    """The order in one line. Raises ValueError, whose text says what is wrong."""
    if len(line) > MOST_BYTES:
        raise ValueError(f"the line is longer than {MOST_BYTES >> 20} MiB")
    try:
        data = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError("the line is no UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the line is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"the line is no JSON object but {type(data).__name__}")
    kind = data.pop("type", None)
    if not isinstance(kind, str) or kind not in KEYS:
        raise ValueError(_unknown(kind))
    known = {key.rstrip("?"): key.endswith("?") for key in KEYS[kind]}
    for key in data:
        if key not in known:
            raise ValueError(f"{kind} has no {key!r}: it has {', '.join(known) or 'only a type'}")
    for key, optional in known.items():
        if key not in data and not optional:
            raise ValueError(f"{kind} needs {key!r}")
    return Order(kind, **{key: _value(kind, key, value) for key, value in data.items()})


def _unknown(kind: Any) -> str:
    if kind is None:
        return f"there is no 'type': it is one of {', '.join(KEYS)}"
    near = difflib.get_close_matches(str(kind)[:40], KEYS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
    return f"there is no type {str(kind)[:40]!r}: {hint}"


def _value(kind: str, key: str, value: Any) -> Any:
    if key == "files":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{kind}: 'files' is no list of paths")
        return tuple(_text(kind, key, name) for name in value)
    if not isinstance(value, str):
        raise ValueError(f"{kind}: {key!r} is no text")
    if key == "text" and not value.strip():
        raise ValueError(f"{kind}: 'text' is empty")
    if key == "answer" and value not in ANSWERS:
        raise ValueError(f"{kind}: 'answer' is one of {', '.join(ANSWERS)}")
    return _text(kind, key, value)


def _text(kind: str, key: str, value: str) -> str:
    if "\0" in value:
        raise ValueError(f"{kind}: {key!r} has a NUL character in it")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{kind}: {key!r} has half of a surrogate pair in it") from error
    return value
