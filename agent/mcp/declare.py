"""A server's tool as the model is told of it: a short description, and a schema that the call
grammar can express."""

from __future__ import annotations

import json
from typing import Any

from agent.dialects.grammar import closed
from agent.mcp.pins import ToolDeclaration
from agent.messages import ToolSpec
from agent.schema import why_unsupported
from tools.base import JsonArguments
from tools.mcp.remote import json_arguments
from tools.mcp.schema import any_object, read_schema

LONGEST_DESCRIPTION = 400  # characters
CHARS_PER_TOKEN = 3  # of JSON; a careful estimate
# What llguidance can hold a value to. The rest is checked when the call is made.
EXPRESSIBLE = ("type", "enum", "const", "properties", "required", "additionalProperties", "items",
               "prefixItems", "minItems", "maxItems", "anyOf", "allOf", "oneOf", "minimum",
               "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
               "maxLength", "description", "default")  # fmt: skip
HARD = ("pattern", "format")  # expressible as long as their values are


def arguments_of(tool: ToolDeclaration, name: str) -> type[JsonArguments]:
    """The arguments of a tool, in a form that every grammar of ours takes."""
    read = read_schema(tool.schema)
    return json_arguments(name, grammatical(read.declared), read.checked)


def grammatical(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, as much of it as a call grammar can hold a model to.

    In steps: whole, without patterns and formats, the hard arguments as any value, any object. A
    grammar is made of all tools at once, so that one that cannot be compiled would cost the rest.
    """
    for kept in ((*EXPRESSIBLE, *HARD), EXPRESSIBLE):
        tried: dict[str, Any] = _only(schema, kept)
        if _can(tried):
            return tried
    properties = {
        name: value if _can(_alone(name, value)) else _described(value)
        for name, value in tried.get("properties", {}).items()
    }
    tried = {**tried, "properties": properties}
    plain: dict[str, Any] = {
        key: tried[key] for key in ("type", "properties", "required") if key in tried
    }
    return next((form for form in (tried, plain) if _can(form)), any_object().declared)


def _can(schema: dict[str, Any]) -> bool:
    return not why_unsupported(closed(schema))


def _alone(name: str, value: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: value}}


def _described(value: Any) -> dict[str, Any]:
    text = value.get("description") if isinstance(value, dict) else None
    return {"description": text} if text else {}


def _only(schema: Any, kept: tuple[str, ...]) -> Any:
    """The schema with these keywords only; of oneOf only that one of them has to fit."""
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key not in kept:
            continue
        if key == "properties":
            found[key] = {name: _only(inner, kept) for name, inner in value.items()}
        elif key in ("anyOf", "allOf", "oneOf", "prefixItems"):
            found["anyOf" if key == "oneOf" else key] = [_only(inner, kept) for inner in value]
        else:
            found[key] = _only(value, kept) if key in ("items", "additionalProperties") else value
    return found


def shown(text: str) -> str:
    """A tool's description in a bounded form."""
    text = "\n".join(line.strip() for line in text.strip().splitlines() if line.strip())
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[:LONGEST_DESCRIPTION]}..."


def declaration(spec: ToolSpec) -> str:
    """What the model is shown of a tool that is declared during the session: one line of JSON."""
    value = {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tokens(spec: ToolSpec) -> int:
    """About how many tokens the declaration takes."""
    return len(declaration(spec)) // CHARS_PER_TOKEN + 8
