"""The terminal in other hands: an editor, or a command of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import in_terminal

if TYPE_CHECKING:
    from agent.ui.repl.app import Repl


class Suspended:
    """An asynchronous context in which the terminal is as a program expects it."""

    def __init__(self, repl: Repl) -> None:
        self._repl = repl

    async def __aenter__(self) -> None:
        self._repl.held(1)
        self._inside = in_terminal()
        await self._inside.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._inside.__aexit__(None, None, None)
        finally:
            self._repl.held(-1)
