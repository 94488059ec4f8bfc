"""Reads what Qwen2.5 models really write, while they write it.

The template teaches ``<tool_call>``; the Coder models also write the same JSON bare, in a fence or
inside ``<tools>``, and they write files as a path and a fenced block. Each becomes a call. As soon
as a call is recognised the grammar of its arguments is switched on.

Here are the states for prose and fences; those for calls in JSON are in
:mod:`agent.dialects.reading`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.dialects import fenced, scan
from agent.dialects.base import CallPart, Part, UnplacedCode
from agent.dialects.reading import (
    JSON_FENCES,
    Done,
    Peek,
    State,
    Syntax,
    Turn,
    open_call,
    open_tools,
)
from agent.dialects.thinking import beginning_of_tag
from agent.messages import BadCall, Constrain, Directive, Stop, ToolSpec

# Each step of a state costs its piece's length, so a piece must not be the whole message.
_PIECE = re.compile(r"[^\n]{0,1023}\n|[^\n]{1,1024}")

CHATML = Syntax({"<tool_call>": open_call, "<tools>": open_tools}, "<tool_response>")


class ChatmlParser:
    """A :class:`agent.dialects.base.TurnParser`; one object reads one message.

    Other families read prose and files in the same way and calls in another `syntax`.
    """

    def __init__(
        self,
        tools: Sequence[ToolSpec],
        *,
        blocks: bool,
        must_act: bool,
        not_paths: Sequence[str] = (),
        syntax: Syntax = CHATML,
    ):
        self._must_act = must_act and bool(tools)
        self._not_paths = tuple(not_paths)
        ends_before = self._not_paths if self._must_act else None
        self._turn = Turn(tools, syntax, blocks=blocks, ends_before=ends_before)
        self._state: State = Prose(self._turn)

    def begin(self) -> Directive:
        if not self._must_act:
            return None
        tag = self._turn.tags[0]
        return Constrain(fenced.act_grammar(self._not_paths, blocks=self._turn.blocks, tag=tag))

    def feed(self, text: str) -> Directive:
        self._read(text)
        return self._turn.take_directive()

    def finish(self, complete: bool = True) -> None:
        rest = self._state.finish(complete)
        self._state = Prose(self._turn)
        if rest:
            self._turn.strict = True
            self._read(rest)
            self._state.finish(complete)
            self._state = Done()

    def take(self) -> list[Part]:
        parts: list[Part] = []
        while self._turn.parts:
            parts.append(self._turn.parts.popleft())
        return parts

    def _read(self, text: str) -> None:
        for piece in _PIECE.findall(text):
            rest = piece
            while rest:
                self._state, rest = self._state.feed(rest)


class Prose:
    """Text for the user, until a line opens something else.

    The beginning of a line is held back while it may become a path, a fence or a tag; a line that
    is a path waits for its block, over one empty line at most.
    """

    def __init__(self, turn: Turn, *, mid_line: bool = False):
        self._turn = turn
        self._mid_line = mid_line
        self._line = ""  # not understood yet
        self._path = ""
        self._held = ""  # the line of `_path` and what follows it
        self._said = ""  # the last character of this line that was shown

    def feed(self, text: str) -> tuple[State, str]:
        """`text` has at most one newline, at its end, unless another state gave it back."""
        line, newline, rest = text.partition("\n")
        self._line += line + newline
        if self._mid_line:
            return self._in_line(rest)
        beginning = self._line[: scan.LONGEST_LINE].lstrip()
        if beginning.startswith(("{", "[")):
            self._say("")
            return Peek(self._turn, "bare", "", self._mid_line_prose), self._line + rest
        if self._turn.may_recite and beginning.startswith(self._turn.result):
            self._say("")
            self._turn.directive = Stop()
            return Done(), ""
        if newline and len(self._line) <= scan.LONGEST_LINE + 1:
            return self._whole_line(rest)
        if not newline and self._may_open():
            return self, rest
        return self._in_line(rest)

    def _mid_line_prose(self) -> State:
        return Prose(self._turn, mid_line=True)

    def _whole_line(self, rest: str) -> tuple[State, str]:
        line = self._line
        found = scan.fence(line)
        if found and self._path and self._turn.blocks:
            return FileBlock(self._turn, self._path, line), rest
        if found:
            self._say("")
            return FirstLine(self._turn, found[1], line), rest
        path = scan.path_in_line(line)
        if self._turn.is_over(line, path):
            self._say("")
            self._turn.directive = Stop()
            return Done(), ""
        if path:
            self._say("")
            self._path, self._held, self._line = path, line, ""
            return self, rest
        if self._path and not line.strip() and self._held.count("\n") < 2:
            self._held += line
            self._line = ""
            return self, rest
        return self._in_line(rest)

    def _in_line(self, rest: str) -> tuple[State, str]:
        """Show what is no tag."""
        line, self._line = self._line, ""
        self._mid_line = True
        found = self._first_tag(self._said + line)
        if found:
            at = found[0] - len(self._said)
            self._say(line[:at])
            behind = line[at + len(found[1]) :] + rest
            return self._turn.open(found[1], self._mid_line_prose), behind
        if line.endswith("\n"):
            self._say(line)
            self._mid_line, self._said = False, ""
        else:
            keep = beginning_of_tag(line, *self._turn.tags)
            self._say(line[: len(line) - keep])
            self._line = line[len(line) - keep :]
        return self, rest

    def _first_tag(self, text: str) -> tuple[int, str] | None:
        """Where the first tag is and which; one behind a backtick is only talked about."""
        found = ((m.start(), m[0]) for m in self._turn.any_tag.finditer(text))
        return next(((at, tag) for at, tag in found if text[at - 1 : at] != "`"), None)

    def _may_open(self) -> bool:
        """Whether a line that is still being written could become a fence, a path or a result."""
        line = self._line
        if len(line) > scan.LONGEST_LINE:
            return False
        is_result = self._turn.may_recite and self._turn.result.startswith(line.lstrip())
        return is_result or scan.may_become_fence(line) or scan.may_become_path(line)

    def _say(self, text: str) -> None:
        """Show what was held, and `text`."""
        self._turn.say(self._held + text)
        self._held = self._path = ""
        self._said = text[-1:] or self._said

    def finish(self, _complete: bool) -> str:
        self._say(self._line)
        return ""


class FirstLine:
    """The first line of a block without a path: a call, or a comment that names the file."""

    def __init__(self, turn: Turn, language: str, opener: str):
        self._turn = turn
        self._language = language
        self._opener = opener
        self._line: list[str] = []
        self._is_blank = True

    def feed(self, text: str) -> tuple[State, str]:
        line, newline, rest = text.partition("\n")
        self._line.append(line + newline)
        if self._is_blank and line.strip():
            self._is_blank = False
            if line.lstrip().startswith(("{", "[")) and self._language in JSON_FENCES:
                return Peek(self._turn, "fence", self._opener, self._code), self._text() + rest
        if not newline:
            return self, rest
        path = scan.path_in_comment(self._text()) if self._turn.blocks else ""
        if path:
            return FileBlock(self._turn, path, self._opener), rest
        self._turn.say(self._opener)
        return self._code(), self._text() + rest

    def _text(self) -> str:
        return "".join(self._line)

    def _code(self) -> State:
        return CodeBlock(self._turn, self._language, self._opener)

    def finish(self, _complete: bool) -> str:
        self._turn.say(self._opener + self._text())
        if not self._is_blank:
            self._turn.parts.append(UnplacedCode(self._language))
        return ""


class CodeBlock:
    """A block without a path: it is shown, and nothing is written."""

    def __init__(self, turn: Turn, language: str, opener: str):
        self._turn = turn
        self._language = language
        prose = language in ("markdown", "md")
        self._fence = fenced.Fence(opener, prose=prose, strict=turn.strict)
        self._line: list[str] = []

    def feed(self, text: str) -> tuple[State, str]:
        line, newline, rest = text.partition("\n")
        self._line.append(line + newline)
        if not newline:
            return self, rest
        whole = "".join(self._line)
        self._line.clear()
        self._turn.say(whole)
        if not self._fence.closes(whole):
            return self, rest
        self._turn.parts.append(UnplacedCode(self._language))
        return Prose(self._turn), rest

    def finish(self, _complete: bool) -> str:
        self._turn.say("".join(self._line))
        self._turn.parts.append(UnplacedCode(self._language))
        return ""


class FileBlock:
    """The block that belongs to a path."""

    def __init__(self, turn: Turn, path: str, opener: str):
        self._turn = turn
        self._path = path
        self._fence = fenced.Fence(opener, prose=fenced.is_prose(path), strict=turn.strict)
        self._crlf = opener.endswith("\r\n")
        self._lines: list[str] = []
        self._line: list[str] = []
        self._stage = 0  # of a section, as fenced.next_stage has it
        self._show("")

    def feed(self, text: str) -> tuple[State, str]:
        line, newline, rest = text.partition("\n")
        self._turn.saw(line + newline)
        self._line.append(line + newline)
        if not newline:
            return self, rest
        if not self._take_line():
            self._hold_to_the_file(self._lines[-1])
            return self, rest
        self._call(self._content())
        return Prose(self._turn), rest

    def _take_line(self) -> bool:
        """Add the line to the block; True when it closed the block instead."""
        line = "".join(self._line)
        self._line.clear()
        if self._fence.closes(line):
            return True
        self._lines.append(line)
        self._show(self._plain(line))
        return False

    def _hold_to_the_file(self, line: str) -> None:
        """What a section replaces has to stand in the file, as soon as it begins."""
        before, self._stage = self._stage, fenced.next_stage(self._stage, line)
        if (before, self._stage) == (0, 1) and not self._crlf:
            lark = fenced.old_side(self._path, list(self._turn.tools.values()))
            if lark:
                self._turn.constrain(lark)

    def _plain(self, line: str) -> str:
        """The line of the file: without the indent of the fence, and with a plain newline."""
        indent = len(line) - len(line.lstrip(" \t"))
        line = line[min(indent, self._fence.indent) :].removesuffix("\n")
        return f"{line.removesuffix(chr(13)) if self._crlf else line}\n"

    def _content(self, end: int | None = None) -> str:
        return "".join(map(self._plain, self._lines[:end]))

    def finish(self, complete: bool) -> str:
        """A model that ends its message without the last fence meant the block to end there."""
        if self._line and self._take_line():
            self._call(self._content())
        elif complete and self._fence.missed >= 0:
            self._call(self._content(self._fence.missed))
            return "".join(self._lines[self._fence.missed + 1 :])
        elif complete and self._content().strip():
            self._call(self._content())
        else:
            self._turn.call(BadCall(f"{self._path}\n{self._content()}", self._unfinished()))
        return ""

    def _unfinished(self) -> str:
        return (
            f"the block of {self._path} was cut off before its end, and nothing was written: "
            "write a smaller file, or change only a part of it with edit"
        )

    def _call(self, content: str) -> None:
        tools = list(self._turn.tools.values())
        for call in fenced.block_calls(self._path, content, tools, self._turn.next_id()):
            self._turn.call(call)

    def _show(self, text: str) -> None:
        self._turn.parts.append(CallPart("write", self._path, text))
