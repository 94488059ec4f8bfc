"""Expectations of tests that two versions of the code contradict alike, and tests that cannot run.

A small model writes a wrong expectation as easily as wrong code. Where two versions of a file, the
second written without the first in view, give the same value against a test of the model's own,
they are more likely right than the test (dual execution agreement: CodeT, arXiv 2207.10397).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from agent.context.python import NO_PYTHON, body_of, lines_of, statements_at
from agent.context.sayings import sayings
from agent.events import Place

_VALUE = re.compile(r"AssertionError: (?!None\b)")
# Two versions that raise nothing do not agree on a value: both may have forgotten it.
_NO_VALUE = re.compile(r"\w+ not raised")
_NOT_RAISED = re.compile(r"(\w+) not raised by (\w+)")

_EXCEPTION = re.compile(r"^(?:\w+\.)*([A-Z]\w*(?:Error|Exception))(?=:|$)", re.MULTILINE)

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef)


def alike(one: Sequence[Place], other: Sequence[Place], task: str = "") -> list[Place]:
    """The failed expectations that both have at the same line: with the same value in its place,
    with an exception in its place that the task names, or without one that the task does not name
    where it says what the function is for."""
    raised = {(file, line, _raised(error)) for file, line, error in other}
    return [
        (file, line, error)
        for file, line, error in one
        if ((_has_value(error) or _unasked(error, task)) and (file, line, error) in other)
        or (_raised(error) in _names(task) and (file, line, _raised(error)) in raised)
    ]


def _has_value(error: str) -> bool:
    return bool(_VALUE.search(error)) and not _NO_VALUE.search(error)


def _unasked(error: str, task: str) -> bool:
    """Whether a test wants a function to raise what the task does not say of it."""
    match = _NOT_RAISED.search(error)
    said_of_it = sayings(task).get(match[2], "") if match else ""
    return bool(match and said_of_it and match[1] not in said_of_it)


def _raised(error: str) -> str:
    """The exception that a test ended with; '' for a failed assertion."""
    match = _EXCEPTION.search(error)
    return "" if match is None or match[1] == "AssertionError" else match[1]


def _names(task: str) -> set[str]:
    """The exceptions that the words of a task name."""
    return set(re.findall(r"\b[A-Z]\w*(?:Error|Exception)\b", task))


def said(error: str) -> str:
    """The line of a failed expectation that has the value."""
    lines = error.splitlines()
    return next((line for line in lines if _VALUE.search(line) or _raised(line)), error)


def without(text: str, line: int, task: str) -> str:
    """A Python test file without the statement at a line (from 1); '' where it cannot go.

    What the task states itself stays, and so does the last test.
    """
    try:
        path = statements_at(ast.parse(text), line)
    except NO_PYTHON:
        return ""
    if not path or isinstance(path[-1], _DEFINITION) or _is_stated(path[-1], task):
        return ""
    return _rest(text, path)


def consistent(text: str) -> str:
    """A Python test file in which no call of a function is to give two values one behind the other:
    the first one stays."""
    try:
        tree = ast.parse(text)
    except NO_PYTHON:
        return text
    gone: set[int] = set()
    for test in ast.walk(tree):
        values: dict[str, str] = {}
        for statement in test.body if isinstance(test, _FUNCTION) else ():
            call, value = _equation(statement)
            if not call:
                values.clear()  # it may have changed what a call gives
            elif values.setdefault(call, value) != value:
                gone |= set(lines_of(statement))
    return "".join(x for n, x in enumerate(text.splitlines(True), 1) if n not in gone)


def _equation(statement: ast.stmt) -> tuple[str, str]:
    """The call and the value of `self.assertEqual(f("x"), 1)` and `assert f("x") == 1`, as long as
    both say all about themselves; '' and '' for another statement."""
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(attr="assertEqual"), [call, value])):
            pass
        case ast.Assert(ast.Compare(call, [ast.Eq()], [value])):
            pass
        case _:
            return "", ""
    is_plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    if not is_plain or len({name.id for name in names} - {"self"}) > 1:
        return "", ""
    return ast.dump(call), ast.dump(value)


def without_test(text: str, line: int) -> str:
    """A Python test file without the test around a line (from 1); '' where there is none, and where
    it is the last one."""
    path = statements_at(ast.parse(text), line)
    names = [node.name if isinstance(node, _FUNCTION) else "" for node in path]
    test = next((n for n, name in enumerate(names) if name.startswith("test")), None)
    return "" if test is None else _rest(text, path[: test + 1])


def _rest(text: str, path: Sequence[ast.stmt]) -> str:
    """A test file without a statement; '' where no test is left."""
    gone = _span(path)
    kept = "".join(x for n, x in enumerate(text.splitlines(True), 1) if n not in gone)
    return kept if "def test" in kept else ""


def _span(path: Sequence[ast.stmt]) -> set[int]:
    """The lines of the outermost statement that says nothing without the innermost one."""
    span = set(lines_of(path[-1]))
    for outer in reversed(path[:-1]):
        rest = [each for each in body_of(outer) if not set(lines_of(each)) <= span]
        if any(not _is_docstring(each) for each in rest):
            break
        span |= set(lines_of(outer))
    return span


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_stated(node: ast.stmt, task: str) -> bool:
    """Whether all texts of an expectation are in the task."""
    texts = [x.value for x in ast.walk(node) if isinstance(x, ast.Constant)]
    words = [text for text in texts if isinstance(text, str) and len(text) > 1]
    return bool(words) and all(word in task for word in words)
