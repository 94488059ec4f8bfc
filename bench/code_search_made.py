"""Questions that libraries bring with them: what a docstring or a comment says, without its text.

The first sentence of a function's docstring, or a comment in its body, is the question; the
function is the answer. Those texts are blanked in a copy of the library, all others stay.
"""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = ("httpx", "pydantic", "rich", "prompt_toolkit", "jsonschema", "git")
EACH = 40  # questions of one kind from one library
SEED = 7
SHORTEST, LONGEST = 4, 30  # words


@dataclass(frozen=True)
class Made:
    """A question about ``path``; ``lines`` (from 1, both inclusive) are blanked there."""

    kind: str  # "docstring" or "comment"
    path: str
    name: str  # qualified
    text: str
    lines: tuple[int, int]


def make(root: Path) -> list[Made]:
    """Choose the questions of the library that was copied to `root`, and blank them there."""
    found = [each for path in sorted(root.rglob("*.py")) for each in _of_file(root, path)]
    names = Counter((each.kind, each.path, each.name) for each in found)
    texts = Counter(each.text for each in found)
    fit = [
        each for each in found
        if texts[each.text] == 1 and "test" not in each.path
        and (each.kind == "comment" or names[each.kind, each.path, each.name] == 1)
    ]  # fmt: skip
    chosen: list[Made] = []
    for kind in ("docstring", "comment"):
        some = [each for each in fit if each.kind == kind]
        random.Random(SEED).shuffle(some)
        chosen += some[:EACH]
    for each in chosen:
        _blank(root / each.path, each.lines)
    return chosen


def _of_file(root: Path, path: Path) -> Iterator[Made]:
    text = path.read_text("utf-8")
    lines = text.split("\n")
    name = path.relative_to(root).as_posix()
    functions = list(_functions(ast.parse(text), ""))
    for qualified, node in functions:
        doc = node.body[0]
        said = _sentence(ast.get_docstring(node) or "")
        if said:
            yield Made("docstring", name, qualified, said, (doc.lineno, doc.end_lineno or 0))
    for first, last, said in _comments(lines):
        inside = [
            (node.lineno, qualified) for qualified, node in functions
            if node.body[0].lineno <= first and last <= (node.end_lineno or 0)
        ]  # fmt: skip
        if inside and said:
            yield Made("comment", name, max(inside)[1], said, (first, last))


def _functions(
    node: ast.AST, outer: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{outer}{child.name}", child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _functions(child, f"{outer}{child.name}.")
        else:
            yield from _functions(child, outer)


def _comments(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Blocks of whole lines; what may be a line of a string is taken too, which harms nobody."""
    block: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip().startswith("# "):
            block.append(line.strip().lstrip("# "))
        elif block:
            yield number - len(block), number - 1, _sentence(" ".join(block))
            block = []


def _sentence(text: str) -> str:
    """The first one, in one line; "" where it is too short or too long for a question."""
    first = re.split(r"(?<=[.:!?])\s|\n\s*\n", text.strip(), maxsplit=1)[0]
    plain = " ".join(first.split()).rstrip(".:")
    return plain if SHORTEST <= len(re.findall(r"[A-Za-z]{2,}", plain)) <= LONGEST else ""


def _blank(path: Path, lines: tuple[int, int]) -> None:
    rows = path.read_text("utf-8").split("\n")
    first = rows[lines[0] - 1]
    indent = first[: len(first) - len(first.lstrip())]
    for number in range(lines[0] - 1, lines[1]):
        rows[number] = ""
    # A body may have had nothing else in it.
    rows[lines[0] - 1] = f"{indent}pass" if not first.lstrip().startswith("#") else ""
    path.write_text("\n".join(rows), "utf-8")
