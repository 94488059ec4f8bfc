"""The raw form of a call: a path on its own line, then a fenced block.

Code inside JSON strings is where small models break; a block is how they learned to write code. A
block is the new file; a block that consists of SEARCH/REPLACE sections is a list of edits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.dialects import scan
from agent.dialects.grammar import search_grammar, token
from agent.messages import BadCall, ToolCall, ToolSpec

NOTE = """\
To create or change a file, write its path on a line of its own and then the whole new file in a \
fenced block, nothing left out:

example.py
```python
print("example")
```
"""


def in_json(tool: ToolSpec) -> bool:
    """Whether a model that writes raw blocks still gets the tool declared as JSON.

    A whole file is always a block; a small edit is short enough for JSON.
    """
    return tool.raw != ("content",)


def raw_tool(tools: Sequence[ToolSpec], fields: tuple[str, ...]) -> ToolSpec | None:
    """The tool whose raw arguments are `fields`, if there is one."""
    return next((tool for tool in tools if tool.raw == fields), None)


def act_grammar(
    not_paths: Sequence[str] = (), *, blocks: bool = True, tag: str = "<tool_call>"
) -> str:
    """Lark: a path and the opening of its block, or the `tag` of a call; then free text.

    Not for a path that begins like one of `not_paths`; without `blocks` only the call is left.
    Prose is not allowed first: a small model that may not write what it had in mind uses it to
    recite its prompt.
    """
    # No ./ and no ../: they would lead around `not_paths`.
    # Without bounds on the lengths and with plain ranges: counted repetitions of Unicode's \w
    # multiply the states of the lexer until llguidance refuses the grammar.
    word = r"A-Za-z0-9_@+\u{80}-\u{10FFFF}-"
    folders = rf"(\.?[{word}][{word}.]*\/)*"
    names = (rf"[{word}][{word}.]*\.[A-Za-z][A-Za-z0-9]*", r"\.[a-z]+")
    path = f"/{folders}({'|'.join((*names, *scan.BARE_NAMES))})/"
    if not_paths:
        begun = {re.escape(name).replace("/", "\\/") for name in not_paths}
        path += f" & ~/({'|'.join(sorted(begun))}).*/"
    if not blocks:
        return f"start: opening\n{token('opening', tag)}"
    opening = r"/\n`{3,5}[A-Za-z0-9+#-]{0,16}\n/"
    return f"start: HEAD | opening\n{token('opening', tag)}HEAD: PATH {opening}\nPATH: {path}\n"


class Fence:
    """Tells where a fenced block ends, one line after the other.

    A block may hold fences of its own (a README that shows commands): one that names a language
    opens an inner block, a bare one closes the innermost. In prose a bare fence behind an empty
    line opens an inner block too, unless `strict` or in a block of more than three backticks.
    """

    def __init__(self, opener: str, *, prose: bool, strict: bool = False):
        text = opener.lstrip()
        self.indent = len(opener) - len(text)
        self._ticks = _ticks(text)
        self._guesses = prose and not strict and self._ticks == 3
        self._after_blank = False
        self._inner = 0
        self._lines = 0
        self._guess = -1

    def closes(self, line: str) -> bool:
        """Take one line; True when it is the end of the block."""
        text = line.strip()
        is_fence = _ticks(text) >= self._ticks and line.find("`") <= self.indent
        if is_fence and _ticks(text) == len(text):
            if self._inner:
                self._inner -= 1
            elif self._guesses and self._after_blank:
                self._inner, self._guess = 1, self._lines
            else:
                return True
        elif is_fence and re.fullmatch(r"`+[\w+#-]+", text):
            self._inner += 1
        if self._inner == 0:
            self._guess = -1
        self._after_blank = not text
        self._lines += 1
        return False

    @property
    def missed(self) -> int:
        """The line that was taken for an inner opening and probably closed the block, or -1.

        To be asked when the message is over and no line closed the block.
        """
        return self._guess


def _ticks(text: str) -> int:
    return len(text) - len(text.lstrip("`"))


def is_prose(path: str) -> bool:
    return path.lower().endswith((".md", ".mdx", ".rst", ".txt")) or path in ("README", "CHANGELOG")


def block_calls(
    path: str, content: str, tools: Sequence[ToolSpec], call_id: str
) -> list[ToolCall | BadCall]:
    """What a complete block of a path means."""
    lines = scan.lines(content)
    if any(_SEARCH.fullmatch(line) for line in lines):
        return _edits(path, lines, raw_tool(tools, ("old", "new")), call_id)
    write = raw_tool(tools, ("content",))
    if write is None:
        return [BadCall(f"{path}\n{content}", "there is no tool that writes files")]
    arguments = {"path": path, "content": content, "keep_rest": True}
    return [ToolCall(call_id, write.name, arguments, form="block")]


_SEARCH = re.compile(r"<{5,9} ?SEARCH\s*")
_MIDDLE = re.compile(r"={5,9}\s*")
_REPLACE = re.compile(r">{5,9} ?REPLACE\s*")
_MARKS = (_SEARCH, _MIDDLE, _REPLACE)


def next_stage(stage: int, line: str) -> int:
    """Where a line leads from outside of a section (0), its old side (1) or its new one (2)."""
    return (stage + 1) % 3 if _MARKS[stage].fullmatch(line) else stage


def old_side(path: str, tools: Sequence[ToolSpec]) -> str:
    """The grammar of what a section may replace in the file; '' where nothing can be said."""
    edit = raw_tool(tools, ("old", "new"))
    text = edit.values.text(path) if edit and edit.values else ""
    # A file with marks of its own would end the section in its middle.
    is_plain = not any(mark.fullmatch(line) for line in scan.lines(text) for mark in _MARKS)
    return search_grammar(text) if is_plain else ""


def _edits(
    path: str, lines: Sequence[str], edit: ToolSpec | None, call_id: str
) -> list[ToolCall | BadCall]:
    """One edit for each section; all or none, so that no half of a change is made."""
    text = f"{path}\n{''.join(lines)}"
    if edit is None:
        return [BadCall(text, "there is no tool that edits files: write the whole file")]
    calls: list[ToolCall | BadCall] = []
    stage = 0
    sides: list[list[str]] = [[], [], []]
    for line in lines:
        following = next_stage(stage, line)
        if following != stage:
            stage = following
            if stage == 0:
                arguments = {"path": path, "old": "".join(sides[1]), "new": "".join(sides[2])}
                number = f"{call_id}.{len(calls) + 1}"
                calls.append(ToolCall(number, edit.name, arguments, form="block"))
                sides = [[], [], []]
        elif stage == 0 and line.strip():
            return [BadCall(text, "outside of its SEARCH/REPLACE sections the block has text")]
        else:
            sides[stage].append(line)
    if stage:
        return [BadCall(text, "a section is <<<<<<< SEARCH, old, =======, new, >>>>>>> REPLACE")]
    return calls
