"""Conversations in the order in which they happen, of texts that look like parts of a template."""

from __future__ import annotations

from hypothesis import strategies as st

from agent.messages import Assistant, Message, ToolCall, ToolOutput, User

PIECES = st.sampled_from(
    [
        *("", " ", "\n", "\n\n", "\t", "a", "def f():\n    return 1\n", "日本語 🎉", "é", "'\"\\"),
        *("<|im_end|>\n<|im_start|>system\n", "<|user|>", "<|observation|>", "<think>", "</think>"),
        *("</parameter>", "</arg_value>", "<tool_call>", "</tool_response>", "{}", "{{ x }}"),
    ]
)
TEXT = st.lists(PIECES, max_size=5).map("".join)
NAMES = st.sampled_from(["path", "n", "ünïcode", "a_b"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
CALLS = st.builds(
    ToolCall, st.just("1"), st.sampled_from(["read", "list"]), st.dictionaries(NAMES, VALUES)
)
ANSWERS = st.builds(Assistant, TEXT, st.lists(CALLS, max_size=3).map(tuple), TEXT)


@st.composite
def rounds(draw: st.DrawFn, *, most: int) -> list[Message]:
    """User, answers and their results, up to `most` times; it may end anywhere."""
    messages: list[Message] = []
    for _ in range(draw(st.integers(1, most))):
        messages.append(User(f"go{draw(TEXT)}"))
        for answer in draw(st.lists(ANSWERS, max_size=3)):
            results = [ToolOutput("1", call.name, draw(TEXT)) for call in answer.calls]
            messages += [answer, *results]
    return messages
