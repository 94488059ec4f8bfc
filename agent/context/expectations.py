"""Expectations of tests that two versions of the code contradict alike.

A small model writes a wrong expectation as easily as wrong code. Where two versions of a file, the
second written without the first in view, give the same value against a test of the model's own,
they are more likely right than the test (dual execution agreement: CodeT, arXiv 2207.10397).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence

from agent.context.python import NO_PYTHON
from agent.events import Place

_VALUE = re.compile(r"AssertionError: (?!None\b)")
# Two versions that raise nothing do not agree on a value: both may have forgotten it.
_NO_VALUE = re.compile(r"\w+ not raised")

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def alike(one: Sequence[Place], other: Sequence[Place]) -> list[Place]:
    """The failed expectations that both have at the same line, with the same value in its place."""
    return [place for place in one if place in other and _has_value(place[2])]


def _has_value(error: str) -> bool:
    return bool(_VALUE.search(error)) and not _NO_VALUE.search(error)


def without(text: str, lines: Collection[int], task: str) -> str:
    """A Python test file without the statements at these lines (from 1); '' where none can go.

    What the task states itself stays, and so does the last test.
    """
    try:
        tree = ast.parse(text)
    except NO_PYTHON:
        return ""
    gone: set[int] = set()
    for line in sorted(lines):
        path = _at(tree, line)
        if path and not isinstance(path[-1], _DEFINITION) and not _is_stated(path[-1], task):
            gone |= _span(path, gone)
    kept = "".join(x for n, x in enumerate(text.splitlines(True), 1) if n not in gone)
    return kept if gone and "def test" in kept else ""


def _at(tree: ast.Module, line: int) -> list[ast.stmt]:
    """The statements around a line, the innermost last."""
    path: list[ast.stmt] = []
    inside: ast.AST | None = tree
    while inside is not None:
        inside = next((each for each in _body(inside) if line in _lines(each)), None)
        path += [inside] if inside is not None else []
    return path


def _span(path: Sequence[ast.stmt], gone: Collection[int]) -> set[int]:
    """The lines of the outermost statement that says nothing without the innermost one."""
    span = set(_lines(path[-1]))
    for outer in reversed(path[:-1]):
        rest = [each for each in _body(outer) if not set(_lines(each)) <= span | set(gone)]
        if any(not _is_docstring(each) for each in rest):
            break
        span |= set(_lines(outer))
    return span


def _body(node: ast.AST) -> Iterator[ast.stmt]:
    return (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def _lines(node: ast.stmt) -> range:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_stated(node: ast.stmt, task: str) -> bool:
    """Whether all texts of an expectation are in the task."""
    texts = [x.value for x in ast.walk(node) if isinstance(x, ast.Constant)]
    words = [text for text in texts if isinstance(text, str) and len(text) > 1]
    return bool(words) and all(word in task for word in words)
