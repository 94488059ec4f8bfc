"""Which dialect a model speaks, read off its own chat template."""

from __future__ import annotations

from agent.dialects.base import Dialect
from agent.dialects.chatml import ChatmlJson
from agent.errors import ModelUnavailable


def choose_dialect(chat_template: str, *, blocks: bool) -> Dialect:
    """The dialect for a template; `blocks` says that code travels outside of JSON.

    Raises:
        ModelUnavailable: no family that is known here has such a template.
    """
    is_chatml = "<|im_start|>" in chat_template and "<|im_end|>" in chat_template
    plain = chat_template.replace("\\", "")
    if is_chatml and "<tool_call>" in plain and '{"name": ' in plain:
        return ChatmlJson(blocks=blocks, double_braces='{{"name": <function-name>' in plain)
    raise ModelUnavailable(
        "this model's chat template is of no family that ingle speaks yet (Qwen2.5 and its "
        "relatives): choose another with -m, see `agent models list`"
    )
