"""Reads calls of a name and JSON arguments between control tokens: DeepSeek V3.1's and Mistral's.

Prose and files are read as in the other families. A grammar never spans two control tokens: the
parser switches the next one on when it has seen one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from agent.dialects import scan
from agent.dialects.base import CallPart
from agent.dialects.grammar import OPTIONS, PATH_HEAD, closed, filled, token
from agent.dialects.reading import (
    CUT_OFF,
    Done,
    Fallback,
    State,
    Syntax,
    Turn,
    hold_to_the_file,
    read_json,
)
from agent.dialects.thinking import beginning_of_tag
from agent.messages import BadCall, Release, Stop, ToolCall

_LONGEST_NAME = 200  # characters
_LONGEST_GAP = 64  # characters of white space between two control tokens


@dataclass(frozen=True)
class Tokens:
    """A family's control tokens, '' for those that it does not have.

    `calls` stands before the first call and is nothing without `call` behind it; `call_end`
    stands behind each.
    """

    call: str
    separator: str
    result: str
    call_end: str = ""
    calls: str = ""

    @property
    def syntax(self) -> Syntax:
        tags = {self.calls: self.open_calls} if self.calls else {}
        return Syntax({**tags, self.call: self.open_call}, self.result)

    @property
    def form(self) -> str:
        return f"a call is {self.call}name{self.separator}{{arguments as one JSON object}}" + (
            self.call_end
        )

    def open_calls(self, turn: Turn, _tag: str, fallback: Fallback) -> State:
        """Behind `calls`: the first call."""
        if turn.tools:
            turn.constrain(f"start: opened\n{token('opened', self.call)}")
        return FirstCall(turn, self, fallback)

    def open_call(self, turn: Turn, _tag: str, _fallback: Fallback) -> State:
        """Behind `call`: the name of a tool."""
        if turn.tools:
            names = " | ".join(json.dumps(name) for name in turn.tools)
            behind = token("behind", self.separator)
            turn.constrain(f"start: NAME behind\nNAME: {names}\n{behind}")
        return Name(turn, self)


class FirstCall:
    """Waits for the first call; what is none is text that talks about calls."""

    def __init__(self, turn: Turn, tokens: Tokens, fallback: Fallback):
        self._turn = turn
        self._tokens = tokens
        self._fallback = fallback
        self._text = ""

    def feed(self, text: str) -> tuple[State, str]:
        self._text += text
        body, call = self._text.lstrip(), self._tokens.call
        is_near = len(self._text) - len(body) <= _LONGEST_GAP
        if is_near and body.startswith(call):
            return self._turn.open(call, self._fallback), body[len(call) :]
        self._turn.saw(text)
        if is_near and call.startswith(body):
            return self, ""
        self._turn.directive = Release()
        self._turn.say(self._tokens.calls)
        return self._fallback(), self._text

    def finish(self, _complete: bool) -> str:
        self._turn.call(BadCall(self._tokens.calls + self._text, CUT_OFF))
        return ""


class Name:
    """The name of a tool, up to the separator."""

    def __init__(self, turn: Turn, tokens: Tokens):
        self._turn = turn
        self._tokens = tokens
        self._text = ""

    def feed(self, text: str) -> tuple[State, str]:
        self._text += text
        name, separator, rest = self._text.partition(self._tokens.separator)
        size = len(name)
        if not separator:
            size -= beginning_of_tag(name, self._tokens.separator)
        if separator and size <= _LONGEST_NAME:
            return self._open(name.strip()), rest
        self._turn.saw(text)
        if size <= _LONGEST_NAME:
            return self, ""
        self._turn.directive = Release()
        return Broken(self._turn, self._tokens, self._tokens.call), self._text

    def _open(self, name: str) -> State:
        tool = self._turn.tools.get(name)
        self._turn.directive = Release()
        if tool:
            schema = {**closed(filled(tool).parameters), "x-guidance": OPTIONS}
            self._turn.constrain(f"start: %json {json.dumps(schema)}\n")
        return Arguments(self._turn, self._tokens, name)

    def finish(self, _complete: bool) -> str:
        self._turn.call(BadCall(self._tokens.call + self._text, CUT_OFF))
        return ""


class Arguments:
    """The object of a call, up to its closing brace."""

    def __init__(self, turn: Turn, tokens: Tokens, name: str):
        self._turn = turn
        self._tokens = tokens
        self._name = name
        self._scanner = scan.JsonScanner()
        self._text: list[str] = []
        tool = turn.tools.get(name)
        self._copier = tool if tool and tool.values and tool.values.copied else None
        turn.parts.append(CallPart(name, "", ""))

    def feed(self, text: str) -> tuple[State, str]:
        self._turn.saw(text)
        if not self._text:
            text = text.lstrip()
        if not text:
            return self, ""
        if not self._text and text[0] != "{":
            return Broken(self._turn, self._tokens, self._head()), text
        end = self._scanner.feed(text)
        taken = text if end < 0 else text[:end]
        self._text.append(taken)
        self._turn.parts.append(CallPart(self._name, "", taken))
        if end < 0:
            if self._copier:
                self._copier = hold_to_the_file(
                    self._turn, self._copier, "".join(self._text), PATH_HEAD, braces=1
                )
            return self, ""
        self._turn.call(self._read("".join(self._text)))
        self._turn.directive = Release()
        return Between(self._turn, self._tokens), text[end:]

    def _head(self) -> str:
        return f"{self._tokens.call}{self._name}{self._tokens.separator}"

    def _read(self, text: str) -> ToolCall | BadCall:
        arguments = read_json(text)
        if isinstance(arguments, BadCall):
            return arguments
        return ToolCall(self._turn.next_id(), self._name, arguments)

    def finish(self, _complete: bool) -> str:
        self._turn.call(BadCall(self._head() + "".join(self._text), CUT_OFF))
        return ""


class Broken:
    """A call that is none, up to where it ends; `held` is its beginning.

    Where nothing ends a call, the next one or the end of the message does.
    """

    def __init__(self, turn: Turn, tokens: Tokens, held: str):
        self._turn = turn
        self._tokens = tokens
        self._text = [held]
        self._end = tokens.call_end or tokens.call
        self._tail = ""  # may be the beginning of `_end`

    def feed(self, text: str) -> tuple[State, str]:
        text, end, rest = (self._tail + text).partition(self._end)
        keep = 0 if end else beginning_of_tag(text, self._end)
        self._tail = text[len(text) - keep :]
        self._text.append(text[: len(text) - keep])
        if not end:
            return self, ""
        self._turn.call(BadCall("".join(self._text), self._tokens.form))
        return Between(self._turn, self._tokens), rest if self._tokens.call_end else end + rest

    def finish(self, _complete: bool) -> str:
        self._turn.call(BadCall("".join([*self._text, self._tail]), self._tokens.form))
        return ""


class Between:
    """Behind a call: another one, or the end of the message."""

    def __init__(self, turn: Turn, tokens: Tokens):
        self._turn = turn
        self._tokens = tokens
        self._text = ""

    def feed(self, text: str) -> tuple[State, str]:
        call, call_end = self._tokens.call, self._tokens.call_end
        text = (self._text + text).lstrip()
        text = text.removeprefix(call_end).lstrip()
        self._text = text
        if text.startswith(call):
            return self._turn.open(call, Done), text[len(call) :]
        if any(tag.startswith(text) for tag in (call, call_end)):
            return self, ""
        self._turn.directive = Stop()
        return Done(), ""

    def finish(self, _complete: bool) -> str:
        return ""
