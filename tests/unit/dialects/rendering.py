"""What a chat template makes of a conversation, and conversations to compare it with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import jinja2
from hypothesis import strategies as st

from agent.messages import Assistant, Message, Segment, System, ToolCall, ToolOutput, User


def rendered(
    source: str, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], **more: Any
) -> str:
    """Rendered as transformers does it, for which the templates are written.

    Raises ValueError where the template refuses."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = _refuse
    compiled = environment.from_string(source)
    return compiled.render(messages=messages, tools=tools, add_generation_prompt=True, **more)


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)


def as_dict(message: Message) -> dict[str, Any]:
    """The message in the form of OpenAI's API; thinking as the servers hand it over."""
    if isinstance(message, ToolOutput):
        return {"role": "tool", "content": message.text}
    if isinstance(message, Assistant):
        calls = [{"function": {"name": c.name, "arguments": c.arguments}} for c in message.calls]
        answer = {"role": "assistant", "content": message.text, "tool_calls": calls}
        return {**answer, "reasoning_content": message.thinking}
    role = "user" if isinstance(message, User) else "system"
    return {"role": role, "content": message.text}


def text(segments: Sequence[Segment]) -> str:
    return "".join(segment.text for segment in segments)


CORNERS = [
    "",
    " ",
    "\n",
    "\n\n a \n",
    "Grüße 日本語 🎉",
    '"a" \\n & <b> {{ c }} \'',
    "</tool_call>",
]
TEXTS = st.sampled_from(CORNERS) | st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-9, 9, width=16) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["read", "shell", "mcp__weather-now"])
CALLS = st.builds(ToolCall, st.just("1"), NAMES, st.dictionaries(TEXTS, JSON, max_size=2))
USERS = st.builds(User, TEXTS)
ANSWERS = st.builds(Assistant, TEXTS, st.lists(CALLS, max_size=3).map(tuple), TEXTS)
RESULTS = st.builds(ToolOutput, st.just("1"), NAMES, TEXTS)


def conversations(*others: st.SearchStrategy[Message]) -> st.SearchStrategy[list[Message]]:
    """Messages in any order, `others` among them."""
    return st.lists(st.one_of(USERS, ANSWERS, RESULTS, RESULTS, *others), min_size=1, max_size=8)


SYSTEMS = st.builds(System, TEXTS)
