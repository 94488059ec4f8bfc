"""What a rewritten file left out: small models give back only the function that they changed.

When a block that is meant as the whole Python file has some of the old file's definitions and lacks
others, the lacking ones are put back where they stood, with the imports and constants that they or
the new code use. Seen with the 1.5B model in several
repairs; how often was not counted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_IMPORTS = (ast.Import, ast.ImportFrom)
# The lines that the parser counts; str.splitlines knows more of them.
_LINE_END = re.compile(r"\r\n|\r|\n")
MAIN = "__main__"


@dataclass(frozen=True)
class Kept:
    """The completed text, and the names (``Class.method`` for methods) that were put back."""

    text: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    """Lines of the old file that go behind line `place` of the new one, inner ones first."""

    place: int
    level: int
    lines: tuple[str, ...]
    name: str


def keep_rest(old: str, new: str) -> Kept:
    """`new` with the definitions of `old` that it left out; as it is when nothing fits."""
    try:
        before, after = ast.parse(old), ast.parse(new)
    except (SyntaxError, ValueError, RecursionError):
        return Kept(new, ())
    shared = _definitions(before.body).keys() & _definitions(after.body).keys()
    if not shared:
        return Kept(new, ())
    old_lines, lines = _LINE_END.split(old), _LINE_END.split(new.rstrip())
    wanted = _wanted(before, after)
    pieces = _top(before, after, wanted, old_lines, len(lines))
    for name in shared:
        one, other = _definitions(before.body)[name][-1], _definitions(after.body)[name][-1]
        if isinstance(one, ast.ClassDef) and isinstance(other, ast.ClassDef):
            pieces += _inside(one, other, old_lines)
    if not pieces:
        return Kept(new, ())
    pieces.sort(key=lambda piece: (piece.place, piece.level))
    for piece in reversed(pieces):
        lines[piece.place : piece.place] = piece.lines
    text = "\n".join(lines) + "\n"
    names = tuple(dict.fromkeys(piece.name for piece in pieces if piece.name))
    return Kept(text, names) if names and _parses(text) else Kept(new, ())


def _top(
    before: ast.Module, after: ast.Module, wanted: set[int], old_lines: Sequence[str], count: int
) -> list[_Piece]:
    """The statements of the module that come back."""
    there = _definitions(after.body)
    head = _head_end(after)
    main = next((node for node in after.body if _is_main(node)), None)
    end = place = _first_line(main) - 1 if main else count
    pieces: list[_Piece] = []
    for i, node in reversed(list(enumerate(before.body))):
        if isinstance(node, _Definition) and node.name in there:
            place = _first_line(there[node.name][0]) - 1
        if i not in wanted:
            continue
        source = _source(node, old_lines)
        if _is_main(node):
            pieces.append(_Piece(count, 6, ("", "", *source), MAIN))
        elif isinstance(node, _IMPORTS) or _is_text(node):
            level = 1 if _is_text(node) else 2 if _is_future(node) else 3
            where = 0 if _is_text(node) else _future_end(after) if _is_future(node) else head
            pieces.append(_Piece(where, level, source, ", ".join(sorted(_binds([node])))))
        else:
            gap = ("", "")
            framed = (*gap, *source) if place == end and not main else (*source, *gap)
            pieces.append(_Piece(place, 5, framed, ", ".join(sorted(_binds([node])))))
    imported = any(piece.level == 3 for piece in pieces)
    follows = next((n for n in after.body if _first_line(n) > head), None)
    if imported and not isinstance(follows, _IMPORTS):
        pieces.append(_Piece(head, 4, ("", ""), ""))
    return pieces[::-1]


def _inside(one: ast.ClassDef, other: ast.ClassDef, old_lines: Sequence[str]) -> list[_Piece]:
    """The methods of a class that come back, and the attributes that the class still uses."""
    if other.body[0].lineno == other.lineno or one.body[0].col_offset != other.body[0].col_offset:
        return []
    there, bound = _definitions(other.body), _binds(other.body)
    methods = [n for n in one.body if isinstance(n, _Definition) and n.name not in there]
    used = _loads([*methods, other]) | _attributes([*methods, other])
    end = place = other.end_lineno or other.lineno
    top = _first_line(other.body[0]) - 1
    pieces: list[_Piece] = []
    for node in reversed(one.body):
        names = _binds([node])
        if isinstance(node, _Definition) and node.name in there:
            place = _first_line(there[node.name][0]) - 1
        elif node in methods:
            source = _source(node, old_lines)
            framed = ("", *source) if place == end else (*source, "")
            pieces.append(_Piece(place, 0, framed, f"{one.name}.{min(names)}"))
        elif isinstance(node, ast.Assign | ast.AnnAssign) and names & used and not names & bound:
            where = (other.body[0].end_lineno or top) if _is_text(other.body[0]) else top
            source = _source(node, old_lines)
            pieces.append(_Piece(where, -1, source, f"{one.name}.{min(names)}"))
    return pieces[::-1]


def _wanted(before: ast.Module, after: ast.Module) -> set[int]:
    """Which statements of the old module come back: definitions, and what they or the new use."""
    there, bound = _definitions(after.body), _binds(after.body)
    future = {ast.unparse(node) for node in after.body if _is_future(node)}
    wanted: set[int] = set()
    for i, node in enumerate(before.body):
        lost_main = _is_main(node) and not any(map(_is_main, after.body))
        lost = isinstance(node, _Definition) and node.name not in there
        if lost or lost_main or (_is_future(node) and ast.unparse(node) not in future):
            wanted.add(i)
    if before.body and _is_text(before.body[0]) and not _is_text(after.body[0]):
        wanted.add(0)
    # A block that left definitions out was not meant to take the constants away either.
    partial = any(isinstance(before.body[i], _Definition) for i in wanted)
    for i, node in enumerate(before.body):
        if partial and isinstance(node, ast.Assign | ast.AnnAssign) and not _binds([node]) & bound:
            wanted.add(i)
    everywhere = {n.id for n in ast.walk(after) if isinstance(n, ast.Name) and _stores(n)}
    everywhere |= {n.arg for n in ast.walk(after) if isinstance(n, ast.arg)}
    while True:
        used = _loads([before.body[i] for i in wanted]) | (_loads([after]) - everywhere)
        found = {
            i
            for i, node in enumerate(before.body)
            if not isinstance(node, _Definition)
            and not _is_main(node)
            and (_binds([node]) & used) - bound
        }
        if found <= wanted:
            return wanted
        wanted |= found


def _definitions(body: Sequence[ast.stmt]) -> dict[str, list[_Definition]]:
    """Definitions by name; a property and its setter share one."""
    found: dict[str, list[_Definition]] = {}
    for node in body:
        if isinstance(node, _Definition):
            found.setdefault(node.name, []).append(node)
    return found


def _binds(body: Iterable[ast.stmt]) -> set[str]:
    """Names that the statements bind in their own scope."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, _Definition):
            names.add(node.name)
        elif isinstance(node, _IMPORTS):
            names |= {(a.asname or a.name).split(".")[0] for a in node.names}
        else:
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _stores(n)}
            for inner in ast.walk(node):
                if isinstance(inner, _Definition | ast.Import | ast.ImportFrom):
                    names |= _binds([inner])
    return names


def _loads(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that the nodes use."""
    found = (n for node in nodes for n in ast.walk(node))
    return {n.id for n in found if isinstance(n, ast.Name) and not _stores(n)}


def _attributes(nodes: Iterable[ast.AST]) -> set[str]:
    """Names behind a dot."""
    return {n.attr for node in nodes for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def _stores(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _source(node: ast.stmt, old_lines: Sequence[str]) -> tuple[str, ...]:
    """The statement's lines with its decorators and the comments right above it."""
    first = _first_line(node) - 1
    while first > 0 and re.match(r"\s*#(?!!)", old_lines[first - 1]):
        first -= 1
    return tuple(old_lines[first : node.end_lineno])


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(d.lineno for d in decorators)])


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _is_text(node: ast.stmt) -> bool:
    """Whether the statement is only a string: a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _future_end(module: ast.Module) -> int:
    """The line behind which a future import may stand."""
    return (module.body[0].end_lineno or 0) if _is_text(module.body[0]) else 0


def _head_end(module: ast.Module) -> int:
    """The line behind which other imports may stand."""
    ends = [node.end_lineno or 0 for node in module.body if _is_future(node)]
    return max([_future_end(module), *ends])


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True
