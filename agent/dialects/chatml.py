"""ChatML with JSON calls: the prompts of Qwen2.5 and Qwen2.5-Coder.

Rendering equals the Jinja template inside the GGUF (a golden test compares the two); reading is in
:mod:`agent.dialects.chatml_parser`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from agent.dialects import fenced
from agent.dialects.base import TurnParser
from agent.dialects.chatml_parser import ChatmlParser
from agent.messages import Assistant, Message, Segment, System, ToolOutput, ToolSpec, User

_TOOLS_HEAD = """

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>"""
_TOOLS_TAIL = """
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
%s
</tool_call>"""
_EXAMPLE = '{"name": <function-name>, "arguments": <args-json-object>}'
_DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


@dataclass(frozen=True)
class ChatmlJson:
    """Qwen2.5's dialect.

    `blocks`: code travels as fenced blocks instead of inside JSON. `double_braces`: the template
    shows its example of a call in doubled braces, as that of the Coder models does.
    """

    blocks: bool = True
    double_braces: bool = False

    @property
    def system_note(self) -> str:
        return fenced.NOTE if self.blocks else ""

    def front(self, system: System) -> list[Segment]:
        tools = [t for t in system.tools if not self.blocks or fenced.in_json(t)]
        text = system.text or _DEFAULT_SYSTEM
        if tools:
            example = f"{{{_EXAMPLE}}}" if self.double_braces else _EXAMPLE
            declared = "".join(f"\n{_json(declaration(t))}" for t in tools)
            text += _TOOLS_HEAD + declared + _TOOLS_TAIL % example
        return [_control("<|im_start|>"), Segment(f"system\n{text}"), _control("<|im_end|>\n")]

    def delta(self, messages: Sequence[Message], *, first: bool, ended: bool) -> list[Segment]:
        segments: list[Segment] = []
        if not first:
            segments.append(_control("\n" if ended else "<|im_end|>\n"))
        for i, message in enumerate(messages):
            before = messages[i - 1] if i else None
            after = messages[i + 1] if i + 1 < len(messages) else None
            segments += _render(message, before, after)
        return [*_joined(segments), _control("<|im_start|>assistant\n")]

    def parser(
        self, tools: Sequence[ToolSpec], *, must_act: bool = False, not_paths: Sequence[str] = ()
    ) -> TurnParser:
        return ChatmlParser(tools, blocks=self.blocks, must_act=must_act, not_paths=not_paths)


def declaration(tool: ToolSpec) -> dict[str, Any]:
    """The tool in the form of OpenAI's API, which the templates expect."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def _render(message: Message, before: Message | None, after: Message | None) -> list[Segment]:
    if isinstance(message, ToolOutput):
        opening = [] if isinstance(before, ToolOutput) else [_control("<|im_start|>user")]
        closing = [] if isinstance(after, ToolOutput) else [_control("<|im_end|>\n")]
        body = Segment(f"\n<tool_response>\n{message.text}\n</tool_response>")
        return [*opening, body, *closing]
    if isinstance(message, Assistant):
        text = f"\n{message.text}" if message.text or not message.calls else ""
        for call in message.calls:
            body_json = f'{{"name": "{call.name}", "arguments": {_json(call.arguments)}}}'
            text += f"\n<tool_call>\n{body_json}\n</tool_call>"
        return [_control("<|im_start|>"), Segment(f"assistant{text}"), _control("<|im_end|>\n")]
    role = "user" if isinstance(message, User) else "system"
    return [
        _control("<|im_start|>"),
        Segment(f"{role}\n{message.text}"),
        _control("<|im_end|>\n"),
    ]


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Neighbours of one kind as one segment, so that tokens can form across them.

    The template's text between two tool results has such tokens.
    """
    groups = groupby(segments, key=lambda segment: segment.control)
    return [Segment("".join(s.text for s in group), control) for control, group in groups]


def _control(text: str) -> Segment:
    return Segment(text, control=True)


def _json(value: Any) -> str:
    """JSON as the templates' ``tojson`` writes it: spaces behind separators, unicode as it is."""
    return json.dumps(value, ensure_ascii=False)
