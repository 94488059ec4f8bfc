"""What can be seen of a Python file without running it: what it imports, and what it defines."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

_NAME = re.compile(r"\s*(?P<kind>class |def |async def )?\s*(?P<name>[A-Za-z_]\w*)")


def fault(text: str, path: str, defines: Sequence[str] = (), later: Collection[str] = ()) -> str:
    """Why a Python file cannot be what was planned; '' if nothing is known against it.

    `defines` are the signatures that others count on, `later` the paths that are still to be
    written.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"it is no valid Python ({error})"
    names = imported(tree, path)
    if path in names:
        return "it imports itself"
    # Two modules that import each other mostly leave the work to each other.
    if early := names & set(later):
        return f"it imports {min(early)}, which is written later"
    if missing := undefined(tree, defines):
        return f"it does not define {', '.join(missing)}"
    return ""


def imported(tree: ast.Module, path: str) -> set[str]:
    """The paths that a file imports if its project has them; `path` is its own."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = PurePosixPath(path).parts[: -node.level] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return {f"{name.replace('.', '/')}.py" for name in names if name}


def undefined(tree: ast.Module, signatures: Sequence[str]) -> list[str]:
    """Names of the signatures that the file has not: at its top, or anywhere where a class is among
    them, whose methods may be listed beside it."""
    wanted = [match for text in signatures if (match := _NAME.match(text))]
    has_class = any(m["kind"] == "class " or m["name"][:1].isupper() for m in wanted)
    there: set[str] = set()
    for node in ast.walk(tree) if has_class else tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            there.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom):
            there.update(_bound(node))
    return [name for name in dict.fromkeys(m["name"] for m in wanted) if name not in there]


def _bound(node: ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {
        part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)
    }
