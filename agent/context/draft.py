"""How long a small model's file may become, and what of one stays that was cut off there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress

from agent.context.blueprint import is_document
from agent.context.prompt import fence_opening
from agent.context.python import NO_PYTHON, Fault
from agent.context.testing import HELPER
from tools.code.naming import is_test

FILE_SHARE = 8  # of the window
LEAST_FILE = 1_024  # tokens
TESTS_PART = 3  # of a file's room
DOCUMENT_PART = 5
MOST_TIMES = 3  # that tests say the same
LEAST_REPEATED = 8  # characters: an empty line or a fence comes often
_DATA = re.compile(r"[\w./-]*\w\.(csv|tsv|txt|md|json|jsonl|xml|yaml|yml|toml|ini|log|html)")
_MAKES = re.compile("write|save|dump|temp|tmp|copy|run|check_output", re.IGNORECASE)
_MODE = re.compile(r"[wax][+bt]*$")
_HEADING = re.compile("#{2,6} ")  # one # may be a comment in an example


def room_for(path: str, n_ctx: int) -> int:
    """Tokens of a file: a small model may go on with a list until the window is full."""
    part = TESTS_PART if is_test(path) else DOCUMENT_PART if is_document(path) else 1
    return max(LEAST_FILE, n_ctx // FILE_SHARE) // part


def unwritten(text: str, files: Collection[str]) -> Fault | None:
    """What is wrong with tests that read a file which neither they nor the project write."""
    try:
        tree = ast.parse(text)
    except NO_PYTHON:
        return None
    nodes = [n for each in tree.body if not _is_helper(each) for n in ast.walk(each)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    if any(_writes(call) for call in calls):
        return None
    names = [text for call in calls for text in _texts(call.args) if _DATA.fullmatch(text)]
    missing = [name for name in names if name not in files]
    return Fault(f"it reads {missing[0]}, which nothing writes", 1) if missing else None


def _is_helper(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == HELPER


def _writes(call: ast.Call) -> bool:
    """Whether a call may make a file."""
    name = ast.unparse(call.func).rpartition(".")[2]
    texts = _texts([*call.args, *(keyword.value for keyword in call.keywords)])
    return (
        name == HELPER
        or bool(_MAKES.search(name))
        or (name == "open" and any(_MODE.match(x) for x in texts))
    )


def _texts(nodes: Iterable[ast.expr]) -> list[str]:
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return [value for value in values if isinstance(value, str)]


def whole_part(said: str, path: str) -> str:
    """What is whole in tests or in a document that was cut off; '' if there is nothing.

    `said` is the message with the file's fence.
    """
    if not (is_test(path) or is_document(path)):
        return ""
    lines = said.partition(fence_opening(path))[2].splitlines(keepends=True)[:-1]
    often = {line for line, times in Counter(lines).items() if times > MOST_TIMES}
    if is_document(path):
        lines = [line for line in lines if line not in often or len(line) < LEAST_REPEATED]
        sections = [n for n, line in enumerate(lines) if _HEADING.match(line)]
        return "".join(lines[: sections[-1]] if len(sections) > 1 else lines)
    # Where it lost its way it says the same again and again.
    lines = [line for line in lines if line not in often or "assert" not in line]
    while lines:
        text = "".join(lines)
        with suppress(*NO_PYTHON):
            ast.parse(text)
            return text if "def test" in text else ""
        del lines[-1]
    return ""
