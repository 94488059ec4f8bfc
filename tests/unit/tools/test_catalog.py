from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from tools.catalog import default_tools


def test_the_default_tools_are_these() -> None:
    assert [tool.name for tool in default_tools()] == [
        "read",
        "write",
        "edit",
        "list",
        "grep",
        "shell",
    ]


def test_all_schemas_together_stay_small() -> None:
    functions = [
        {"name": t.name, "description": t.description, "parameters": t.parameters()}
        for t in default_tools()
    ]
    rendered = [json.dumps({"type": "function", "function": function}) for function in functions]
    assert sum(map(len, rendered)) <= 2_600


def test_schemas_have_no_noise() -> None:
    rendered = json.dumps([tool.parameters() for tool in default_tools()])
    for noise in ("title", "additionalProperties", "anyOf", "null", "Base of"):
        assert noise not in rendered


def test_raw_arguments_are_required_strings() -> None:
    for tool in default_tools():
        schema = tool.parameters()
        for name in tool.raw:
            assert schema["properties"][name] == {"type": "string"}
            assert name in schema["required"]


def test_tools_that_write_say_so() -> None:
    assert {t.name for t in default_tools() if t.writes} == {"write", "edit", "shell"}


def test_arguments_out_of_bounds_are_errors() -> None:
    tools = {tool.name: tool for tool in default_tools()}
    for name, arguments in [
        ("read", {"path": "a", "lines": 3}),
        ("read", {"path": "a", "first_line": 0}),
        ("shell", {"command": "true", "timeout_s": 601}),
        ("shell", {"command": "true", "timeout_s": 0}),
    ]:
        with pytest.raises(ValidationError):
            tools[name].arguments.model_validate(arguments)
