"""Reads what Qwen2.5 models really write, while they write it.

The template teaches ``<tool_call>``; the Coder models also write the same JSON bare, in a fence or
inside ``<tools>``, and they write files as a path and a fenced block. Each becomes a call. As soon
as a call is recognised the grammar of its arguments is switched on.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Sequence

from agent.dialects import fenced, scan
from agent.dialects.base import CallPart, Part, TextPart, UnplacedCode
from agent.dialects.grammar import arguments_grammar, call_grammar
from agent.messages import BadCall, Constrain, Directive, Stop, ToolCall, ToolSpec

_TAGS = ("<tool_call>", "<tools>")
_JSON_FENCES = ("json", "", "tool_call", "tool", "xml")
_CLOSERS = re.compile(r"\s*(?:</tool_call>|</tools>|```)?\s*")
_LABEL = re.compile(r"^\s*(?:#|//|--|;|<!--|/\*)\s*(\S+?)\s*(?:-->|\*/)?\s*$")


class ChatmlParser:
    """A :class:`agent.dialects.base.TurnParser`; one object reads one message."""

    def __init__(self, tools: Sequence[ToolSpec], *, blocks: bool, must_act: bool):
        self._tools = {tool.name: tool for tool in tools}
        self._blocks = blocks
        self._must_act = must_act
        self._parts: deque[Part] = deque()
        self._buffer = ""  # not understood yet
        self._state = self._in_text
        self._directive: Directive = None
        self._calls = 0
        # in_text: lines that look like a path and wait for their block
        self._path = ""
        self._held = ""
        self._mid_line = False
        # in_json and peek
        self._form = ""
        self._json = ""
        self._name = ""
        self._scanner = scan.JsonScanner()
        # in_block and in_code
        self._block = fenced.FileBlock("", "```")
        self._code_language = ""

    def begin(self) -> Directive:
        return Constrain(fenced.act_grammar()) if self._must_act and self._blocks else None

    def feed(self, text: str) -> Directive:
        self._buffer += text
        self._directive = None
        while self._state():
            pass
        return self._directive

    def take(self) -> list[Part]:
        parts: list[Part] = []
        while self._parts:
            parts.append(self._parts.popleft())
        return parts

    def finish(self) -> None:
        if self._state == self._in_block:
            self._finish_block()
        elif self._state == self._in_json:
            self._reject(self._json + self._buffer, "the call was cut off before its end")
        elif self._state in (self._in_text, self._peek, self._in_code):
            self._say(self._held + self._json + self._buffer)
            if self._state == self._in_code:
                self._parts.append(UnplacedCode(self._code_language))
        self._buffer = self._held = self._json = ""
        self._state = self._in_text

    # --- states: each takes what it can from the buffer and says whether to go on -------------

    def _in_text(self) -> bool:
        line, newline, rest = self._buffer.partition("\n")
        tag = _first_tag(line)
        if tag:
            before, _, behind = self._buffer.partition(tag)
            self._say(self._held + before)
            self._held = self._path = ""
            self._open_tag(tag, behind)
            return True
        if not newline:
            return self._partial_line(line)
        self._buffer = rest
        self._full_line(line)
        return True

    def _partial_line(self, line: str) -> bool:
        """Show what cannot become anything but prose; a JSON object is looked into at once."""
        if not self._mid_line and line.lstrip().startswith("{"):
            self._open_peek("bare", self._held)
            return True
        keep = len(line) if not self._mid_line and _may_open(line) else _tag_prefix(line)
        if keep < len(line):
            self._say(self._held + line[: len(line) - keep])
            self._held = self._path = ""
            self._mid_line = True
            self._buffer = line[len(line) - keep :]
        return False

    def _full_line(self, line: str) -> None:
        found = None if self._mid_line else scan.fence(line)
        path = "" if self._mid_line else scan.path_in_line(line)
        self._mid_line = False
        if found and self._path and self._blocks:
            self._block = fenced.FileBlock(self._path, found[0])
            self._held = self._path = ""
            self._parts.append(CallPart("write", self._block.path, ""))
            self._state = self._in_block
        elif found and found[1] in _JSON_FENCES:
            self._code_language = found[1]
            self._open_peek("fence", f"{self._held}{line}\n")
        elif found:
            self._say(f"{self._held}{line}\n")
            self._held = self._path = ""
            self._code_language = found[1]
            self._state = self._in_label
        elif path:
            self._say(self._held)
            self._path, self._held = path, f"{line}\n"
        elif not line.strip() and self._path and self._held.count("\n") < 2:
            self._held += "\n"
        else:
            self._say(f"{self._held}{line}\n")
            self._held = self._path = ""

    def _peek(self) -> bool:
        """An object that may be a call: decide as soon as its head is complete."""
        self._json += self._buffer
        self._buffer = ""
        text = self._json.lstrip()
        head = scan.CALL_HEAD.match(text)
        if head:
            self._held = ""
            self._name = head["name"]
            self._state = self._in_json
            tool = self._tools.get(self._name)
            if tool:
                self._directive = Constrain(arguments_grammar(tool), seen=text[head.end() :])
            self._buffer, self._json = text, ""
            self._scanner = scan.JsonScanner()
            return True
        if scan.may_become_call(text):
            return False
        self._state = self._in_code if self._form == "fence" else self._in_text
        self._mid_line = self._form != "fence"
        self._buffer, self._json = self._json, ""
        self._say(self._held)
        self._held = ""
        return True

    def _in_json(self) -> bool:
        end = self._scanner.feed(self._buffer)
        taken = self._buffer if end < 0 else self._buffer[:end]
        self._json += taken
        self._buffer = self._buffer[len(taken) :]
        if not self._name and (head := scan.CALL_HEAD.match(self._json.lstrip())):
            self._name = head["name"]
        self._parts.append(CallPart(self._name, "", taken))
        if end < 0:
            return False
        self._parts.append(self._read_call(self._json))
        self._json = self._name = ""
        self._state = self._after_call
        return True

    def _after_call(self) -> bool:
        """Swallow what closes a call; prose behind it would only guess at its result."""
        closers = _CLOSERS.match(self._buffer)
        rest = self._buffer[closers.end() :] if closers else self._buffer
        if not rest or "</tool_call>".startswith(rest) or "</tools>".startswith(rest):
            return False
        if rest.startswith(("{", "`")) or any(
            t.startswith(rest) or rest.startswith(t) for t in _TAGS
        ):
            self._buffer = rest
            self._mid_line = False
            self._state = self._in_text
            return True
        self._buffer = ""
        self._directive = Stop()
        return False

    def _in_block(self) -> bool:
        line, newline, rest = self._buffer.partition("\n")
        if not newline:
            return False
        self._buffer = rest
        self._parts.append(CallPart("write", self._block.path, f"{line}\n"))
        if self._block.line(line):
            self._finish_block()
        return True

    def _in_label(self) -> bool:
        """The first line of a block without a path: a comment with only a path names the file."""
        line, newline, rest = self._buffer.partition("\n")
        if not newline:
            return False
        label = _LABEL.match(line)
        path = scan.path_in_line(label[1]) if label and self._blocks else ""
        if path:
            self._buffer = rest
            self._block = fenced.FileBlock(path, "```")
            self._parts.append(CallPart("write", path, ""))
            self._state = self._in_block
        else:
            self._state = self._in_code
        return True

    def _in_code(self) -> bool:
        line, newline, rest = self._buffer.partition("\n")
        if not newline:
            return False
        self._buffer = rest
        self._say(f"{line}\n")
        found = scan.fence(line)
        if found and not found[1]:
            self._parts.append(UnplacedCode(self._code_language))
            self._state = self._in_text
        return True

    # --- helpers ---------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        if text:
            self._parts.append(TextPart(text))

    def _reject(self, text: str, reason: str) -> None:
        self._parts.append(BadCall(text, reason))

    def _open_tag(self, tag: str, behind: str) -> None:
        self._mid_line = False
        if tag == "<tools>":
            self._buffer = behind
            self._open_peek("tools", tag)
            return
        self._form, self._json, self._name = "tag", "", ""
        self._scanner = scan.JsonScanner()
        self._buffer = behind
        self._state = self._in_json
        self._directive = Constrain(call_grammar(list(self._tools.values())), seen=behind)

    def _open_peek(self, form: str, held: str) -> None:
        self._form, self._held, self._json, self._path = form, held, "", ""
        self._mid_line = False
        self._state = self._peek

    def _finish_block(self) -> None:
        if self._buffer and self._state == self._in_block:
            self._block.line(self._buffer)
        self._calls += 1
        self._parts.extend(self._block.calls(list(self._tools.values()), str(self._calls)))
        self._state = self._in_text

    def _read_call(self, text: str) -> ToolCall | BadCall:
        try:
            data = json.loads(text, strict=False)
        except json.JSONDecodeError as error:
            return BadCall(text, f"this call is not valid JSON ({error.msg} at {error.pos})")
        arguments = data.get("arguments", data.get("parameters")) if isinstance(data, dict) else 0
        if not isinstance(arguments, dict) or not isinstance(data.get("name"), str):
            return BadCall(text, 'a call is {"name": <function-name>, "arguments": <object>}')
        self._calls += 1
        return ToolCall(str(self._calls), data["name"], arguments, form=self._form)


def _first_tag(line: str) -> str:
    found = [(line.index(tag), tag) for tag in _TAGS if tag in line]
    return min(found)[1] if found else ""


def _tag_prefix(line: str) -> int:
    """How many characters at the end of `line` could be the beginning of a tag."""
    for size in range(min(len(line), 11), 0, -1):
        if any(tag.startswith(line[-size:]) for tag in _TAGS):
            return size
    return 0


def _may_open(line: str) -> bool:
    """Whether a line that is still being written could become a fence, an object or a path."""
    bare = line.lstrip()
    return bare.startswith(("`", "{")) or scan.may_become_path(line)
