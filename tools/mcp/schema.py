"""The JSON Schema of a server's tool: read as an untrusted text, bounded, and without references.

Two forms come out of it. The declared one is what the model reads and what grammars are made of;
the checked one says whether arguments may be sent. Patterns are left out of the checked one, since
Python's regular expressions can be made to run for ever: the server checks those itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator
from jsonschema_specifications import REGISTRY

LARGEST = 60_000  # characters of JSON
MOST_NODES = 3_000
DEEPEST = 24
LONGEST_TEXT = 300  # characters of a description of an argument
MOST_PROBLEMS = 3
Json = dict[str, Any]
MAPS = ("properties", "patternProperties", "dependentSchemas")
LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains",
          "propertyNames", "unevaluatedProperties", "unevaluatedItems")  # fmt: skip
# Plain values that say something about a value; what is not named here or above is dropped.
PLAIN = ("type", "enum", "const", "required", "minimum", "maximum", "exclusiveMinimum",
         "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format",
         "minItems", "maxItems", "uniqueItems", "minContains", "maxContains",
         "minProperties", "maxProperties", "dependentRequired", "default")  # fmt: skip
# What can make a check of arguments run for ever.
UNCHECKED = ("pattern", "patternProperties")


@dataclass(frozen=True)
class Read:
    """A schema as it was read. `problem` says why it became any object ('' if it did not)."""

    declared: Json
    checked: Json = field(default_factory=lambda: {"type": "object"})
    problem: str = ""


def any_object(problem: str = "") -> Read:
    """Takes every object."""
    declared = {"type": "object", "properties": {}, "additionalProperties": True}
    return Read(declared, problem=problem)


def read_schema(schema: Any) -> Read:
    """Make a server's schema safe to use; never raises."""
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        return any_object("it does not describe an object")
    try:
        if len(json.dumps(schema)) > LARGEST:
            return any_object(f"it has more than {LARGEST:,} characters")
        whole = _Reader(schema).read(schema, ())
        whole = {"type": "object", **whole}
        whole.setdefault("properties", {})
        Draft202012Validator.check_schema(whole)
    except _TooLarge as error:
        return any_object(str(error))
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "it"
        return any_object(f"{place} is no JSON Schema")
    except (ValueError, TypeError, RecursionError):
        return any_object("it cannot be read")
    return Read(whole, _without(whole, UNCHECKED))


def problems(checked: Json, arguments: Any) -> str:
    """What is wrong with arguments, for a model; '' when nothing is."""
    try:
        errors = Draft202012Validator(checked, registry=REGISTRY).iter_errors(arguments)
        first = islice(errors, MOST_PROBLEMS)
        found = [f"{_place(error.absolute_path)}: {_short(error.message)}" for error in first]
    except (RecursionError, ArithmeticError, TypeError, ValueError):
        return ""  # the schema cannot be applied; the server will say what it wants
    return "; ".join(found)


class _TooLarge(Exception):
    """A schema beyond the limits, or one whose references make it so."""


class _Reader:
    """Copies a schema with its references written out; a loop of them ends in any value."""

    def __init__(self, root: Json):
        self._root = root
        self._nodes = 0

    def read(self, schema: Any, open_references: tuple[str, ...], depth: int = 0) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _TooLarge(
                f"it has more than {MOST_NODES:,} parts with its references written out"
            )
        if depth > DEEPEST:
            return {}
        if not isinstance(schema, dict):
            return schema  # true, false, or what check_schema will refuse
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if reference in open_references:
                return {}
            found = self._target(reference)
            aside = {k: v for k, v in schema.items() if k != "$ref"}
            behind = self.read(found, (*open_references, reference), depth + 1)
            return {**behind, **self._copy(aside, open_references, depth)} if isinstance(
                behind, dict
            ) else behind  # fmt: skip
        return self._copy(schema, open_references, depth)

    def _copy(self, schema: Json, open_references: tuple[str, ...], depth: int) -> Json:
        kept: Json = {}
        for key, value in schema.items():
            if key in MAPS and isinstance(value, dict):
                kept[key] = {
                    name: self.read(inner, open_references, depth + 1)
                    for name, inner in value.items()
                }
            elif key in LISTS and isinstance(value, list):
                kept[key] = [self.read(inner, open_references, depth + 1) for inner in value]
            elif key in SINGLE:
                kept[key] = self.read(value, open_references, depth + 1)
            elif key in PLAIN:
                kept[key] = value
            elif key == "description" and isinstance(value, str):
                kept[key] = value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}..."
        return kept

    def _target(self, reference: str) -> Any:
        """What stands at a pointer inside the schema; any value for what is not there."""
        if not reference.startswith("#"):
            return {}
        found: Any = self._root
        for step in reference[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            else:
                return {}
        return found


def _without(schema: Any, keys: tuple[str, ...]) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept: Json = {}
    for key, value in schema.items():
        if key in keys:
            continue
        if key in MAPS and isinstance(value, dict):
            kept[key] = {name: _without(inner, keys) for name, inner in value.items()}
        elif key in LISTS and isinstance(value, list):
            kept[key] = [_without(inner, keys) for inner in value]
        else:
            kept[key] = _without(value, keys) if key in SINGLE else value
    return kept


def _place(path: Any) -> str:
    return ".".join(map(str, path)) or "arguments"


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:160]}..."
