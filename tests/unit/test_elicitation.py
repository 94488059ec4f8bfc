"""The forms of MCP servers as questions to a person."""

from __future__ import annotations

from typing import Any

import pytest

from agent.elicitation import fill_in
from agent.ui.repl.host import Decision, Question

ENUM = {"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"]}
TITLED = {"type": "string", "oneOf": [{"const": "x", "title": "Ex"}, {"const": "y"}]}


@pytest.mark.parametrize(
    ("field", "decisions", "value"),
    [
        ({"type": "string"}, [Decision("y", "text")], "text"),
        ({"type": "integer"}, [Decision("y", "7")], 7),
        ({"type": "integer"}, [Decision("y", "seven"), Decision("y", "7")], 7),
        ({"type": "number"}, [Decision("y", "1.5")], 1.5),
        ({"type": "boolean"}, [Decision("y")], True),
        ({"type": "boolean"}, [Decision("x")], False),
        (ENUM, [Decision("2")], "b"),
        (TITLED, [Decision("1")], "x"),
        ({"type": "array"}, [Decision("y", "a, b")], ["a", "b"]),
        ("odd", [Decision("y", "text")], "text"),
    ],
)
async def test_an_answer(field: Any, decisions: list[Decision], value: Any) -> None:
    asked: list[Question] = []

    async def ask(question: Question) -> Decision:
        asked.append(question)
        return decisions.pop(0)

    assert await fill_in("s", "What?", {"properties": {"it": field}}, ask) == {"it": value}
    assert {question.title for question in asked} == {"the MCP server s asks: What?"}
    assert len(asked) == 1 or asked[1].details == (("not taken", "'seven' is no integer"),)


@pytest.mark.parametrize(
    ("schema", "key", "value"),
    [
        ({"properties": {"it": {"type": "string", "default": "blue"}}}, "d", {}),
        ({"properties": {"it": {"type": "string"}}}, "n", None),
        ({}, "y", {}),
        ({}, "n", None),
    ],
)
async def test_what_is_proposed_and_what_is_refused(schema: Any, key: str, value: Any) -> None:
    async def ask(_question: Question) -> Decision:
        return Decision(key)

    assert await fill_in("s", "What?", schema, ask) == value
