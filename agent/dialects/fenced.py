"""The raw form of a call: a path on its own line, then a fenced block.

Code inside JSON strings is where small models break; a block is how they learned to write code. A
block is the new file; a block that consists of SEARCH/REPLACE sections is a list of edits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.messages import BadCall, ToolCall, ToolSpec

NOTE = """\
To create or change a file, write its path on a line of its own and then the whole new file in a \
fenced block, nothing left out:

hello.py
```python
print("hello")
```
"""

_SECTION = re.compile(
    r"^<{5,9} ?SEARCH\n(?P<old>.*?)^={5,9}\n(?P<new>.*?)^>{5,9} ?REPLACE *$", re.M | re.S
)


def raw_tool(tools: Sequence[ToolSpec], fields: tuple[str, ...]) -> ToolSpec | None:
    """The tool whose raw arguments are `fields`, if there is one."""
    return next((tool for tool in tools if tool.raw == fields), None)


def act_grammar() -> str:
    """Lark: some lines of text, then a path and the opening of its block, or a tagged call.

    A block without a path cannot be opened. The text is bounded: a model that has to act may
    think aloud first (without it small models copy the old file), and not for ever.
    """
    return r"""
start: HEAD | TEXT? <tool_call>
TEXT: /(([^`<\n][^`<\n]{0,400})?\n){1,6}/
HEAD: /(([^`<\n][^\n]{0,400})?\n){0,6}PATH\n```[a-z+#]{0,12}\n/
""".replace("PATH", r"([A-Za-z0-9_.-]+\/)*[A-Za-z0-9_.-]+\.[a-z]{1,5}")


class FileBlock:
    """One fenced block that belongs to a path, while it is written.

    A block may hold fences of its own (a README that shows commands): one that names a language
    opens an inner block, a bare one closes the innermost.
    """

    def __init__(self, path: str, ticks: str):
        self.path = path
        self._ticks = ticks
        self._inner = 0
        self._lines: list[str] = []
        self._is_prose = path.lower().endswith((".md", ".rst", ".txt"))

    def line(self, line: str) -> bool:
        """Take one complete line without its newline; True when it closed the block."""
        stripped = line.rstrip()
        if stripped == self._ticks:
            if self._inner == 0 and self._opens_inner():
                self._inner += 1
            elif self._inner == 0:
                return True
            else:
                self._inner -= 1
        elif stripped.startswith(self._ticks) and re.fullmatch(r"`+[\w+-]+", stripped):
            self._inner += 1
        self._lines.append(line)
        return False

    def _opens_inner(self) -> bool:
        """In prose a bare fence behind an empty line shows an example; it does not end the file."""
        return self._is_prose and bool(self._lines) and not self._lines[-1].strip()

    def content(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def calls(self, tools: Sequence[ToolSpec], next_id: str) -> list[ToolCall | BadCall]:
        """What the block means, once it is closed."""
        content = self.content()
        sections = list(_SECTION.finditer(content))
        edit = raw_tool(tools, ("old", "new"))
        if sections and edit:
            return [
                ToolCall(
                    f"{next_id}{'abcdefghijklmnopqrstuvwxyz'[i % 26]}",
                    edit.name,
                    {"path": self.path, "old": found["old"], "new": found["new"]},
                    form="block",
                )
                for i, found in enumerate(sections)
            ]
        write = raw_tool(tools, ("content",))
        if write is None:
            return [BadCall(self.path, "there is no tool that writes files")]
        arguments = {"path": self.path, "content": content, "keep_rest": True}
        return [ToolCall(next_id, write.name, arguments, form="block")]


def in_json(tool: ToolSpec) -> bool:
    """Whether a model that writes raw blocks still gets the tool declared as JSON."""
    return not tool.raw
