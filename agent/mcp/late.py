"""Tools that are declared behind the prompt, and where their declarations stand.

A declaration stands in the message that followed it. When a fold or an undo takes that message out
of the window, the tool can still be called, but the model does not see any more how. So a fold says
again what was in use, `find_tools` shows the rest again, and a session that goes on later knows
from its log what it had: nothing of the prompt is evaluated again for any of this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent.dispatch import Dispatcher
from agent.events import CallMade, Event, Folded, LogSet, ModelReplied, ToolsDeclared, TurnEnded
from agent.mcp.declare import declaration, tokens
from agent.messages import ToolSpec
from tools.base import Tool

HEAD = "These can be called now:"
Find = Callable[[str], Tool[Any] | None]
"""The tool of a name as it is now, None where there is none any more."""


def digest_of(tool: Tool[Any]) -> str:
    """The hash of what the model is shown of a tool."""
    return hashlib.sha256(declaration(_spec(tool)).encode()).hexdigest()[:16]


def _spec(tool: Tool[Any]) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, tool.parameters())


class LateTools:
    """A fold of the events of a session; `emit` gets what is declared from now on.

    Of the tools in use, as many as fit into `room` tokens are declared again by a fold.
    """

    def __init__(self, events: Iterable[Event], emit: Callable[[Event], None], room: int):
        self.prompt: dict[str, str] = {}  # the prompt's tools of servers: name -> digest
        self._digests: dict[str, str] = {}  # the others, as they were declared last
        self._ends: dict[str, int] = {}  # where the message with the declaration ends in the log
        self._pending: set[str] = set()  # declared, and not in the log yet
        self._called: dict[str, None] = {}  # in the order of their last calls
        self._emit = emit
        self._room = room
        self._again: list[Tool[Any]] = []  # what the last digest declared
        self._dispatcher: Dispatcher | None = None
        for event in events:
            self.take(event)

    def serve(self, dispatcher: Dispatcher) -> None:
        """The tools are called through this one."""
        self._dispatcher = dispatcher

    def take(self, event: Event) -> None:
        """One event of the session, live or from its log."""
        if isinstance(event, ToolsDeclared):
            (self.prompt if event.in_prompt else self._digests).update(event.tools)
            if not event.in_prompt:
                self._pending |= event.tools.keys()
        elif isinstance(event, (LogSet, ModelReplied)) and event.start >= 0:
            self._ends = {name: end for name, end in self._ends.items() if end <= event.start}
            if isinstance(event, LogSet) and not event.reply and event.tokens:
                end = event.start + len(event.tokens)
                self._ends |= dict.fromkeys(self._pending, end)
                self._pending = set()
        elif isinstance(event, TurnEnded):
            self._pending = set()
        elif isinstance(event, CallMade) and event.name in self._digests:
            self._called.pop(event.name, None)
            self._called[event.name] = None
        elif isinstance(event, Folded) and self._again:
            again, self._again = self._again, []
            self._emit(ToolsDeclared({tool.name: digest_of(tool) for tool in again}))

    def declare(self, tool: Tool[Any]) -> str:
        """From now on the tool can be called; its declaration, for the next message."""
        self._put(tool)
        self._emit(ToolsDeclared({tool.name: digest_of(tool)}))
        return declaration(_spec(tool))

    def _put(self, tool: Tool[Any]) -> None:
        assert self._dispatcher is not None, "serve() comes first"
        late = self._dispatcher.late
        late[:] = [other for other in late if other.name != tool.name]
        self._dispatcher.declare(tool)

    def is_shown(self, name: str) -> bool:
        """Whether the model sees the declaration of a tool that it can call."""
        made = self._dispatcher
        if made is None or made.tool(name) is None:
            return False
        late = any(tool.name == name for tool in made.late)
        return not late or name in self._ends or name in self._pending

    def told_again(self) -> str:
        """For a text that takes the place of folded messages: the tools that were in use."""
        late = {tool.name: tool for tool in self._late if tool.name in self._digests}
        lines, self._again, room = [], [], self._room
        for name in reversed([name for name in self._called if name in late]):
            room -= tokens(_spec(late[name]))
            if room < 0:
                break
            self._again.append(late.pop(name))
            lines.append(declaration(_spec(self._again[-1])))
        if late:
            names = ", ".join(list(late)[:20])
            lines.append(f"Declared before, too: {names}; find_tools shows them again.")
        return "\n".join([HEAD, *lines]) if lines else ""

    @property
    def _late(self) -> Sequence[Tool[Any]]:
        return self._dispatcher.late if self._dispatcher else ()

    def stands(self, offered: Sequence[Tool[Any]]) -> list[Tool[Any]]:
        """Of the tools that a new prompt would declare, those that the old one declares so."""
        return [tool for tool in offered if self.prompt.get(tool.name) == digest_of(tool)]

    def restore(self, find: Find, needed: Sequence[Tool[Any]]) -> tuple[str, list[str]]:
        """Let a session that goes on have its tools again, and those that are `needed` besides.

        Returns what the model has to be told with the next message ('' for nothing), and the names
        of those that are gone.
        """
        assert self._dispatcher is not None, "serve() comes first"
        lines: list[str] = []
        gone: list[str] = []
        known = {**self.prompt, **self._digests}
        for name, digest in {**{tool.name: "" for tool in needed}, **known}.items():
            if any(tool.name == name for tool in self._dispatcher.tools):
                continue
            tool = find(name)
            if tool is None:
                gone.append(name)
            elif digest_of(tool) == digest:
                self._put(tool)
            else:
                lines.append(self.declare(tool))
        text = "\n".join([HEAD, *lines]) if lines else ""
        if gone:
            text = f"{text}\nNot there any more: {', '.join(gone[:20])}".strip()
        return text, gone
