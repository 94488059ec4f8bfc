"""How a file that is too long is shown: its head, what is in the rest, its tail."""

from __future__ import annotations

from collections.abc import Sequence

from tools.code.languages import language_of
from tools.code.parsing import parse_text
from tools.code.symbols import Definition
from tools.text import split_lines

LARGEST = 2 * 1024 * 1024  # bytes that are parsed; a longer file is shown without its symbols
PARSE_S = 2.0
# Of the limit; the head gets the rest.
LISTING = 0.3
TAIL = 0.2


def window(path: str, text: str, limit: int) -> str:
    """A text in at most about `limit` characters, whole if it fits; its lines are named.

    Parses in a child process, so it takes 0.1 s or more; files that cannot be parsed have no list.
    """
    lines = split_lines(text)
    if len(text) <= limit:
        return f"{path} lines 1-{len(lines)} of {len(lines)}\n" + "\n".join(lines)
    return window_of(path, lines, limit, definitions_of(path, text))


def definitions_of(path: str, text: str) -> tuple[Definition, ...]:
    """What a text defines, by the suffix of its path; nothing when it cannot be said in time."""
    language = language_of(path)
    data = text.encode("utf-8", "replace")
    if not language or len(data) > LARGEST:
        return ()
    return parse_text(language, data, limit_s=PARSE_S).symbols.definitions


def window_of(
    path: str, lines: Sequence[str], limit: int, definitions: Sequence[Definition]
) -> str:
    """Head, list of symbols, tail of a text that is longer than `limit` characters."""
    tail = _fitting(lines[::-1], int(limit * TAIL))
    share = LISTING if definitions else 0.0
    head = _fitting(lines, int(limit * (1 - TAIL - share)))
    first = "\n".join(lines[:head]) if head else lines[0][: int(limit * (1 - TAIL - share))]
    head = max(head, 1)
    last = max(head + 1, len(lines) - tail + 1)
    hidden = [each for each in definitions if head < each.first_line < last]
    left_out = f"[lines {head + 1}-{last - 1} of {len(lines)} are left out"
    inside = listing(hidden, int(limit * share))
    return "\n".join(
        [
            f"{path} lines 1-{head} and {last}-{len(lines)} of {len(lines)}",
            first,
            *([f"{left_out}; in them:", *inside, "]"] if inside else [f"{left_out}]"]),
            *lines[last - 1 :],
            f"[read on with first_line={head + 1}]",
        ]
    )


def listing(definitions: Sequence[Definition], room: int) -> list[str]:
    """Lines ``LINE SIGNATURE`` of at most `room` characters in the file's order.

    Where not all fit, outer definitions come before inner ones and long ones before short ones.
    """
    order = sorted(
        range(len(definitions)),
        key=lambda i: (
            definitions[i].qualified.count("."),
            definitions[i].first_line - definitions[i].last_line,
            i,
        ),
    )
    shown: list[int] = []
    room -= len(_more(len(definitions)))
    for index in order:
        room -= len(_line(definitions[index])) + 1
        if room < 0:
            break
        shown.append(index)
    left = len(definitions) - len(shown)
    lines = [_line(definitions[index]) for index in sorted(shown)]
    return [*lines, *([_more(left)] if left and shown else [])]


def _line(definition: Definition) -> str:
    depth = definition.qualified.count(".") if definition.kind != "heading" else 0
    return f"{'  ' * depth}{definition.first_line} {definition.signature}"


def _more(count: int) -> str:
    return f"{count:,} more"


def _fitting(lines: Sequence[str], room: int) -> int:
    """How many of the lines have at most `room` characters together."""
    for count, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return count
    return len(lines)
