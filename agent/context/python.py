"""What can be seen of a Python file without running it: what it imports, and what it defines."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)  # what ast.parse may raise
# How models write down what a file is to define; a sentence is no signature.
_NAME = re.compile(
    r"\s*(?P<kind>class |def |async def |function |method )?\s*(?:[A-Za-z_]\w*\.)*"
    r"(?P<name>[A-Za-z_]\w*)\s*(?=[(:=]|->|$)"
)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file; `weight` orders faults, `missing` are the names it lacks."""

    text: str
    weight: int
    missing: tuple[str, ...] = ()


def fault(
    text: str, path: str, defines: Sequence[str] = (), later: Collection[str] = ()
) -> Fault | None:
    """Why a Python file cannot be what was planned; None if nothing is known against it.

    `defines` are the signatures that others count on, `later` the paths that are still to be
    written.
    """
    try:
        tree = ast.parse(text)
    except NO_PYTHON as error:
        return Fault(f"it is no valid Python ({error})", 1000)
    names = imported(tree, path)
    if path in names:
        return Fault("it imports itself", 100)
    # Two modules that import each other mostly leave the work to each other.
    if early := names & set(later):
        return Fault(f"it imports {min(early)}, which is written later", 100)
    if missing := undefined(tree, defines):
        return Fault(f"it does not define {', '.join(missing)}", 10 * len(missing), tuple(missing))
    if hollow := stubs(tree, defines):
        return Fault(f"it leaves {', '.join(hollow)} to be written", len(hollow))
    return None


def imported(tree: ast.Module, path: str) -> set[str]:
    """The paths that a file imports if its project has them; `path` is its own."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = source(node, path)
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return {f"{name.replace('.', '/')}.py" for name in names if name}


def module_of(path: str) -> str:
    """The module that a Python file is, from the project's root."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules_of(text: str) -> set[str]:
    """The modules that a file imports by their whole names; {} where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except NO_PYTHON:
        return set()
    whole = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    found = [name.split(".") for name in [*whole, *names] if name]
    return {".".join(parts[: n + 1]) for parts in found for n in range(len(parts))}


def source(node: ast.ImportFrom, path: str) -> str:
    """The module that a statement of the file `path` imports from, from the project's root."""
    above = PurePosixPath(path).parts[: -node.level] if node.level else ()
    return ".".join([*above, *([node.module] if node.module else [])])


def name_of(signature: str) -> str:
    """The name that a signature defines; '' if it has none."""
    match = _NAME.match(signature)
    return match["name"] if match else ""


def signatures(text: str) -> list[str]:
    """The first lines of the functions and classes of a file; [] where it is no Python."""
    try:
        tree = ast.parse(text)
    except NO_PYTHON:
        return []
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            found.append(f"{kind} {node.name}({ast.unparse(node.args)})")
        elif isinstance(node, ast.ClassDef):
            bases = ", ".join(map(ast.unparse, node.bases))
            found.append(f"class {node.name}({bases})" if bases else f"class {node.name}")
    return found


def undefined(tree: ast.Module, signatures: Sequence[str]) -> list[str]:
    """Names of the signatures that the file has not: at its top, or anywhere where a class is among
    them, whose methods may be listed beside it. What begins with def is no method."""
    wanted = [match for text in signatures if (match := _NAME.match(text))]
    has_class = any(m["kind"] == "class " or m["name"][:1].isupper() for m in wanted)
    top, all_names = bound(tree.body), bound(ast.walk(tree))
    missing = dict.fromkeys(
        m["name"]
        for m in wanted
        if m["name"] not in (all_names if has_class and not _is_function(m) else top)
    )
    return list(missing)


def stubs(tree: ast.Module, signatures: Sequence[str]) -> list[str]:
    """Names of the signatures that stand in the file with nothing behind them."""
    wanted = {name_of(text) for text in signatures}
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    nodes = [n for n in ast.walk(tree) if isinstance(n, kinds) and n.name in wanted]
    # An exception of one's own has no more to it.
    plain = [n for n in nodes if not (isinstance(n, ast.ClassDef) and n.bases)]
    return [node.name for node in plain if all(map(_says_nothing, node.body))]


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Pass)


def opening(signatures: Sequence[str], name: str) -> str:
    """The first line of what a signature of this name defines; '' where it cannot be one."""
    for text in signatures:
        match = _NAME.match(text)
        if match and match["name"] == name:
            kind = match["kind"] or ("class " if name[:1].isupper() else "def ")
            kind = "def " if kind in ("function ", "method ") else kind
            line = f"{kind}{text[match.start('name') :].strip().rstrip(':')}:\n"
            try:
                ast.parse(f"{line}    pass")
            except NO_PYTHON:
                return ""
            return line
    return ""


def statements_at(tree: ast.AST, line: int) -> list[ast.stmt]:
    """The statements around a line (from 1), the innermost last."""
    found: list[ast.stmt] = []
    inside: ast.AST | None = tree
    while inside is not None:
        inside = next((each for each in body_of(inside) if line in lines_of(each)), None)
        found += [inside] if inside is not None else []
    return found


def body_of(node: ast.AST) -> list[ast.stmt]:
    """The statements right inside of another one."""
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def lines_of(node: ast.stmt) -> range:
    """The lines of a statement (from 1), with its decorators."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)


def _is_function(match: re.Match[str]) -> bool:
    return match["kind"] in ("def ", "async def ", "function ") and "(self" not in match.string


def bound(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that statements define or import."""
    names = defined(nodes := list(nodes))
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


def defined(nodes: Iterable[ast.AST]) -> set[str]:
    """The names of functions and classes, and those that are assigned to."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for target in targets for part in ast.walk(target)]
            names.update(part.id for part in parts if isinstance(part, ast.Name))
    return names
