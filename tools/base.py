"""What a tool is: a name, typed arguments, and an async function that returns a value.

A tool never raises for what the model did wrong: it returns ``ToolResult(ok=False)`` whose text
says what was wrong, what is expected, and what to try next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.workspace import Workspace


class Arguments(BaseModel):
    """Base of the argument models: unknown fields are an error that the model gets to read."""

    model_config = ConfigDict(extra="forbid")


class JsonArguments(Arguments):
    """Arguments whose JSON Schema is given as such, and not by typed fields.

    A subclass sets ``parameters``, the schema that is declared as it is, and :meth:`check`.
    """

    model_config = ConfigDict(extra="allow")
    parameters: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        cls.check(value)
        return value

    @classmethod
    def check(cls, value: Any) -> None:
        """Raises PydanticCustomError for what does not fit."""

    def values(self) -> dict[str, Any]:
        """The arguments as they came."""
        return dict(self.model_extra or {})


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True)
class ToolResult:
    """What a call brought back.

    ``text`` is for the model; ``diff`` (unified) and ``exit_code`` are for the user interface;
    ``changed`` lists the workspace-relative paths that were written; ``same`` says that nothing was
    since the file has that very content.
    """

    text: str
    ok: bool = True
    diff: str = ""
    changed: tuple[str, ...] = ()
    exit_code: int | None = None
    same: bool = False


@dataclass(frozen=True)
class ToolContext:
    """All that a tool may touch."""

    workspace: Workspace
    sandbox: Sandbox
    output: OutputStore


@dataclass(frozen=True)
class Tool(Generic[A]):
    """One capability of the model.

    ``raw`` names the arguments (strings) that may travel outside the JSON, as fenced blocks in
    that order: code inside JSON strings is where small models break. ``existing`` says what
    ``path`` has to be where it exists already, and ``copied`` names the argument that is a piece
    of that file. ``preview`` changes nothing and gives the unified diff that ``run`` would make, or
    the result with which it would refuse.
    """

    name: str
    description: str
    arguments: type[A]
    run: Callable[[A, ToolContext], Awaitable[ToolResult]]
    raw: tuple[str, ...] = ()
    writes: bool = False
    existing: Literal["", "file", "folder", "any"] = ""
    copied: str = ""
    preview: Callable[[A, ToolContext], str | ToolResult] | None = None

    def parameters(self) -> dict[str, Any]:
        """JSON Schema of the arguments, without the titles that only cost tokens."""
        if issubclass(self.arguments, JsonArguments):
            return self.arguments.parameters
        schema = self.arguments.model_json_schema()
        return _without_titles(schema)


def failed(text: str) -> ToolResult:
    """The result of a call that did nothing; `text` tells the model why and what to try."""
    return ToolResult(text, ok=False)


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop pydantic's generated titles and docstrings; keep properties that are named 'title'.

    A value that may be null is shown as its other type only: leaving it out means the same.
    """
    kept = {k: v for k, v in schema.items() if k not in ("title", "additionalProperties")}
    options = [option for option in kept.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        kept |= options[0]
    if "default" in kept and kept["default"] is None:
        del kept["default"]
    if "properties" in kept:
        kept.pop("description", None)
        kept["properties"] = {k: _without_titles(v) for k, v in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _without_titles(kept["items"])
    return kept


__all__ = [
    "Arguments",
    "JsonArguments",
    "OutputStore",
    "Sandbox",
    "Tool",
    "ToolContext",
    "ToolResult",
    "Workspace",
    "failed",
]
