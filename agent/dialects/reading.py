"""What the states of a parser share, and the reading of a call that is a JSON object."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agent.dialects import scan
from agent.dialects.base import CallPart, Misnamed, Part, TextPart
from agent.dialects.grammar import PATH_HEAD, arguments_grammar, call_grammar, copied_grammar
from agent.messages import BadCall, Constrain, Directive, Release, Stop, ToolCall, ToolSpec

JSON_FENCES = ("json", "", "tool_call", "tool", "xml")


class State(Protocol):
    """One way of reading. A state that gives way to another hands it the text it did not take."""

    def feed(self, text: str, /) -> tuple[State, str]:
        """Take a beginning of `text` (not empty); the state that comes next and what is left."""

    def finish(self, complete: bool, /) -> str:
        """The message is over. Returns text that has to be read once more as prose, if any."""


Fallback = Callable[[], State]
Opener = Callable[["Turn", str, Fallback], State]


@dataclass(frozen=True)
class Syntax:
    """What a family writes around its calls and their results.

    `tags`: each opens a call, and its function gives the state that reads on behind it; what turns
    out to be none goes to that function's `Fallback`. The first is what a model that must act may
    begin with, and a token of its own. `result` opens what only a user says.
    """

    tags: Mapping[str, Opener]
    result: str


class Turn:
    """What was understood of a message so far.

    `ends_before`, where the model was made to act: after its first call the message ends before
    prose and before the files whose paths begin so.
    """

    def __init__(
        self,
        tools: Sequence[ToolSpec],
        syntax: Syntax,
        *,
        blocks: bool,
        ends_before: tuple[str, ...] | None = None,
    ):
        self._ends_before = ends_before
        self._syntax = syntax
        self.tags = tuple(syntax.tags)
        self.any_tag = re.compile("|".join(map(re.escape, syntax.tags)))
        self.result = syntax.result
        self.tools = {tool.name: tool for tool in tools}
        self.blocks = blocks
        self.parts: deque[Part] = deque()
        self.directive: Directive = None
        self.acted = False  # a call was read, even if a bad one
        self.spoke = False  # text was read
        self.strict = False  # see fenced.Fence
        self._calls = 0
        self._seen: list[str] = []

    def open(self, tag: str, fallback: Fallback) -> State:
        """The state behind one of `tags`."""
        return self._syntax.tags[tag](self, tag, fallback)

    def say(self, text: str) -> None:
        if text:
            self.spoke = self.spoke or not text.isspace()
            self.parts.append(TextPart(text))

    @property
    def may_recite(self) -> bool:
        """Whether a result that the model writes itself can only be made up: behind its call, or
        where it ought to say something. In the middle of a text it may be quoted."""
        return self.acted or not self.spoke

    def is_over(self, line: str, path: str) -> bool:
        """Whether nothing that is worth its time can follow this line outside of a block."""
        if self._ends_before is None or not self.acted or not line.strip():
            return False
        return path.startswith(self._ends_before) if path else True

    def call(self, call: ToolCall | BadCall) -> None:
        self.acted = True
        self.parts.append(call)

    def next_id(self) -> str:
        self._calls += 1
        return str(self._calls)

    def constrain(self, lark: str) -> None:
        self.directive = Constrain(lark)
        self._seen = []

    def saw(self, text: str, *, before: bool = True) -> None:
        """Tell a grammar that was switched on in this piece what already follows it.

        `text` comes behind what it was told before; without `before` it is all there is.
        """
        if isinstance(self.directive, Constrain):
            if not before:
                self._seen.clear()
            self._seen.append(text)

    def take_directive(self) -> Directive:
        """The last word on what the engine has to do now."""
        directive, self.directive = self.directive, None
        if isinstance(directive, Constrain):
            return replace(directive, seen="".join(self._seen))
        return directive


def open_call(turn: Turn, tag: str, fallback: Fallback) -> State:
    """Behind ``<tool_call>``: a JSON object."""
    _hold_to_calls(turn)
    return Peek(turn, "tag", tag, fallback, held_to=True)


def open_tools(turn: Turn, tag: str, fallback: Fallback) -> State:
    """Behind ``<tools>``, which the Coder models write instead. Left to themselves they go on with
    all the declarations, of tools that they make up too, and often call nothing."""
    _hold_to_calls(turn)
    return Peek(turn, "tools", tag, fallback, held_to=True)


def _hold_to_calls(turn: Turn) -> None:
    if turn.tools:
        turn.constrain(call_grammar(list(turn.tools.values())))


class Peek:
    """An object that may be a call, or the first of an array: decides as soon as its head is
    complete.

    `held` is what stands before it and is text if it is none; then `fallback` reads on. `held_to`
    says that the grammar of calls is switched on.
    """

    def __init__(
        self, turn: Turn, form: str, held: str, fallback: Fallback, *, held_to: bool = False
    ):
        self._turn = turn
        self._form = form
        self._held = held
        self._fallback = fallback
        self._held_to = held_to
        self._text = ""

    def feed(self, text: str) -> tuple[State, str]:
        self._text += text
        body = _first_item(self._text[: scan.LONGEST_HEAD])
        if head := self._head(body):
            return self._open(head["name"], head[0])
        if len(self._text) <= scan.LONGEST_HEAD and (not body or scan.may_become_call(body)):
            if self._held_to:
                self._turn.saw(self._text, before=False)
            return self, ""
        if self._form == "tag" and body.startswith("{"):
            return self._open("", "{")
        if self._held_to:
            self._turn.directive = Release()
        self._turn.say(self._held)
        return self._fallback(), self._text

    def _head(self, body: str) -> re.Match[str] | None:
        """An object with "parameters" may as well declare a function: then the name decides."""
        head = scan.CALL_HEAD.match(body)
        if head and head["key"] == "parameters" and head["name"] not in self._turn.tools:
            return None
        return head

    def _open(self, name: str, head: str) -> tuple[State, str]:
        """Hand over to the object that begins with `head`."""
        size = self._text.index("{") + len(head)
        if name not in self._turn.tools and self._turn.tools and self._form in ("bare", "fence"):
            return self._misnamed(name), ""
        if self._held_to:
            self._turn.saw(self._text[:size], before=False)
        elif tool := self._turn.tools.get(name):
            self._turn.constrain(arguments_grammar(tool))
        return JsonCall(self._turn, self._form, name, head), self._text[size:]

    def _misnamed(self, name: str) -> State:
        """Nobody steered the name. Behind another call the message ends; alone it is named anew."""
        if not self._turn.acted:
            lark = call_grammar(list(self._turn.tools.values()))
            self._turn.parts.append(Misnamed(name, lark))
        self._turn.directive = Stop()
        return Done()

    def finish(self, complete: bool) -> str:
        body = _first_item(self._text)
        name = scan.NAME_HEAD.match(body)
        is_meant = bool(body) or not complete if self._form == "tag" else name is not None
        if is_meant and (name is None or name["name"] in self._turn.tools):
            self._turn.call(BadCall(self._held + self._text, CUT_OFF))
        else:
            self._turn.say(self._held + self._text)
        return ""


def _first_item(text: str) -> str:
    """The text from its first object on, if that stands alone or in an array."""
    return text.lstrip().removeprefix("[").lstrip()


CUT_OFF = "the call was cut off before its end"


_CALL_PATH = re.compile(scan.CALL_HEAD.pattern + PATH_HEAD.pattern)


def hold_to_the_file(
    turn: Turn, tool: ToolSpec, text: str, head: re.Pattern[str], *, braces: int
) -> ToolSpec | None:
    """As soon as the path is known, what is copied has to be a piece of that file.

    `text` is the call so far, `head` what it begins with up to the path, and `braces` close it. The
    tool as long as that is not decided, then None.
    """
    found = head.match(text)
    if found is None and len(text) <= scan.LONGEST_LINE:
        return tool
    if found and (lark := copied_grammar(tool, found["path"], braces=braces)):
        turn.constrain(lark)
        turn.saw(text[found.end() :])
    return None


class JsonCall:
    """The object of a call, up to its closing brace."""

    def __init__(self, turn: Turn, form: str, name: str, head: str):
        self._turn = turn
        self._form = form
        self._name = name
        self._scanner = scan.JsonScanner()
        self._scanner.feed(head)
        self._text = [head]
        tool = turn.tools.get(name)
        self._copier = tool if tool and tool.values and tool.values.copied else None
        turn.parts.append(CallPart(name, "", head))

    def feed(self, text: str) -> tuple[State, str]:
        end = self._scanner.feed(text)
        taken = text if end < 0 else text[:end]
        self._text.append(taken)
        self._turn.parts.append(CallPart(self._name, "", taken))
        if end < 0:
            self._turn.saw(taken)
            if self._copier:
                self._copier = hold_to_the_file(
                    self._turn, self._copier, "".join(self._text), _CALL_PATH, braces=2
                )
            return self, ""
        self._turn.call(self._read("".join(self._text)))
        self._turn.directive = Release()
        return AfterCall(self._turn, self._form), text[end:]

    def finish(self, _complete: bool) -> str:
        self._turn.call(BadCall("".join(self._text), CUT_OFF))
        return ""

    def _read(self, text: str) -> ToolCall | BadCall:
        data = read_json(text)
        if isinstance(data, BadCall):
            return data
        arguments = data.get("arguments", data.get("parameters")) if isinstance(data, dict) else 0
        if not isinstance(arguments, dict) or not isinstance(data.get("name"), str):
            return BadCall(text, 'a call is {"name": <function-name>, "arguments": <object>}')
        return ToolCall(self._turn.next_id(), data["name"], arguments, form=self._form)


def read_json(text: str) -> Any:
    """The value that a model wrote, or a BadCall."""
    try:
        value = json.loads(text, strict=False)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        return BadCall(text, f"this call is not valid JSON ({error.msg} at {error.pos})")
    except (ValueError, RecursionError) as error:
        # Half a surrogate pair, a number of thousands of digits, thousands of brackets.
        return BadCall(text, f"this call cannot be read ({error})")
    return value


_BEHIND = re.compile(r"\s+|[,\]]|</tool_call>|</tools>")  # calls may be the items of an array
_OPENER = re.compile(r"```(?P<language>\w*)[ \t]{0,9}\r?\n")
_OPENER_START = re.compile(r"`{1,2}|```\w{0,20}[ \t]{0,9}\r?")
_CLOSERS = ("</tool_call>", "</tools>")


class AfterCall:
    """Swallows what closes a call; more calls may follow it.

    Prose would only guess at the call's result, so it ends the message.
    """

    def __init__(self, turn: Turn, form: str):
        self._turn = turn
        self._form = form
        self._in_fence = form == "fence"
        self._text = ""

    def feed(self, text: str) -> tuple[State, str]:
        self._text += text
        while self._skip():
            pass
        text, self._text = self._text, ""
        if text.startswith("{"):
            form = "bare" if self._form == "tag" else self._form
            return Peek(self._turn, form, "", self._stop), text
        for tag in self._turn.tags:
            if text.startswith(tag):
                return self._turn.open(tag, self._stop), text[len(tag) :]
        opener = _OPENER.match(text)
        if opener and opener["language"] in JSON_FENCES:
            return Peek(self._turn, "fence", "", self._stop), text[opener.end() :]
        expected = (*self._turn.tags, *_CLOSERS)
        if any(t.startswith(text) for t in expected) or _OPENER_START.fullmatch(text):
            self._text = text
            return self, ""
        return self._stop(), ""

    def _skip(self) -> bool:
        """Drop a closer from the text, if it begins with one."""
        closer = _BEHIND.match(self._text)
        size = closer.end() if closer else 0
        if not size and self._in_fence and self._text.startswith("```"):
            size, self._in_fence = 3, False
        self._text = self._text[size:]
        return size > 0

    def _stop(self) -> State:
        self._turn.directive = Stop()
        return Done()

    def finish(self, _complete: bool) -> str:
        return ""


class Done:
    """Nothing counts any more: the message was ended here."""

    def feed(self, _text: str) -> tuple[State, str]:
        return self, ""

    def finish(self, _complete: bool) -> str:
        return ""
