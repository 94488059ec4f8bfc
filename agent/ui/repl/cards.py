"""Calls and checks that are over, as cards: a line, and below it what a person wants to see."""

from __future__ import annotations

from dataclasses import dataclass

from agent.events import CallReturned, CheckEnded
from agent.ui.calls import DIFF_LINES, OUTPUT_LINES, call_lines, check_lines
from agent.ui.diff import read_diff
from agent.ui.escape import safe, safe_line, safe_output
from agent.ui.repl.paint import TAB, Painter, language_of
from agent.ui.terminal import wrap

MOST_FOLDED = 200_000  # characters that are kept of one long text


@dataclass(frozen=True)
class Fold:
    """A text that was shown shortened; `title` and `text` are raw."""

    title: str
    text: str
    is_diff: bool = False


def call_card(painter: Painter, head: str, result: CallReturned) -> tuple[list[str], Fold | None]:
    """The lines of a call that is over, and what is folded away of it. `head` is safe."""
    lines = call_lines(head, result, painter.width)
    if result.diff:
        body, cut = diff_lines(painter, result.diff, DIFF_LINES)
        fold = Fold(head, result.diff[:MOST_FOLDED], is_diff=True) if cut else None
        return [painter.line(lines[0]), *body], fold
    shown = [painter.line(line) for line in lines]
    folded = result.text.count("\n") > OUTPUT_LINES
    return shown, Fold(head, result.text[:MOST_FOLDED]) if folded else None


def check_card(painter: Painter, result: CheckEnded) -> tuple[list[str], Fold | None]:
    """The same for the user's own check."""
    shown = [painter.line(line) for line in check_lines(result, painter.width)]
    long = not result.passed and result.text.count("\n") > OUTPUT_LINES
    return shown, Fold(f"check {safe_line(result.command)}", result.text) if long else None


def unfolded(painter: Painter, fold: Fold) -> list[str]:
    """All of a folded text."""
    head = painter.span(f"── {safe_line(fold.title)}", "dim")
    if fold.is_diff:
        return [head, *diff_lines(painter, fold.text, len(fold.text))[0]]
    text = safe_output(fold.text).expandtabs(TAB).rstrip("\n")
    return [head, *(piece for line in text.split("\n") for piece in wrap(line, painter.width))]


def diff_lines(painter: Painter, diff: str, most: int) -> tuple[list[str], bool]:
    """A unified diff with colours, at most `most` of its lines, and whether that left any out.

    A file is named in git's form, which stands alone, and where there are several.
    """
    lines = read_diff(safe(diff))
    files = [line.text for line in lines if line.kind == "file"]
    are_named = len(files) > 1 or diff.startswith("diff --git ")
    lines = [line for line in lines if line.kind != "file" or are_named]
    language = language_of(files[0] if files else "")
    shown: list[str] = []
    for before, line in zip([None, *lines], lines[:most], strict=False):
        match line.kind:
            case "file":
                language = language_of(line.text)
                shown.append(painter.span(f"    {line.text}", "bold"))
            case "hunk":
                # The first lines of a file need no sign that something stands above them.
                is_first = before is None or before.kind != "line"
                shown += [] if is_first else [painter.span("    ⋮", "cyan")]
            case "line":
                shown += painter.diff_line(line.sign, line.text.expandtabs(TAB), language)
            case "note":
                shown.append(painter.span(f"    {line.text}", "dim"))
    if len(lines) > most:
        shown.append(painter.span(f"    … {len(lines) - most} more lines", "cyan"))
    return shown, len(lines) > most
