"""What every session pays before the user's first word, counted with the real tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.context.prompt import system_text
from agent.dialects.choose import choose_dialect
from agent.engine import native
from agent.messages import System, ToolSpec
from tools.catalog import default_tools

MOST_TOKENS = 1500
pytestmark = pytest.mark.model


@pytest.mark.parametrize("blocks", [True, False])
def test_the_fixed_prompt_stays_small(small_model: Path, blocks: bool) -> None:
    native.silence()
    model = native.Model(small_model, progress=lambda _done: True, vocab_only=True)
    dialect = choose_dialect(model.chat_template(), blocks=blocks)
    specs = tuple(ToolSpec(t.name, t.description, t.parameters(), t.raw) for t in default_tools())
    front = dialect.front(System(system_text(dialect.system_note), specs))
    count = sum(len(model.tokenize(s.text, control=s.control)) for s in front)
    model.free()
    assert 200 < count <= MOST_TOKENS


def test_the_front_has_the_same_bytes_every_time(small_model: Path) -> None:
    native.silence()
    model = native.Model(small_model, progress=lambda _done: True, vocab_only=True)
    template = model.chat_template()
    model.free()

    def front() -> list[str]:
        dialect = choose_dialect(template, blocks=True)
        tools = tuple(
            ToolSpec(t.name, t.description, t.parameters(), t.raw) for t in default_tools()
        )
        return [s.text for s in dialect.front(System(system_text(dialect.system_note), tools))]

    assert front() == front()
