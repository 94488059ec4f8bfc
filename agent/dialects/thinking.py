"""What a model writes for itself before it answers: ``<think>`` … ``</think>``, in most families.

The reader of a family's messages stays as it is; :class:`ThinkingParser` stands before it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Literal

from agent.dialects.base import Part, ThinkingPart, TurnParser
from agent.dialects.grammar import token
from agent.messages import Constrain, Directive

OPEN, CLOSE = "<think>", "</think>"
_LONGEST_INDENT = 64  # characters of white space before OPEN; behind more there is no thinking

Stage = Literal["before", "inside", "behind", "over"]


class ThinkingParser:
    """A :class:`agent.dialects.base.TurnParser` that takes the thinking off and lets `then` read
    the rest; one object reads one message.

    `thinking`: the generation prompt has opened it already (Qwen3.5, GLM-4.7). Without it a
    message that does not begin with the first of the `tags` goes to `then` as it is. Newlines
    around the thinking belong to the tags. ``then.begin`` is asked where the answer begins, and
    must give the same at each time.
    """

    def __init__(
        self, then: TurnParser, *, thinking: bool = False, tags: tuple[str, str] = (OPEN, CLOSE)
    ):
        self._then = then
        self._open, self._close = tags
        self._opened = thinking
        self._stage: Stage = "before"
        self._held = ""  # may become a tag
        self._newlines = 0  # which are a part of the thinking only if more of it follows
        self._is_empty = True
        self._parts: deque[Part] = deque()

    @property
    def opened(self) -> bool:
        """Whether the message begins inside of the thinking."""
        return self._opened

    def begin(self) -> Directive:
        """Whoever must act may think first: the grammar of the act starts behind the thinking."""
        act = None if self._opened else self._then.begin()
        return Constrain(or_thinking(act.lark, self._open)) if isinstance(act, Constrain) else act

    def feed(self, text: str) -> Directive:
        if self._stage == "over":
            return self._pass_on(text)
        if self._stage == "before":
            text = self._look_for_opening(text)
        directive: Directive = None
        if self._stage == "inside":
            text, ended = self._think(text)
            directive = self._act(text) if ended else None
        if self._stage == "behind":
            text = text.lstrip("\n")
            self._stage = "over" if text else "behind"
        return self._pass_on(text) if self._stage == "over" and text else directive

    def finish(self, complete: bool = True) -> None:
        held, self._held = self._held, ""
        if self._stage == "inside" or (self._opened and self._stage == "before"):
            self._say(held)
        elif held:
            self._then.feed(held)
        self._stage = "over"
        self._then.finish(complete)
        self._parts += self._then.take()

    def take(self) -> list[Part]:
        parts: list[Part] = []
        while self._parts:
            parts.append(self._parts.popleft())
        return parts

    def _look_for_opening(self, text: str) -> str:
        """What is left of `text` when it is decided whether this is thinking; else ''."""
        text = self._held + text
        body = text.lstrip()
        self._held = ""
        is_near = len(text) - len(body) <= _LONGEST_INDENT
        if is_near and body.startswith(self._open):
            self._stage = "inside"
            return body[len(self._open) :]
        if is_near and self._open.startswith(body):
            self._held = text
            return ""
        self._stage = "inside" if self._opened else "over"
        return text

    def _think(self, text: str) -> tuple[str, bool]:
        """Show the thinking; what follows its end, and whether that came."""
        before, tag, rest = (self._held + text).partition(self._close)
        keep = 0 if tag else beginning_of_tag(before, self._close)
        self._held = before[len(before) - keep :]
        self._say(before[: len(before) - keep])
        self._stage = "behind" if tag else "inside"
        return rest, bool(tag)

    def _say(self, text: str) -> None:
        body = text.rstrip("\n")
        newlines = len(text) - len(body)
        if not body:
            self._newlines += newlines
            return
        body = body.lstrip("\n") if self._is_empty else "\n" * self._newlines + body
        self._parts.append(ThinkingPart(body))
        self._newlines, self._is_empty = newlines, False

    def _act(self, rest: str) -> Directive:
        """What `then` wants for the beginning of the answer; `rest` of it is written already."""
        act = self._then.begin()
        if isinstance(act, Constrain):
            return Constrain(behind_newlines(act.lark), rest)
        return act

    def _pass_on(self, text: str) -> Directive:
        directive = self._then.feed(text)
        self._parts += self._then.take()
        return directive


def beginning_of_tag(text: str, *tags: str) -> int:
    """How many characters at the end of `text` could be the beginning of one of `tags`."""
    for size in range(min(len(text), max(map(len, tags)) - 1), 0, -1):
        if any(tag.startswith(text[-size:]) for tag in tags):
            return size
    return 0


def or_thinking(lark: str, tag: str = OPEN) -> str:
    """The grammar, or the opening `tag` of a thinking and then free text."""
    return _with_start(lark, "thinking | act") + token("thinking", tag)


def behind_newlines(lark: str) -> str:
    """The grammar behind the newlines that a model writes under its thinking."""
    return _with_start(lark, "UNDER? act") + "UNDER: /\\n{1,2}/\n"


def _with_start(lark: str, start: str) -> str:
    changed, count = re.subn(r"^start\s*:", f"start: {start}\nact:", lark, count=1, flags=re.M)
    if not count:
        raise ValueError(f"this grammar has no rule 'start': {lark[:60]!r}")
    return changed
