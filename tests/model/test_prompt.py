"""What every session pays before the user's first word, counted with the real tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.app import Session
from agent.context.prompt import system_text
from agent.dialects.choose import choose_dialect
from agent.engine import native
from agent.engine.scripted import ScriptedEngine
from agent.events import Event
from agent.messages import System, ToolSpec
from agent.session.store import SessionLog
from agent.toolbox import Profile
from tools.base import Tool
from tools.catalog import default_tools
from tools.workspace import Workspace

MOST_TOKENS = 1500
pytestmark = pytest.mark.model


class Nobody:
    closed = False

    def show(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


async def tools_of(profile: Profile, folder: Path) -> Sequence[Tool[Any]]:
    """What a session declares."""
    session = Session(
        ScriptedEngine([]), Workspace(folder), SessionLog.create(None), Nobody(), profile=profile
    )
    await session.start(sandbox="off")
    await session.close()
    return session.tools


@pytest.mark.parametrize("profile", ["small", "full"])
@pytest.mark.parametrize("blocks", [True, False])
async def test_the_fixed_prompt_stays_small(
    small_model: Path, tmp_path: Path, blocks: bool, profile: Profile
) -> None:
    tools = await tools_of(profile, tmp_path)
    native.silence()
    model = native.Model(small_model, progress=lambda _done: True, vocab_only=True)
    dialect = choose_dialect(model.chat_template(), blocks=blocks)
    specs = tuple(ToolSpec(t.name, t.description, t.parameters(), t.raw) for t in tools)
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
