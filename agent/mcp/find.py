"""The tool `find_tools`: the way to tools that do not stand in the prompt.

What it finds is declared in its result, behind everything that was evaluated before; the call
grammar widens with the next message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from agent.mcp.declare import tokens
from agent.mcp.rank import rank
from agent.messages import ToolSpec
from tools.base import Arguments, Tool, ToolContext, ToolResult, failed

NAME = "find_tools"
MOST = 5
MOST_SERVERS = 12


class FindArguments(Arguments):
    words: str = Field(min_length=1, max_length=400)


@dataclass(frozen=True)
class Found:
    """A tool that can be declared; `text` is what it is searched by. Making one takes a moment."""

    make: Callable[[], Tool[Any]]
    server: str
    text: str


class Library(Protocol):
    """What there is to find; asked at each call."""

    async def settle(self) -> None:
        """Give servers that are still starting a moment."""

    def findable(self) -> Mapping[str, Found]: ...

    def notes(self, servers: Sequence[str]) -> str:
        """What the model should know of some servers, once each."""

    def missing(self) -> str:
        """Which servers cannot be used now, and why; '' if all can."""


Declare = Callable[[Tool[Any]], str]
"""Lets a tool be called from now on; its declaration, which is then shown to the model."""


def find_tool(
    servers: Sequence[str], library: Library, declare: Declare, is_shown: Callable[[str], bool],
    most_tokens: int,
) -> Tool[FindArguments]:  # fmt: skip
    """The tool; of one search at most `most_tokens` are declared, and at least one tool.

    What `is_shown` knows stands in front of the model already and is only named.
    """
    names = ", ".join(servers[:MOST_SERVERS]) + (", ..." if len(servers) > MOST_SERVERS else "")
    description = f"Find more tools by words; they can be called afterwards. Servers: {names}."

    async def run(arguments: FindArguments, _context: ToolContext) -> ToolResult:
        await library.settle()
        found = library.findable()
        order = rank(arguments.words, {name: one.text for name, one in found.items()})
        if not order:
            return failed(_nothing(arguments.words, found, library.missing()))
        lines: list[str] = []
        known: list[str] = []
        used: list[str] = []
        spent = 0
        for name in order:
            if is_shown(name):
                known.append(name)
                continue
            tool = found[name].make()
            spec = ToolSpec(tool.name, tool.description, tool.parameters())
            spent += tokens(spec)
            if len(lines) == MOST or (lines and spent > most_tokens):
                break
            lines.append(declare(tool))
            used.append(found[name].server)
        head = f"These can be called now ({len(lines)} of {len(order)} that match):"
        parts = [
            *([head, *lines] if lines else []),
            f"Declared before: {', '.join(known[:MOST])}" if known else "",
            library.notes(list(dict.fromkeys(used))),
            library.missing(),
        ]
        return ToolResult("\n".join(part for part in parts if part))

    return Tool(NAME, description, FindArguments, run)


def _nothing(query: str, found: Mapping[str, Found], missing: str) -> str:
    """No tool fits: what there is instead."""
    names = ", ".join(found)
    there = f"There are: {names[:600]}{'...' if len(names) > 600 else ''}" if found else ""
    return "\n".join(part for part in (f"no tool matches {query!r}.", there, missing) if part)
