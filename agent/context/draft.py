"""How long a small model's file may become, and what of one stays that was cut off there."""

from __future__ import annotations

import ast
from collections import Counter
from contextlib import suppress

from agent.context.blueprint import is_document, is_test
from agent.context.prompt import fence_opening
from agent.context.python import NO_PYTHON

FILE_SHARE = 8  # of the window
LEAST_FILE = 1_024  # tokens
TESTS_PART = 3  # of a file's room
DOCUMENT_PART = 5
MOST_TIMES = 3  # that tests say the same
LEAST_REPEATED = 8  # characters: an empty line or a fence comes often


def room_for(path: str, n_ctx: int) -> int:
    """Tokens of a file: a small model may go on with a list until the window is full."""
    part = TESTS_PART if is_test(path) else DOCUMENT_PART if is_document(path) else 1
    return max(LEAST_FILE, n_ctx // FILE_SHARE) // part


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
        sections = [n for n, line in enumerate(lines) if line.startswith("## ")]
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
