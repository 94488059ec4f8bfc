"""DeepSeek V3.1: its prompts. Reading is in :mod:`agent.dialects.token_calls`.

Rendering equals the Jinja template inside the GGUF, which declares no tools; they stand behind the
system text in the form of the model card. The model calls tools only without thinking, so each
answer begins behind an empty one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.dialects import fenced
from agent.dialects.base import TurnParser
from agent.dialects.chatml_parser import ChatmlParser
from agent.dialects.segments import control, joined, to_json
from agent.dialects.thinking import CLOSE, OPEN
from agent.dialects.token_calls import Tokens
from agent.messages import Assistant, Message, Segment, System, ToolOutput, ToolSpec

CALLS, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"
RESULT, RESULT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"
TOKENS = Tokens(CALL, SEPARATOR, RESULT, call_end=CALL_END, calls=CALLS)

_BEGIN = "<｜begin▁of▁sentence｜>"
_END = "<｜end▁of▁sentence｜>"
_USER = "<｜User｜>"
_ASSISTANT = "<｜Assistant｜>"

_TOOLS = "## Tools\nYou have access to the following tools:\n\n"
_TOOL = "### {name}\nDescription: {description}\n\nParameters: {parameters}\n\n"
_FORMAT = "IMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
_EXAMPLE = (
    f"{CALLS}{CALL}tool_call_name{SEPARATOR}tool_call_arguments{CALL_END}"
    f"{{additional_tool_calls}}{CALLS_END}"
)
_WHERE = """

Where:
- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces
"""


@dataclass(frozen=True)
class DeepSeek:
    """The dialect of DeepSeek V3.1.

    `blocks`: code travels as fenced blocks instead of inside JSON. `no_thinking`: what the
    template writes where an answer begins at once.
    """

    blocks: bool = True
    no_thinking: str = CLOSE

    end_tokens = ("<｜end▁of▁sentence｜>",)
    own_end = "<｜end▁of▁sentence｜>"

    @property
    def system_note(self) -> str:
        return fenced.NOTE if self.blocks else ""

    def front(self, system: System) -> list[Segment]:
        tools = [t for t in system.tools if not self.blocks or fenced.in_json(t)]
        if not tools:
            return joined([control(_BEGIN), Segment(system.text)])
        declared = "".join(map(_declaration, tools))
        text = f"{system.text}\n\n{_TOOLS}{declared}{_FORMAT}"
        return [control(_BEGIN), Segment(text), control(_EXAMPLE), Segment(_WHERE)]

    def delta(self, messages: Sequence[Message], *, first: bool, ended: bool) -> list[Segment]:
        segments = [] if first or ended else [control(_END)]
        before: Message | None = None
        for message in messages:
            if isinstance(message, ToolOutput):
                segments += [control(RESULT), Segment(message.text), control(RESULT_END)]
            elif isinstance(message, Assistant):
                segments += self._opening(before) + _assistant(message)
            else:
                # The template moves a later system text to the front, which is evaluated already.
                segments += [control(_USER), Segment(message.text)]
            before = message
        return joined([*segments, *self._opening(before)])

    def parser(
        self, tools: Sequence[ToolSpec], *, must_act: bool = False, not_paths: Sequence[str] = ()
    ) -> TurnParser:
        return ChatmlParser(
            tools, blocks=self.blocks, must_act=must_act, not_paths=not_paths, syntax=TOKENS.syntax
        )

    def _opening(self, before: Message | None) -> list[Segment]:
        """What stands between a message and the model's: behind a result it just goes on."""
        if before is None or isinstance(before, Assistant | ToolOutput):
            return []
        return [control(_ASSISTANT + self.no_thinking)]


def is_deepseek(template: str) -> bool:
    """Whether a chat template is that of V3.1; V3 and R1 write a type and a fence around calls."""
    return CALLS in template and SEPARATOR in template and "```json" not in template


def deepseek(template: str, blocks: bool) -> DeepSeek:
    """The dialect of a template of V3.1; '' stands for the maker's."""
    return DeepSeek(blocks, OPEN + CLOSE if OPEN + CLOSE in template else CLOSE)


def _assistant(message: Assistant) -> list[Segment]:
    segments = [Segment(message.text), control(CALLS if message.calls else "")]
    for call in message.calls:
        segments += [control(CALL), Segment(call.name), control(SEPARATOR)]
        segments += [Segment(to_json(call.arguments)), control(CALL_END)]
    return [*segments, control(CALLS_END + _END if message.calls else _END)]


def _declaration(tool: ToolSpec) -> str:
    return _TOOL.format(
        name=tool.name, description=tool.description, parameters=to_json(tool.parameters)
    )
