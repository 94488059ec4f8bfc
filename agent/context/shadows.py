"""Names that hide the function which is meant by them.

`total = total(rows)` inside of a function raises UnboundLocalError, always: to Python, `total` is a
local there. `self.items = []` beside a method `items` leaves nobody able to call it. A small model
writes both easily, and copies them when it mends the file.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from textwrap import indent

from agent.context.python import NO_PYTHON, bound, lines_of

_Function = ast.FunctionDef | ast.AsyncFunctionDef
# Scopes of their own: what is a local in which of them is not told apart here.
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def unshadowed(text: str) -> str:
    """A Python file with another name for such locals and attributes; as it was where there are
    none."""
    try:
        text = _with_methods(text)
        tree = ast.parse(text)
    except NO_PYTHON:
        return text
    known = bound(tree.body)
    lines = text.split("\n")  # as ast counts them
    functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
    for function in sorted(functions, key=lambda node: -node.lineno):
        if taken := _taken(function, known):
            written = ast.unparse(_Renamed(taken).visit(function))
            span = lines_of(function)
            lines[span.start - 1 : span.stop - 1] = [indent(written, " " * function.col_offset)]
    return "\n".join(lines)


def _with_methods(text: str) -> str:
    """With another name for the attributes that hide a method of their class."""
    lines = text.encode().split(b"\n")  # as ast counts columns
    hidden = [
        (node.end_lineno or 0, node.end_col_offset or 0, node.attr)
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.ClassDef)
        for node in _hiding(each)
    ]
    for line, end, name in sorted(set(hidden), reverse=True):
        begin = end - len(name.encode())
        if lines[line - 1][begin:end] != name.encode():
            return text  # before 3.12, places in an f-string are of another text
        lines[line - 1] = lines[line - 1][:begin] + b"_" + lines[line - 1][begin:]
    return b"\n".join(lines).decode()


def _hiding(owner: ast.ClassDef) -> list[ast.Attribute]:
    """The uses of attributes of self that a class assigns to, though a method has their name."""
    nodes = [node for each in owner.body for node in ast.walk(each)]
    of_self = [
        node
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    ]
    # With a decorator it may be a property, which takes what is assigned.
    methods = {
        node.name for node in owner.body if isinstance(node, _Function) and not node.decorator_list
    }
    taken = methods & {node.attr for node in of_self if isinstance(node.ctx, ast.Store)}
    taken -= {name for name in taken if any(node.attr == f"_{name}" for node in of_self)}
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    return [node for node in of_self if node.attr in taken and node not in called]


def _taken(function: _Function, known: set[str]) -> dict[str, str]:
    """The locals that hide a name of the file which is called before, each with its new name."""
    nodes = [node for each in function.body for node in ast.walk(each)]
    if any(isinstance(node, (*_SCOPES, ast.Global, ast.Nonlocal)) for node in nodes):
        return {}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    parameters = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    ends = _first_ends(nodes)
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    hidden = {
        call.id
        for call in calls
        if isinstance(call, ast.Name) and call.lineno <= ends.get(call.id, 0)
    }
    used = {name.id for name in names} | parameters | known
    return {name: _free(name, used) for name in hidden & known - parameters}


def _first_ends(nodes: list[ast.AST]) -> Mapping[str, int]:
    """The last line of the first statement that assigns to each name."""
    ends: dict[str, int] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            targets = [part for target in node.targets for part in ast.walk(target)]
            for part in targets:
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    end = node.end_lineno or node.lineno
                    ends[part.id] = min(end, ends.get(part.id, end))
    return ends


def _free(name: str, used: set[str]) -> str:
    new = f"{name}_value"
    while new in used:
        new += "_"
    return new


class _Renamed(ast.NodeTransformer):
    """Gives locals their new names; what is called keeps its own."""

    def __init__(self, names: Mapping[str, str]):
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.args = [self.visit(each) for each in node.args]
        node.keywords = [self.visit(each) for each in node.keywords]
        if not isinstance(node.func, ast.Name):
            node.func = self.visit(node.func)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node
