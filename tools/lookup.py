"""The addresses of a name, for connections that go to addresses which were checked."""

from __future__ import annotations

import asyncio
import socket

MOST_ADDRESSES = 4  # of one name that are tried


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, each once. Raises OSError, UnicodeError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
