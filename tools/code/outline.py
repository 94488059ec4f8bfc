"""A map of a project in few characters: files with their most important definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.code.focus import Focus
from tools.code.symbols import Definition

_PRIVATE = 0.2  # of the weight: what starts with an underscore is for its own file
_LOCAL = 0.05  # a function in a function is nobody else's
MOST_MISSES = 50


@dataclass(frozen=True)
class Outlined:
    """A file of an outline: its definitions, and how much each weighs (any scale, >= 0)."""

    path: str
    definitions: tuple[Definition, ...]
    weights: tuple[float, ...]


def outline(
    files: Sequence[Outlined], budget_chars: int, focus: Sequence[str] = (), total: int = 0
) -> str:
    """Files in the order of their paths, each with lines ``LINE SIGNATURE`` of its definitions.

    What weighs most comes in first until `budget_chars` are used; a method brings its class along.
    `focus` has paths of files or folders, which come before everything else, and words, each of
    which makes what it names weigh 30 times as much.
    `total` is how many files there are where `files` are only some of them. Equal arguments give
    equal bytes.
    """
    parents = [_parents(file.definitions) for file in files]
    order = _by_weight(files, parents, focus)
    total = max(total, len(files))
    room = budget_chars - len(_more(total))
    shown: dict[int, set[int]] = {}
    misses = 0
    for f, d in order:
        new = _with_parents(d, parents[f]) - shown.get(f, set())
        cost = sum(len(_line(files[f].definitions[i], parents[f], i)) + 1 for i in new)
        cost += 0 if f in shown else len(files[f].path) + 1
        if cost <= room:
            room -= cost
            shown.setdefault(f, set()).update(new)
        else:
            misses += 1
            if misses > MOST_MISSES:  # only crumbs fit
                break
    lines: list[str] = []
    for f in sorted(shown, key=lambda index: files[index].path):
        lines.append(files[f].path)
        chosen = sorted(shown[f], key=lambda i: (files[f].definitions[i].first_line, i))
        lines += [_line(files[f].definitions[i], parents[f], i) for i in chosen]
    left = total - len(shown)
    return "\n".join([*lines, *([_more(left)] if left else [])])


def _by_weight(
    files: Sequence[Outlined], parents: Sequence[Sequence[int]], focus: Sequence[str]
) -> list[tuple[int, int]]:
    """Pairs of a file and a definition in it, the weightiest first."""
    wanted = Focus(focus, [file.path for file in files])
    order = []
    for f, file in enumerate(files):
        factor = wanted.of_path(file.path)
        for d, (each, weight) in enumerate(zip(file.definitions, file.weights, strict=True)):
            own = _PRIVATE if each.name.startswith("_") else 1.0
            outer = parents[f][d]
            if outer >= 0 and file.definitions[outer].kind in ("function", "method"):
                own *= _LOCAL
            weight *= factor * own * wanted.of_name(each.qualified)
            order.append((-weight, file.path, each.first_line, f, d))
    return [(f, d) for *_, f, d in sorted(order)]


def _more(files: int) -> str:
    return f"[{files:,} more files]" if files != 1 else "[1 more file]"


def _line(definition: Definition, parents: list[int], index: int) -> str:
    depth = 1
    while parents[index] >= 0:
        index, depth = parents[index], depth + 1
    return f"{'  ' * depth}{definition.first_line} {definition.signature}"


def _parents(definitions: Sequence[Definition]) -> list[int]:
    """For each definition the index of the one around it, -1 for none."""
    parents: list[int] = []
    around: list[int] = []
    for index, each in enumerate(definitions):
        while around and not _contains(definitions[around[-1]], each):
            around.pop()
        parents.append(around[-1] if around else -1)
        around.append(index)
    return parents


def _contains(outer: Definition, inner: Definition) -> bool:
    return inner.qualified.startswith((f"{outer.qualified}.", f"{outer.qualified} > "))


def _with_parents(index: int, parents: list[int]) -> set[int]:
    found = {index}
    while parents[index] >= 0:
        index = parents[index]
        found.add(index)
    return found
