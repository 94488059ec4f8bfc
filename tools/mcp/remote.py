"""A server's tool as one of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from pydantic_core import PydanticCustomError

from tools.base import JsonArguments, Tool, ToolContext, ToolResult
from tools.mcp.schema import Json, problems

Call = Callable[[dict[str, Any], ToolContext], Awaitable[ToolResult]]


def json_arguments(name: str, declared: Json, checked: Json) -> type[JsonArguments]:
    """Arguments that are declared by one JSON Schema and checked by another."""

    class Given(JsonArguments):
        parameters: ClassVar[Json] = declared

        @classmethod
        def check(cls, value: Any) -> None:
            if wrong := problems(checked, value):
                raise PydanticCustomError("json_schema", "{wrong}", {"wrong": wrong})

    Given.__name__ = Given.__qualname__ = name
    return Given


def remote_tool(
    name: str, description: str, arguments: type[JsonArguments], call: Call, *, writes: bool
) -> Tool[Any]:
    """The tool under the name by which the model calls it; `call` gets the plain arguments."""

    async def run(given: JsonArguments, context: ToolContext) -> ToolResult:
        return await call(given.values(), context)

    return Tool(name, description, arguments, run, writes=writes)
