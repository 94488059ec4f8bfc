"""Texts in tests that stand as deep as the code around them.

A small model opens a text with three quotes, writes its lines below them as deep as the test, and
means them without that: a Markdown heading behind eight spaces is none.
"""

from __future__ import annotations

import ast

from agent.context.python import NO_PYTHON

_QUOTES = ('"""', "'''")


def outdented(text: str) -> str:
    """A Python file whose texts begin at their own margin; as it was where they do."""
    try:
        tree = ast.parse(text)
    except NO_PYTHON:
        return text
    lines = text.split("\n")  # as ast counts them
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            _outdent(lines, node.lineno, node.end_lineno or node.lineno)
    return "\n".join(lines)


def _outdent(lines: list[str], first: int, last: int) -> None:
    """Move the lines of one text (counted from 1) to the left; the quotes end the first of them."""
    head = lines[first - 1]
    inner = lines[first:last]
    # Behind a letter the text may be a raw one, where the backslash would stay.
    if not inner or not head.endswith(_QUOTES) or head[-4:-3].isalpha():
        return
    depth = min((len(line) - len(line.lstrip()) for line in inner if line.strip()), default=0)
    if depth == 0 or depth < len(head) - len(head.lstrip()):
        return
    lines[first - 1] = head + "\\"
    lines[first:last] = [line[depth:] for line in inner]
