"""What an MCP server asks of a person, as questions one after the other (elicitation)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent.ui.repl.host import Choice, Decision, Question

Ask = Callable[[Question], Awaitable[Decision]]
MOST_FIELDS = 20
MOST_CHOICES = 9
NO = Choice("n", "no answer")
GIVE = Choice("y", "give an answer", needs_reason=True)
PROPOSED = Choice("d", "")


async def fill_in(
    server: str, message: str, schema: Mapping[str, Any], ask: Ask
) -> dict[str, Any] | None:
    """What a person answers, by the schema's properties; None when they do not want to.

    A property that is left out has no value; the server's proposal then stands.
    """
    properties = schema.get("properties")
    title = f"the MCP server {server} asks: {message}"
    if not isinstance(properties, dict) or not properties:
        answer = await ask(Question(title, "", (Choice("y", "yes"), NO)))
        return {} if answer.key == "y" else None
    values: dict[str, Any] = {}
    for name, field in list(properties.items())[:MOST_FIELDS]:
        known = field if isinstance(field, dict) else {}
        given, value = await _value(title, name, known, ask)
        if not given:
            return None
        if value is not None:
            values[name] = value
    return values


async def _value(title: str, name: str, field: Mapping[str, Any], ask: Ask) -> tuple[bool, Any]:
    """Whether there is an answer, and it; None takes what is proposed."""
    about = ": ".join(str(p) for p in (field.get("title") or name, field.get("description")) if p)
    problem = ""
    while True:
        choices = _choices(field)
        details = (("not taken", problem),) if problem else ()
        answer = await ask(Question(title, about, (*(c for c, _ in choices), NO), details))
        found = next(((c, v) for c, v in choices if c.key == answer.key), None)
        if found is None:
            return False, None
        choice, value = found
        if not choice.needs_reason:
            return True, value
        try:
            return True, _read(field, answer.reason)
        except ValueError:
            problem = f"{answer.reason!r} is no {field.get('type')}"


def _choices(field: Mapping[str, Any]) -> list[tuple[Choice, Any]]:
    """What can be answered, each with its value."""
    proposed = [(Choice("d", f"{field['default']!s}"), None)] if "default" in field else []
    if field.get("type") == "boolean":
        return [(Choice("y", "yes"), True), (Choice("x", "not so"), False), *proposed]
    options = options_of(field)
    if options and len(options) <= MOST_CHOICES:
        return [
            *((Choice(str(i), label), value) for i, (value, label) in enumerate(options, 1)),
            *proposed,
        ]
    return [(GIVE, None), *proposed]


def options_of(field: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """The values of an enumeration, with what they are called."""
    for key in ("oneOf", "anyOf"):
        if isinstance(field.get(key), list):
            return [
                (o["const"], str(o.get("title", o["const"])))
                for o in field[key]
                if isinstance(o, dict) and "const" in o
            ]
    values = field.get("enum")
    if not isinstance(values, list):
        return []
    names = field.get("enumNames")
    labels = names if isinstance(names, list) and len(names) == len(values) else values
    return [(value, str(label)) for value, label in zip(values, labels, strict=True)]


def _read(field: Mapping[str, Any], text: str) -> Any:
    """The value that was typed. Raises ValueError."""
    kind = field.get("type")
    if kind == "integer":
        return int(text)
    if kind == "number":
        return float(text)
    if kind == "array":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
