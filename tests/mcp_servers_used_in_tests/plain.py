"""A well-behaved server made with the official SDK, over stdio."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, Elicit, Image, MCPServer, Resolve
from pydantic import BaseModel

server = MCPServer("plain", instructions="Add before you multiply.")


class Weather(BaseModel):
    city: str
    degrees: float


class Colour(BaseModel):
    colour: str = "blue"


@server.tool()
def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool()
def weather(city: str) -> Weather:
    """The weather in a city."""
    return Weather(city=city, degrees=21.5)


@server.tool()
def picture() -> Image:
    """A picture."""
    return Image(data=b"\x89PNG" + bytes(12_284), format="png")


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ValueError("no such city")


@server.tool()
async def slow(steps: int, ctx: Context[Any, Any]) -> str:
    """Tells how far it is."""
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"step {step + 1}")
    return "done"


@server.tool()
async def forever(marker: str) -> str:
    """Never ends; writes into a file when it is cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        Path(marker).write_text("cancelled", "utf-8")  # noqa: ASYNC240
    return ""


def which() -> Elicit[Colour]:
    return Elicit("Which colour?", Colour)


@server.tool()
async def ask(answer: Annotated[ElicitationResult[Colour], Resolve(which)]) -> str:
    """Asks the user for a colour."""
    if isinstance(answer, AcceptedElicitation):
        return f"accepted {answer.data.colour}"
    return answer.action


@server.resource("notes://today", mime_type="text/plain")
def today() -> str:
    """What is on today."""
    return "Buy milk."


@server.prompt()
def review(language: str) -> str:
    """Review code."""
    return f"Review this {language} code."


if __name__ == "__main__":
    server.run()
