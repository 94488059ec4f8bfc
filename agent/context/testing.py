"""How the tests of a project begin, which a small model goes on with.

Left alone it imports what is not there, names a variable like the function that it tests, and reads
files that nobody wrote. What can be imported is known, and where a function reads a file, the tests
begin with one that makes it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from agent.context.python import NO_PYTHON, module_of
from tools.code.naming import is_test

HELPER = "file_with"
MOST_NAMES = 12  # more are not what one file tests
_PATHS = {"path", "file", "filename", "file_name", "filepath", "file_path"}
_HELPER = f'''

def {HELPER}(text):
    """The path of a new file that has this text."""
    path = Path(tempfile.mkdtemp()) / "file"
    path.write_text(text)
    return str(path)
'''


def opening_of_tests(files: Mapping[str, str], words: str) -> str:
    """The first lines of tests of these `files` (path to text), up to the name of the first class;
    '' where `words`, the task and its check, name no framework, or nothing is to be imported."""
    if "unittest" not in words:
        return ""
    trees = {path: tree for path, text in files.items() if (tree := _code(path, text))}
    names = {path: _public(tree) for path, tree in trees.items()}
    lines = [
        f"from {module_of(path)} import {', '.join(has)}" for path, has in names.items() if has
    ]
    if not lines or sum(map(len, names.values())) > MOST_NAMES:
        return ""
    if not any(_reads(tree) for tree in trees.values()):
        return "\n".join(["import unittest", "", *sorted(lines), "", "", "class Test"])
    head = ["import tempfile", "import unittest", "from pathlib import Path", "", *sorted(lines)]
    return "\n".join([*head, f"{_HELPER}\n", "class Test"])


def _code(path: str, text: str) -> ast.Module | None:
    if not path.endswith(".py") or path.endswith("__main__.py") or is_test(path):
        return None
    try:
        return ast.parse(text)
    except NO_PYTHON:
        return None


def _public(tree: ast.Module) -> list[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = [node.name for node in tree.body if isinstance(node, kinds)]
    return [name for name in names if name != "main" and not name.startswith("_")]


def _reads(tree: ast.Module) -> bool:
    """Whether a function takes the path of a file."""
    return any(isinstance(node, ast.arg) and node.arg in _PATHS for node in ast.walk(tree))
