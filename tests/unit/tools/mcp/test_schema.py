"""Schemas of servers: bounded, without references, and never in the way of the call grammar."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer
from pydantic import ValidationError

from agent.dialects.grammar import call_grammar
from agent.dialects.xml_grammar import QWEN, xml_call_grammar
from agent.mcp.declare import arguments_of, declaration, grammatical
from agent.mcp.pins import ToolDeclaration
from agent.messages import ToolSpec
from tools.mcp.schema import any_object, problems, read_schema

NESTED: dict[str, Any] = {"type": "object"}
for _ in range(200):
    NESTED = {"type": "object", "properties": {"a": NESTED}}
WIDE = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(3000)}}
BOMB = {
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/d0"}},
    "$defs": {
        **{f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 10} for i in range(12)},
        "d12": {"type": "string"},
    },
}
ODD: dict[str, Any] = {
    "no object": "text",
    "nothing": None,
    "true": True,
    "a string": {"type": "string"},
    "an empty one": {},
    "no schema": {"type": "object", "properties": {"a": {"type": "whatever"}}},
    "properties is a list": {"type": "object", "properties": ["a"]},
    "required is text": {"type": "object", "properties": {}, "required": "a"},
    "itself": {"type": "object", "properties": {"a": {"$ref": "#"}}},
    "a loop": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "not there": {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
    "elsewhere": {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x.json"}}},
    "nested": NESTED,
    "wide": WIDE,
    "bomb": BOMB,
    "long": {"type": "object", "description": "x" * 100_000},
    "bad pattern": {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
    "look-ahead": {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)y"}}},
    "format": {"type": "object", "properties": {"a": {"type": "string", "format": "moon"}}},
    "conditions": {
        "type": "object",
        "properties": {"a": {"type": "array", "uniqueItems": True, "contains": {"const": 1}}},
        "if": {"required": ["a"]}, "then": {"required": ["b"]}, "not": {"required": ["c"]},
        "patternProperties": {"^x": {"type": "string"}}, "dependentRequired": {"a": ["b"]},
    },
    "nothing fits": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 2,
                                                              "maximum": 1}}, "required": ["a"]},
    "never": {"type": "object", "properties": {"a": False}, "required": ["a"]},
    "odd names": {"type": "object", "properties": {'a"b\n': {"type": "string"}, "": {}}},
    "unknown required": {"type": "object", "properties": {}, "required": ["ghost"]},
}  # fmt: skip
GOOD = ToolSpec("good", "", {"type": "object", "properties": {"n": {"type": "integer"}},
                             "required": ["n"]})  # fmt: skip


def declared(schema: Any) -> ToolSpec:
    tool = ToolDeclaration("odd", "Odd.", schema)
    return ToolSpec("s__odd", tool.description, arguments_of(tool, "s__odd").parameters)


def takes(lark: str, text: str) -> bool:
    tokenizer = LLTokenizer("byte")
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(lark), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return bool(matcher.consume_tokens(tokenizer.tokenize_str(text)))


@pytest.mark.parametrize("name", ODD)
def test_no_schema_breaks_the_grammar_of_the_others(name: str) -> None:
    odd = declared(ODD[name])
    assert takes(call_grammar([GOOD, odd]), '{"name": "good", "arguments": {"n": 1}}')
    assert not takes(call_grammar([GOOD, odd]), '{"name": "good", "arguments": {"n": "x"}}')
    assert takes(xml_call_grammar([GOOD, odd], QWEN), "<function=good>\n<parameter=n>\n1\n")
    assert len(declaration(odd)) < 70_000


def test_without_the_care_a_schema_does_break_it() -> None:
    raw = ToolSpec("odd", "", {"type": "object", "properties": {"a": {"not": {"type": "null"}}}})
    grammar = LLMatcher.grammar_from_lark(call_grammar([GOOD, raw]))
    assert LLMatcher.validate_grammar(grammar).startswith("at ")


def test_a_loop_of_references_ends_where_it_closes() -> None:
    assert len(json.dumps(declared(ODD["itself"]).parameters)) < 150


def test_any_object_can_be_said_where_nothing_is_known() -> None:
    odd = declared("text")
    text = '{"name": "s__odd", "arguments": {"anything": [1, {"deep": null}]}}'
    assert takes(call_grammar([GOOD, odd]), text)


def test_what_can_be_kept_is_kept() -> None:
    schema = {
        "type": "object",
        "title": "Dropped",
        "properties": {
            "path": {"$ref": "#/$defs/Path", "description": "Which file"},
            "mode": {"enum": ["r", "w"], "default": "r"},
            "odd": {"type": "string", "pattern": "(?=x)", "description": "Stays"},
        },
        "required": ["path"],
        "$defs": {"Path": {"type": "string", "minLength": 1, "title": "Path"}},
    }
    found = declared(schema).parameters
    assert found == {
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "description": "Which file"},
            "mode": {"enum": ["r", "w"], "default": "r"},
            "odd": {"type": "string", "description": "Stays"},
        },
        "required": ["path"],
    }


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "array"}, "it does not describe an object"),
        (ODD["long"], "it has more than 60,000 characters"),
        (BOMB, "it has more than 3,000 parts with its references written out"),
        (ODD["no schema"], "properties/a/type is no JSON Schema"),
    ],
)
def test_why_a_schema_became_any_object(schema: Any, problem: str) -> None:
    assert read_schema(schema) == any_object(problem)


def test_arguments_are_checked_before_they_are_sent() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "uniqueItems": True}, "n": {"type": "integer"}},
        "required": ["n"],
    }
    kind = arguments_of(ToolDeclaration("t", "", schema), "s__t")
    given = {"n": 1, "a": [1, 2], "more": {"x": [None]}, "model_config": 1, "_private": 2}
    assert kind.model_validate(given).values() == given
    with pytest.raises(ValidationError) as caught:
        kind.model_validate({"a": [1, 1]})
    text = caught.value.errors()[0]["msg"]
    assert "'n' is a required property" in text
    assert "a: [1, 1] has non-unique elements" in text


@pytest.mark.parametrize("name", ODD)
def test_checking_never_raises(name: str) -> None:
    read = read_schema(ODD[name])
    assert isinstance(problems(read.checked, {"a": {"a": [1e308, "x"]}}), str)
    json.dumps(grammatical(read.declared))


def test_a_pattern_that_takes_for_ever_is_left_to_the_server() -> None:
    slow = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}
    assert problems(read_schema(slow).checked, {"a": "a" * 60 + "!"}) == ""
