"""A Python file of a project, with what can be put right in it without asking again.

A small model knows which names it wants to use, and forgets where it wrote them, what the standard
library wants imported, and that somebody has to call main. The project knows.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from agent.context.expectations import consistent, without_test
from agent.context.python import NO_PYTHON, bound, defined, imported, module_of, source
from agent.context.shadows import unshadowed
from agent.context.texts import outdented
from tools.code.naming import is_test

# Where names come from that are used without a word about it.
_USUAL = {
    "collections": "Counter OrderedDict defaultdict deque namedtuple",
    "dataclasses": "dataclass",
    "datetime": "timedelta",
    "decimal": "Decimal",
    "enum": "Enum",
    "functools": "lru_cache partial reduce",
    "io": "StringIO BytesIO",
    "pathlib": "Path",
    "typing": "Any Callable Dict Iterable Iterator List Optional Sequence Set Tuple Union",
    "unittest": "TestCase",
    "unittest.mock": "MagicMock Mock mock_open patch",
}
USUAL = {name: module for module, names in _USUAL.items() for name in names.split()}
CALL_MAIN = '\n\nif __name__ == "__main__":\n    main({})\n'


def mended(text: str, path: str, files: Mapping[str, str]) -> str:
    """`text` of the file `path` as it can work in a project of these `files` (path to text).

    Names of the project are imported from where they are defined, if that is one place; main() is
    called where the file is run; no local hides the function whose value it is given; what is
    imported of others and not used goes. Of tests, those of names that nothing defines go and what
    contradicts a line before it; their texts stand at the left, as they are meant. No text that is
    no Python is touched.
    """
    if not path.endswith(".py") or _parsed(text) is None:
        return text
    others = {name: tree for name, tree in _trees(files).items() if name != path}
    text = unshadowed(_with_main_called(text, path))
    text = _without_strangers(_with_imports_turned(text, path, others), path, others)
    text = _with_what_is_used(text, path, others)
    return consistent(outdented(_without_unknown(text, path))) if is_test(path) else text


def exports(names: Mapping[str, str], files: Mapping[str, str]) -> str:
    """The lines of a package's __init__ that make names of its modules its own; `names` maps each
    to the file that is to define it."""
    trees = _trees(files)
    found = {
        name: module_of(path)
        for name, path in names.items()
        if path in trees and name in defined(trees[path].body)
    }
    return "".join(f"{line}\n" for line in _statements(found))


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except NO_PYTHON:
        return None


def _trees(files: Mapping[str, str]) -> dict[str, ast.Module]:
    trees = {path: _parsed(text) for path, text in files.items() if path.endswith(".py")}
    return {path: tree for path, tree in trees.items() if tree is not None}


def _homes(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Each name that exactly one file defines, and the module that this is; tests and what is run
    are imported by nobody."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees.items():
        if not path.endswith("__main__.py") and not is_test(path):
            for name in defined(tree.body):
                places[name].append(module_of(path))
    return {name: where[0] for name, where in places.items() if len(where) == 1}


def _homes_for(path: str, trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Without files that import this one: two that import each other do not load."""
    own = {path, path.replace("/__init__", "")}
    return _homes({name: tree for name, tree in trees.items() if not own & imported(tree, name)})


def _with_main_called(text: str, path: str) -> str:
    """With a call of main at its end, where it is run and nothing would happen."""
    tree = ast.parse(text)
    own = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main"]
    is_run = PurePosixPath(path).name == "__main__.py" and "main" in bound(tree.body)
    acts = [node for node in tree.body if isinstance(node, ast.If | ast.Expr | ast.Try | ast.With)]
    does_something = any(isinstance(node, ast.Call) for act in acts for node in ast.walk(act))
    if does_something or not (own or is_run):
        return text
    needed = len(own[0].args.args) - len(own[0].args.defaults) if own else 0
    return text.rstrip() + "\n" + CALL_MAIN.format("sys.argv[1:]" if needed else "")


def _with_imports_turned(text: str, path: str, trees: Mapping[str, ast.Module]) -> str:
    """With each `from … import` that would fail turned to where its names are."""
    tree = ast.parse(text)
    homes = _homes_for(path, trees)
    lines = text.split("\n")  # as ast counts them
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in sorted(statements, key=lambda n: -n.lineno):
        away = [each for each in _missing(node, path, trees) if each.name in homes]
        before = lines[node.lineno - 1].encode()[: node.col_offset]
        behind = lines[(node.end_lineno or 0) - 1].encode()[node.end_col_offset :]
        if not away or (before + behind).strip():
            continue
        kept = [each for each in node.names if each not in away]
        new = [ast.ImportFrom(homes[each.name], [each], 0) for each in away]
        if kept:
            new.insert(0, ast.ImportFrom(node.module, kept, node.level))
        indent = " " * node.col_offset
        lines[node.lineno - 1 : node.end_lineno] = [f"{indent}{ast.unparse(n)}" for n in new]
    return "\n".join(lines)


def _without_strangers(text: str, path: str, trees: Mapping[str, ast.Module]) -> str:
    """Without imports of other people's packages that are not used: they may not be there."""
    tree = ast.parse(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    ours = {name.partition("/")[0].removesuffix(".py") for name in [*trees, path]}
    lines = text.split("\n")
    imports = [node for node in tree.body if isinstance(node, ast.Import) and len(node.names) == 1]
    for node in reversed([] if path.endswith("__init__.py") else imports):
        each = node.names[0]
        root = each.name.partition(".")[0]
        is_used = (each.asname or root) in used
        is_alone = lines[node.lineno - 1].strip() == ast.unparse(node)
        if is_alone and not is_used and root not in {*ours, *sys.stdlib_module_names}:
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines)


def _missing(node: ast.ImportFrom, path: str, trees: Mapping[str, ast.Module]) -> list[ast.alias]:
    """The names that are not where a statement looks for them, as far as the project can tell."""
    module = source(node, path)
    modules = {module_of(name): tree for name, tree in trees.items()}
    root = module.partition(".")[0]
    ours = any(name.partition(".")[0] == root for name in [*modules, module_of(path)])
    if not ours and root in sys.stdlib_module_names:
        return []
    has = bound(modules[module].body) if module in modules else set()
    missing = [
        each
        for each in node.names
        if each.name not in {"*", *has} and f"{module}.{each.name}" not in modules
    ]
    # A package of other people may well have some of the names.
    known = _homes_for(path, trees)
    return missing if ours or all(each.name in known for each in node.names) else []


def _with_what_is_used(text: str, path: str, trees: Mapping[str, ast.Module]) -> str:
    """With an import of each name that is used without one."""
    tree = ast.parse(text)
    used = {name for _, name in _unknown(tree, path)}
    homes = _homes_for(path, trees)
    found = {name: home for name in used if (home := homes.get(name) or USUAL.get(name))}
    whole = sorted(used & sys.stdlib_module_names - found.keys())
    new = [*(f"import {name}" for name in whole), *_statements(found)]
    if not new:
        return text
    lines = text.split("\n")
    at = _behind_the_head(tree)
    before, behind = ([""], []) if at else ([], _gap(tree.body[0]))
    lines[at:at] = [*before, *new, *behind]
    return "\n".join(lines)


def _without_unknown(text: str, path: str) -> str:
    """Without the tests that use a name which nothing defines, if others are left: a small model
    tests what it was told of in place of what it wrote."""
    while True:
        shorter = [without_test(text, line) for line, _ in _unknown(ast.parse(text), path)]
        kept = next(filter(None, shorter), "")
        if not kept:
            return text
        text = kept


def _unknown(tree: ast.Module, path: str) -> list[tuple[int, str]]:
    """The names that are used and nowhere defined, each with its line."""
    try:
        messages = Checker(tree, path).messages
    except RecursionError:
        return []
    return [(m.lineno, str(m.message_args[0])) for m in messages if isinstance(m, UndefinedName)]


def _gap(node: ast.stmt) -> list[str]:
    """The empty lines between imports and what comes next."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return []
    return [""] * (2 if isinstance(node, ast.FunctionDef | ast.ClassDef) else 1)


def _statements(found: Mapping[str, str]) -> list[str]:
    """One import for each module of `found`, which maps names to modules."""
    by_module: dict[str, list[str]] = defaultdict(list)
    for name, module in found.items():
        by_module[module].append(name)
    return [
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in sorted(by_module.items())
    ]


def _behind_the_head(tree: ast.Module) -> int:
    """The line behind the docstring, and behind what asks for the future."""
    at = 0
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_text and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        at = node.end_lineno or at
    return at
