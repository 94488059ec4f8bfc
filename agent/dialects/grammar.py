"""Call grammars in llguidance's Lark, from the tools' JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent.messages import ToolSpec


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without room for properties that it does not name."""
    return {**schema, "additionalProperties": False}


def arguments_grammar(tool: ToolSpec) -> str:
    """The value of ``"arguments"`` of a call of this tool, and the brace that ends the call."""
    return f'start: WS? arguments WS? "}}"\nWS: /[ \\n]{{1,8}}/\narguments: %json {_schema(tool)}\n'


def call_grammar(tools: Sequence[ToolSpec]) -> str:
    """A whole call object of one of the tools, behind its opening tag."""
    choices = [
        {
            "type": "object",
            "properties": {"name": {"const": t.name}, "arguments": closed(t.parameters)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for t in tools
    ]
    return f"start: NL? call\nNL: /\\n/\ncall: %json {json.dumps({'anyOf': choices})}\n"


def _schema(tool: ToolSpec) -> str:
    return json.dumps(closed(tool.parameters))
