"""Where an edit goes: a ladder from the exact text to what it most likely meant.

1. exact, once;
2. the same lines with other whitespace, once: `new` is re-indented as the file is;
3. the first and the last line, with a middle that is nearly the same, once.

More than one place, or none, is a refusal that shows the model the real lines.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from tools.text import split_lines

# Least similarity (difflib ratio over the characters of the lines between the anchors) of rung 3.
# Measured on 975 blocks of 3 to 15 lines of the standard library, copied with one to three slips:
# 84% found, 2% ambiguous, none wrong. At 0.7 it is 89%, at 0.95 66%. Of 427 blocks that were not
# in the file any more, 9 landed on a near copy (12 at 0.7, 5 at 0.95), so the diff is shown.
LEAST_SIMILAR = 0.85
SHOWN_LINES = 20
PLACES_NAMED = 8


@dataclass(frozen=True)
class Plan:
    """Replace ``text[start:end]`` by ``replacement``; ``note`` tells the model of a guess."""

    start: int
    end: int
    replacement: str
    note: str = ""


@dataclass(frozen=True)
class Refusal:
    """Nothing to do, and why; for the model."""

    reason: str


def plan_edit(text: str, old: str, new: str) -> Plan | Refusal:
    """Find the one place of `old` in `text` (both with plain ``\\n``) and what replaces it.

    Blocks end with a newline (they are whole lines), JSON strings mostly do not: the newline at
    the end of the place stays as the file has it, in both.
    """
    if old == "":
        if text == "":
            return Plan(0, 0, new)
        return Refusal("old is empty: copy the lines to replace from the file")
    hits = _occurrences(text, old)
    chosen = hits
    if old.endswith("\n"):
        chosen = [hit for hit in hits if hit == 0 or text[hit - 1] == "\n"]
        body = old[:-1]
        start = len(text) - len(body)
        # The file's last line may have no newline.
        unended = body != "" and not text.endswith("\n") and text.endswith(body)
        if unended and (start == 0 or text[start - 1] == "\n"):
            chosen.append(start)
    if len(chosen) == 1:
        return _exact(text, chosen[0], old, new)
    if len(chosen) > 1:
        return _ambiguous([_line_number(text, hit) for hit in chosen])
    lines = split_lines(text)
    found = _by_whitespace(text, lines, old, new)
    if found is None and len(hits) == 1:
        found = _exact(text, hits[0], old, new)
    if found is None:
        found = _by_anchors(text, lines, old, new)
    return found or _not_found(lines, split_lines(old))


def _occurrences(text: str, piece: str) -> list[int]:
    """Every position of `piece`, overlapping ones too."""
    hits = []
    position = text.find(piece)
    while position >= 0:
        hits.append(position)
        position = text.find(piece, position + 1)
    return hits


def _exact(text: str, start: int, old: str, new: str) -> Plan:
    end = min(start + len(old), len(text))
    ended = text[start:end].endswith("\n")
    if ended:
        # Whole lines go out, so whole lines come in.
        return Plan(start, end, f"{new}\n" if new and not new.endswith("\n") else new)
    at_line_end = end == len(text) or text[end] == "\n"
    at_line_start = start == 0 or text[start - 1] == "\n"
    if new == "" and at_line_start and at_line_end:
        return Plan(start, min(end + 1, len(text)), "")
    if at_line_end and new.endswith("\n") and (end < len(text) or old.endswith("\n")):
        return Plan(start, end, new[:-1])
    return Plan(start, end, new)


def _by_whitespace(text: str, lines: list[str], old: str, new: str) -> Plan | Refusal | None:
    """Rung 2; blank lines around `old` that the file does not have are ignored."""
    old_lines, new_lines = split_lines(old), split_lines(new)
    plain = [_plain(line) for line in lines]
    starts = _runs(plain, [_plain(line) for line in old_lines])
    if not starts:
        old_lines, new_lines = _without_blank_ends(old_lines), _without_blank_ends(new_lines)
        starts = _runs(plain, [_plain(line) for line in old_lines])
    if not starts:
        return None
    if len(starts) > 1:
        return _ambiguous([start + 1 for start in starts])
    start = starts[0]
    pairs = list(zip(old_lines, lines[start : start + len(old_lines)], strict=True))
    return _line_plan(
        text, lines, (start, start + len(old_lines)), new_lines, pairs, "whitespace ignored"
    )


def _by_anchors(text: str, lines: list[str], old: str, new: str) -> Plan | Refusal | None:
    """Rung 3."""
    old_lines = _without_blank_ends(split_lines(old))
    if len(old_lines) < 3:
        return None
    places = similar_places(lines, old_lines, LEAST_SIMILAR)
    if not places:
        return None
    if len(places) > 1:
        return _ambiguous([start + 1 for start, _ in places])
    start, end = places[0]
    pairs = [(old_lines[0], lines[start]), (old_lines[-1], lines[end - 1])]
    return _line_plan(
        text, lines, (start, end), split_lines(new), pairs, "found by its first and last line"
    )


def similar_places(lines: list[str], old: list[str], least: float) -> list[tuple[int, int]]:
    """Ranges of `lines` with the first and last line of `old` and a middle at least so similar."""
    plain = [_plain(line) for line in lines]
    first, last = _plain(old[0]), _plain(old[-1])
    slack = max(1, len(old) // 4)
    # SequenceMatcher keeps what it learned about its second sequence.
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2("\n".join(_plain(line) for line in old[1:-1]))
    places = []
    for start, line in enumerate(plain):
        if line != first:
            continue
        shortest, longest = max(2, len(old) - slack), len(old) + slack
        for end in range(start + shortest, min(start + longest, len(plain)) + 1):
            if plain[end - 1] != last:
                continue
            matcher.set_seq1("\n".join(plain[start + 1 : end - 1]))
            if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
                continue
            if matcher.ratio() >= least:
                places.append((start, end))
    return places


def _line_plan(
    text: str,
    lines: list[str],
    place: tuple[int, int],
    new_lines: list[str],
    pairs: Sequence[tuple[str, str]],
    note: str,
) -> Plan | None:
    """Replace whole lines; None when the indentation of `new` cannot be told from the pairs."""
    indents = _indent_map(pairs)
    if indents is None:
        return None
    first, last = place
    start = sum(len(line) + 1 for line in lines[:first])
    end = min(start + sum(len(line) + 1 for line in lines[first:last]), len(text))
    replacement = "\n".join(_reindent(line, indents) for line in new_lines)
    if new_lines and text[start:end].endswith("\n"):
        replacement += "\n"
    return Plan(start, end, replacement, f" ({note})")


def _indent_map(pairs: Sequence[tuple[str, str]]) -> dict[str, str] | None:
    """What each indentation of `old` is in the file; None when one stands for two."""
    indents: dict[str, str] = {}
    for written, real in pairs:
        if written.strip() and indents.setdefault(_indent(written), _indent(real)) != _indent(real):
            return None
    return indents


def _reindent(line: str, indents: dict[str, str]) -> str:
    if not line.strip():
        return ""
    indent = _indent(line)
    body = line[len(indent) :]
    known = [key for key in indents if indent.startswith(key)]
    if known:
        nearest = max(known, key=len)
        return indents[nearest] + indent[len(nearest) :] + body
    # Less indented than all of `old`: move out by as much.
    shallowest = min(indents, key=len)
    real = indents[shallowest]
    return real[: max(0, len(real) - len(shallowest) + len(indent))] + body


def _runs(plain: list[str], wanted: list[str]) -> list[int]:
    """Where `wanted` stands in `plain`; nowhere when it has no text."""
    if not any(wanted):
        return []
    last = len(plain) - len(wanted)
    return [at for at in range(last + 1) if plain[at : at + len(wanted)] == wanted]


def _plain(line: str) -> str:
    return " ".join(line.split())


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _without_blank_ends(lines: list[str]) -> list[str]:
    text = [at for at, line in enumerate(lines) if line.strip()]
    return lines[text[0] : text[-1] + 1] if text else []


def _line_number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _ambiguous(numbers: list[int]) -> Refusal:
    different = list(dict.fromkeys(numbers))
    named = ", ".join(str(number) for number in different[:PLACES_NAMED])
    more = ", ..." if len(different) > PLACES_NAMED else ""
    return Refusal(
        f"old is found {len(numbers)} times, at line {named}{more}: "
        "put more of the lines around the right one into old and new"
    )


def _not_found(lines: list[str], old_lines: list[str]) -> Refusal:
    place = _nearest_place(lines, _without_blank_ends(old_lines))
    if place is None:
        return Refusal("old is not in the file: read the file and copy the lines exactly")
    start, end = place
    end = min(end, start + SHOWN_LINES)
    real = "\n".join(lines[start:end])
    return Refusal(
        "old is not in the file. Did you mean these lines? Copy them exactly.\n"
        f"lines {start + 1}-{end}:\n{real}"
    )


def _nearest_place(lines: list[str], old: list[str]) -> tuple[int, int] | None:
    """The range of as many lines as `old` that shares most with it; None when nothing does."""
    plain = [_plain(line) for line in lines]
    wanted = [_plain(line) for line in old]
    vocabulary = [line for line in dict.fromkeys(plain) if line]
    near: dict[str, float] = {}
    for line in wanted[:SHOWN_LINES]:
        for close in difflib.get_close_matches(line, vocabulary, n=3, cutoff=0.6) if line else ():
            score = len(line) * difflib.SequenceMatcher(None, line, close).ratio()
            near[close] = max(near.get(close, 0.0), score)
    if not near:
        return None
    scores = [near.get(line, 0.0) for line in plain]
    size = min(len(old), len(lines))
    best = max(range(len(lines) - size + 1), key=lambda at: sum(scores[at : at + size]))
    return best, best + size
