"""Calls, their results and checks as lines for people; pure functions of the events.

A line is a list of spans; a span is a text, already safe for a terminal, and the name of a style.
"""

from __future__ import annotations

import json
from typing import Any

from agent.events import CallReturned, CheckEnded
from agent.ui.diff import count_changes, read_diff
from agent.ui.escape import safe, safe_line, safe_output
from agent.ui.terminal import cut, wrap

Span = tuple[str, str]
Line = list[Span]

PLAIN = ""
INDENT = "    "
DIFF_LINES = 60
OUTPUT_LINES = 12
CHECK_LINES = 24
REASON_LINES = 4
TAB = 4
# Arguments that tell which call it is, in the order in which people read them.
_TELLING = {
    "read": ("path",),
    "write": ("path",),
    "edit": ("path",),
    "list": ("path", "glob"),
    "grep": ("pattern", "path", "glob"),
    "plan": (),  # its result has the steps
    "delegate": ("task",),
}
# What these return is for the model; a person knows the file or can open it.
_QUIET = frozenset(_TELLING) - {"plan", "delegate"}


def headline(name: str, arguments: dict[str, Any]) -> str:
    """One safe line that says which call this is: `read stats.py`, `$ pytest -q`."""
    if name == "shell":
        lines = safe(str(arguments.get("command", ""))).strip().split("\n")
        return f"$ {safe_line(lines[0])}" + (" …" if len(lines) > 1 else "")
    if name in _TELLING:
        values = [arguments.get(key) for key in _TELLING[name]]
        words = [safe_line(str(value)) for value in values if value]
    else:
        words = [f"{safe_line(str(k))}={_value(v)}" for k, v in arguments.items()]
    return " ".join([safe_line(name), *words, *_lines_read(name, arguments)])


def _value(value: Any) -> str:
    return safe_line(value if isinstance(value, str) else json.dumps(value, default=str))


def _lines_read(name: str, arguments: dict[str, Any]) -> list[str]:
    first, last = arguments.get("first_line"), arguments.get("last_line")
    if name != "read" or not (first or last):
        return []
    return [f"lines {first or 1}-{last or ''}"]


def duration(seconds: float) -> str:
    """`0.8s`, `31.2s`, `3m 05s`, `1h 02m`."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def call_lines(head: str, result: CallReturned, width: int) -> list[Line]:
    """The line of a call that is over, and below it what a person wants to see of its result."""
    mark, style = ("● ", "green") if result.ok else ("✗ ", "red")
    details = _details(result)
    room = width - len(mark) - sum(len(detail) + 2 for detail in details)
    line: Line = [(mark, style), (cut(head, max(8, room)), PLAIN if result.ok else "red")]
    line += [(f"  {text}", "dim" if result.ok else "red") for text in details]
    return [line, *_body(result, width)]


def cut_off_line(head: str, seconds: float, width: int) -> Line:
    """The line of a call or a check that was running when the work ended."""
    mark, verdict = "✗ ", f"  cut off after {duration(seconds)}"
    room = width - len(mark) - len(verdict)
    return [(mark, "yellow"), (cut(head, max(8, room)), PLAIN), (verdict, "yellow")]


def _details(result: CallReturned) -> list[str]:
    found: list[str] = []
    if result.diff:
        added, removed = count_changes(result.diff)
        found.append(f"+{added} -{removed}")
    if result.exit_code is not None:
        found.append(f"exit {result.exit_code}")
    if result.seconds >= 0.5 or result.exit_code is not None:
        found.append(duration(result.seconds))
    return found


def _body(result: CallReturned, width: int) -> list[Line]:
    if result.diff:
        return diff_lines(result.diff, width)
    if result.name in _QUIET:
        return [] if result.ok else reason_lines(result.text, width)
    text = result.text.rstrip()
    # The tool's last line tells the model the exit code, which the call's line has.
    above, _, last = text.rpartition("\n")
    if result.exit_code is not None and last.startswith(f"exit code {result.exit_code}"):
        text = above
    return output_lines(text, width, OUTPUT_LINES, "dim" if result.ok else PLAIN)


def reason_lines(text: str, width: int) -> list[Line]:
    """The first line of a reason, in red, in full as far as a few lines hold it."""
    lines = safe(text).strip().split("\n")
    pieces = filled(lines[0], width - len(INDENT))
    return [[(INDENT + piece, "red")] for piece in pieces[:REASON_LINES]]


def filled(text: str, width: int) -> list[str]:
    """The words of `text` in lines of at most `width` cells."""
    from rich.cells import cell_len

    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += wrap(word, width)
    return lines


def output_lines(text: str, width: int, most: int, style: str) -> list[Line]:
    """Output in at most `most` lines: the head, how much is left out, and more of the tail."""
    lines = safe_output(text).expandtabs(TAB).strip("\n").split("\n") if text.strip() else []
    shown: list[tuple[str, str]] = [(line, style) for line in lines]
    if len(lines) > most:
        head = most // 3
        tail = most - head - 1
        left_out = len(lines) - head - tail
        shown[head : len(lines) - tail] = [(f"… {left_out} more lines", "cyan")]
    return [[(INDENT + cut(line, width - len(INDENT)), kind)] for line, kind in shown]


def diff_lines(diff: str, width: int) -> list[Line]:
    """A unified diff, coloured, without the names of the files, which the call's line has."""
    lines = [line for line in read_diff(safe(diff)) if line.kind in ("hunk", "line")]
    if lines and lines[0].kind == "hunk":
        del lines[0]
    shown: list[Line] = []
    for line in lines[:DIFF_LINES]:
        is_hunk = line.kind == "hunk"
        style = "cyan" if is_hunk else {"+": "green", "-": "red"}.get(line.sign, "dim")
        sign, text = ("⋮", "") if is_hunk else (line.sign, line.text.expandtabs(TAB))
        pieces = wrap(text, width - len(INDENT) - 1)
        # What does not fit goes on below its text, not below its sign.
        shown += [[(INDENT + (" " if n else sign) + x, style)] for n, x in enumerate(pieces)]
    if len(lines) > DIFF_LINES:
        shown.append([(f"{INDENT}… {len(lines) - DIFF_LINES} more lines", "cyan")])
    return shown


def check_lines(result: CheckEnded, width: int) -> list[Line]:
    """How the user's own check ended."""
    command = safe_line(result.command)
    if result.passed:
        mark, style, verdict = "✓ ", "green", f": passed in {duration(result.seconds)}"
    else:
        why = "timed out" if result.exit_code is None else f"exit {result.exit_code}"
        mark, style, verdict = "✗ ", "red", f": failed, {why}, in {duration(result.seconds)}"
    room = width - len(mark) - len(verdict)
    line: Line = [(f"{mark}{cut(f'check {command}', max(12, room))}{verdict}", style)]
    if result.passed:
        return [line]
    return [line, *output_lines(result.text, width, CHECK_LINES, PLAIN)]
