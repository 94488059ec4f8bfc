"""Devstral and Ministral 3: tools and roles between tokens in brackets, and calls behind one.

Rendering equals the makers' Jinja templates (a golden test compares the two). Mistral Small 3.2's
is none of these: it moves the tools to the last message of the user, and gives calls an id.
Reading is in :mod:`agent.dialects.token_calls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.dialects import fenced
from agent.dialects.base import TurnParser
from agent.dialects.chatml import declaration
from agent.dialects.chatml_parser import ChatmlParser
from agent.dialects.segments import control, joined, to_json
from agent.dialects.thinking import ThinkingParser
from agent.dialects.token_calls import Tokens
from agent.messages import Assistant, Message, Segment, System, ToolOutput, ToolSpec

CALL, ARGUMENTS = "[TOOL_CALLS]", "[ARGS]"
RESULT, RESULT_END = "[TOOL_RESULTS]", "[/TOOL_RESULTS]"
TOKENS = Tokens(CALL, ARGUMENTS, RESULT)
THINKING = ("[THINK]", "[/THINK]")
_BEGIN, _END = "<s>", "</s>"
_TOOLS = ("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")


@dataclass(frozen=True)
class Mistral:
    """The dialect of these families.

    `blocks`: code travels as fenced blocks instead of inside JSON. `thinks`: the model may think
    first, as its system text asks it to.
    """

    blocks: bool = True
    thinks: bool = False

    end_tokens = ("</s>",)
    own_end = "</s>"

    @property
    def system_note(self) -> str:
        return fenced.NOTE if self.blocks else ""

    def front(self, system: System) -> list[Segment]:
        tools = [t for t in system.tools if not self.blocks or fenced.in_json(t)]
        segments = [control(_BEGIN), *_system(system.text)]
        if tools:
            declared = to_json([declaration(tool) for tool in tools])
            segments += [control(_TOOLS[0]), Segment(declared), control(_TOOLS[1])]
        return joined(segments)

    def delta(self, messages: Sequence[Message], *, first: bool, ended: bool) -> list[Segment]:
        segments = [] if first or ended else [control(_END)]
        for message in messages:
            if isinstance(message, ToolOutput):
                segments += [control(RESULT), Segment(message.text), control(RESULT_END)]
            elif isinstance(message, Assistant):
                segments += _assistant(message)
            elif isinstance(message, System):
                segments += _system(message.text)
            else:
                segments += [control("[INST]"), Segment(message.text), control("[/INST]")]
        return joined(segments)

    def parser(
        self, tools: Sequence[ToolSpec], *, must_act: bool = False, not_paths: Sequence[str] = ()
    ) -> TurnParser:
        parser = ChatmlParser(
            tools, blocks=self.blocks, must_act=must_act, not_paths=not_paths, syntax=TOKENS.syntax
        )
        return ThinkingParser(parser, tags=THINKING) if self.thinks else parser


def is_mistral(template: str) -> bool:
    """Whether a chat template is that of Devstral or Ministral 3."""
    marks = ("[AVAILABLE_TOOLS]", "[/INST]", "[SYSTEM_PROMPT]", CALL, ARGUMENTS)
    return all(mark in template for mark in marks) and "[CALL_ID]" not in template


def mistral(template: str, blocks: bool) -> Mistral:
    """The dialect of a template of these; '' stands for Devstral's."""
    return Mistral(blocks, thinks=THINKING[0] in template)


def _system(text: str) -> list[Segment]:
    return [control("[SYSTEM_PROMPT]"), Segment(text), control("[/SYSTEM_PROMPT]")]


def _assistant(message: Assistant) -> list[Segment]:
    segments = [Segment(message.text)]
    if message.thinking:
        segments = [
            control(THINKING[0]),
            Segment(message.thinking),
            control(THINKING[1]),
            *segments,
        ]
    for call in message.calls:
        segments += [control(CALL), Segment(call.name), control(ARGUMENTS)]
        segments.append(Segment(to_json(call.arguments)))
    return [*segments, control(_END)]
