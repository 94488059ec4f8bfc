"""One function of a Python file to be written anew, behind all the rest of the file.

So a model sees what it has to fit, but not what it would copy; and nothing comes behind it, so that
the file ends where the function does.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence

from agent.context.python import NO_PYTHON, bound, lines_of, statements_at
from agent.events import Place

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def culprits(text: str, path: str, places: Sequence[Place], tests: Mapping[str, str]) -> list[str]:
    """The functions at the top of a file that a failed check points at, the likeliest first.

    Where it failed in the file, that function; where in a test, those that its statement calls and
    that need no other. `tests` are the texts of the test files by their paths.
    """
    functions = {name: node for name, node in _definitions(text).items() if _is_function(node)}
    inside = [line for file, line, _ in places if file == path]
    found = [name for line in inside for name, node in functions.items() if line in lines_of(node)]
    for file, line, _ in places:
        wanted = [name for name in called(tests.get(file, ""), line) if name in functions]
        found += [name for name in wanted if needed(text, [name]) == {name}]
    return list(dict.fromkeys(found))


def called(text: str, line: int, *, whole_test: bool = False) -> list[str]:
    """The names that the statement at a line calls, or all of the test around it."""
    try:
        around = statements_at(ast.parse(text), line)
    except NO_PYTHON:
        return []
    inner = [node for node in around if _is_function(node)][:1] if whole_test else around[-1:]
    calls = [node for each in inner for node in ast.walk(each) if isinstance(node, ast.Call)]
    return [ast.unparse(node.func).rpartition(".")[2] for node in calls]


def definitions(text: str) -> list[str]:
    """The names of the functions and classes at the top of a file."""
    return list(_definitions(text))


def needed(text: str, names: Iterable[str]) -> set[str]:
    """These definitions of a file and those that they use, with what they use of other files of the
    project."""
    known = _definitions(text)
    foreign = _foreign(text) if known else set()
    found: set[str] = set()
    left = [name for name in names if name in known]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            nodes = ast.walk(known[name]) if name in known else ()
            uses = {node.id for node in nodes if isinstance(node, ast.Name)}
            left += uses & (known.keys() | foreign)
    return found


def _foreign(text: str) -> set[str]:
    """The names that a file imports, other than from the standard library."""
    return {
        name
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and not _modules(node) <= sys.stdlib_module_names
        for name in bound([node])
    }


def _modules(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {"" if node.level else (node.module or "").partition(".")[0]}


def opened(text: str, name: str) -> str:
    """The file up to where the body of its function `name` begins, which comes last; '' where that
    cannot be."""
    node = _definitions(text).get(name)
    if node is None or not _is_function(node) or node.body[0].lineno == node.lineno:
        return ""
    head = text.splitlines(keepends=True)[lines_of(node).start - 1 : node.body[0].lineno - 1]
    return without_run(text, name) + "".join(head)


def without_run(text: str, name: str = "") -> str:
    """A Python file to which a definition can be added, without the one of this name, and without
    what runs when the file is run: that has to come last."""
    try:
        body = ast.parse(text).body
    except NO_PYTHON:
        return ""
    own = _definitions(text).get(name)
    gone = set(lines_of(own)) if own else set()
    for each in body:
        gone |= set(lines_of(each)) if isinstance(each, ast.If) else set()
    lines = text.splitlines(keepends=True)
    rest = "".join(line for number, line in enumerate(lines, 1) if number not in gone).rstrip()
    return f"{rest}\n\n\n" if rest else ""


def source_of(text: str, name: str) -> str:
    """The text of a definition; '' where there is none."""
    node = _definitions(text).get(name)
    return ast.get_source_segment(text, node) or "" if node else ""


def filled(text: str, name: str, written: str) -> str:
    """`text` with the function `name`, and what is new beside it, as `written` has them; '' where
    it has no such function."""
    old, new = _definitions(text).get(name), _definitions(written).get(name)
    if old is None or new is None:
        return ""
    known = bound(ast.parse(text).body)
    lines = written.splitlines(keepends=True)
    fresh = [node for node in ast.parse(written).body if bound([node]) - known]
    parts = ["".join(lines[n - 1] for n in lines_of(node)).rstrip("\n") for node in [*fresh, new]]
    before, behind = lines_of(old).start - 1, lines_of(old).stop - 1
    own = text.splitlines(keepends=True)
    return "".join([*own[:before], "\n\n\n".join(parts), "\n", *own[behind:]])


def _definitions(text: str) -> dict[str, _Function | ast.ClassDef]:
    try:
        body = ast.parse(text).body
    except NO_PYTHON:
        return {}
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name: node for node in body if isinstance(node, kinds)}


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, _Function)
