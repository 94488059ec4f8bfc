"""A server that knows what nobody else can: how much of a part is there. Over stdio."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

PIECES = {"QX-7": 4117, "QX-8": 52}

server = MCPServer("warehouse")


@server.tool()
def stock(part: str) -> str:
    """Tells how many pieces of a part are in stock in the warehouse."""
    if part not in PIECES:
        raise ValueError(f"there is no part {part!r}; there are: {', '.join(PIECES)}")
    return f"{part}: {PIECES[part]} pieces in stock"


if __name__ == "__main__":
    server.run()
