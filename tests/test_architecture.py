"""The house rules that a machine can check: who may import whom, no cycles, nothing too large."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Lower may not import higher; rooms on one level may import each other unless FORBIDDEN says no.
LEVELS: list[set[str]] = [
    {
        "agent.errors",
        "agent.fieldtypes",
        "agent.messages",
        "agent.events",
        "agent.config",
        "agent.handles",
        "agent.approval",
        "agent.energy",
    },
    {"tools"},
    {"mcp_servers"},
    {"agent.engine", "agent.dialects", "agent.models"},
    {"agent.context", "agent.policy", "agent.hooks", "agent.schema", "agent.job", "agent.settings"},
    {
        "agent.mcp",
        "agent.dispatch",
        "agent.check",
        "agent.blame",
        "agent.places",
        "agent.trace",
        "agent.search",
        "agent.speech",
        "agent.parts",
        "agent.exchange",
        "agent.toolbox",
    },
    {
        "agent.turn",
        "agent.runner",
        "agent.attempts",
        "agent.window",
        "agent.loop",
        "agent.briefing",
        "agent.blueprint",
        "agent.repair",
        "agent.doubts",
        "agent.trial",
        "agent.plan",
        "agent.delegate",
        "agent.title",
        "agent.work",
    },
    {"agent.session", "agent.recall"},
    {"agent.ui"},
    {"agent.app", "agent.loading", "agent.picture"},
    {
        "agent.chat",
        "agent.terms",
        "agent.conversation",
        "agent.commands",
        "agent.asking",
        "agent.elicitation",
    },
    {"agent.serve", "agent.serve_http"},
    {"agent.cli"},
]
FORBIDDEN = {
    "tools": {"agent.errors", "agent.messages", "agent.events", "agent.config"},
    "mcp_servers": {"agent"},
    "agent.engine": {"agent.dialects", "agent.models"},
    "agent.dialects": {"agent.engine", "agent.models"},
    "agent.models": {"agent.engine", "agent.dialects"},
}
UI_SEES = {"agent.ui", "agent.session", "agent.events", "agent.config", "agent.errors",
           "agent.messages", "agent.approval"}  # fmt: skip
MOST_LINES = 400
MOST_FUNCTION_LINES = 50


def sources() -> list[Path]:
    return sorted(
        path
        for top in ("agent", "tools", "mcp_servers")
        for path in (ROOT / top).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(path: Path, *, at_import_time: bool = False) -> Iterator[str]:
    """Absolute names of the project's modules that a file imports, also inside functions."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if at_import_time else ast.walk(tree)
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            names = [
                f"{base}.{alias.name}" if (ROOT / base.replace(".", "/")).is_dir() else base
                for alias in node.names
            ]
        yield from (n for n in names if n.split(".")[0] in ("agent", "tools", "mcp_servers"))


def room(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "agent" else parts[0]


def level(name: str) -> int:
    here = room(name)
    found = [i for i, rooms in enumerate(LEVELS) if here in rooms]
    assert found, f"{here} has no place in LEVELS: decide where it belongs"
    return found[0]


def is_plain_package(path: Path) -> bool:
    return module(path) in ("agent", "tools", "mcp_servers")


@pytest.mark.parametrize("path", sources(), ids=module)
def test_imports_go_one_way(path: Path) -> None:
    if is_plain_package(path):
        return
    here = module(path)
    for name in imports(path):
        assert level(name) <= level(here), f"{here} imports {name}, which stands above it"
        for banned in FORBIDDEN.get(room(here), set()):
            assert not name.startswith(banned), f"{here} must not know {name}"
        if room(here) == "agent.ui":
            assert room(name) in UI_SEES, f"{here} sees {name}"


def test_no_import_cycles() -> None:
    known = {module(path) for path in sources()}
    graph = {
        module(path): {n for n in imports(path, at_import_time=True) if n in known}
        for path in sources()
    }
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in finished:
            for other in sorted(graph[name] - {name}):
                visit(other, (*trail, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize("path", sources(), ids=module)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    lines = text.count("\n")
    assert lines <= MOST_LINES, f"{path.name} has {lines} lines: split it by idea"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{module(path)}.{node.name}"
            assert size <= MOST_FUNCTION_LINES, f"{name}: {size} lines"


def test_the_rules_notice_a_violation(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from agent.loop import Loop\n", "utf-8")
    assert list(imports(bad)) == ["agent.loop"]
    assert level("agent.loop") > level("agent.engine.base")
