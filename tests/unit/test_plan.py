"""The plan tool, and the plan in the ledger and in the digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.context.digest import digest, plan_lines
from agent.context.ledger import Ledger
from agent.events import Event, PlanChanged
from agent.plan import MOST_STEPS, PlanArguments, plan_tool
from tools.base import ToolContext, ToolResult
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.workspace import Workspace


class Notebook:
    """A tool whose plan is kept in a ledger, as in a session."""

    def __init__(self, root: Path) -> None:
        self.ledger = Ledger()
        self.events: list[Event] = []
        self.context = ToolContext(Workspace(root), Off(), OutputStore(None))
        self.tool = plan_tool(lambda: self.ledger.plan, self.emit)

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.ledger.take(event)

    async def call(self, **arguments: Any) -> ToolResult:
        return await self.tool.run(PlanArguments(**arguments), self.context)


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path)


async def test_steps_are_set_and_marked(notebook: Notebook) -> None:
    made = await notebook.call(steps=["read the\n code", "write it", "test it"])
    assert made.text == "[ ] 1. read the code\n[ ] 2. write it\n[ ] 3. test it"
    marked = await notebook.call(done=[2, 1])
    assert marked.text == "[x] 1. read the code\n[x] 2. write it\n[ ] 3. test it"
    assert notebook.events == [
        PlanChanged(("read the code", "write it", "test it")),
        PlanChanged(("read the code", "write it", "test it"), (1, 2)),
    ]


async def test_a_new_plan_keeps_what_was_done(notebook: Notebook) -> None:
    await notebook.call(steps=["read", "write"], done=[1])
    result = await notebook.call(steps=["look", "read", "write"])
    assert result.text == "[ ] 1. look\n[x] 2. read\n[ ] 3. write"


async def test_a_plan_may_come_back_as_it_was_shown(notebook: Notebook) -> None:
    result = await notebook.call(steps=["[x] 1. read", "[ ] 2. write", "- 3) test", "  "])
    assert result.text == "[x] 1. read\n[ ] 2. write\n[ ] 3. test"


async def test_without_arguments_it_shows_the_plan(notebook: Notebook) -> None:
    await notebook.call(steps=["read"])
    shown = await notebook.call(steps=[], done=[])
    assert shown.ok and shown.text == "[ ] 1. read"
    assert len(notebook.events) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "there is no plan yet"),
        ({"done": [1]}, "there is no plan yet"),
        ({"steps": ["a", "b"], "done": [3]}, "there is no step 3: the steps are 1 to 2"),
        ({"steps": ["a"], "done": [0]}, "there is no step 0"),
        ({"steps": ["x"] * (MOST_STEPS + 1)}, f"at most {MOST_STEPS} steps"),
    ],
)
async def test_what_cannot_be_planned(
    notebook: Notebook, arguments: dict[str, Any], said: str
) -> None:
    result = await notebook.call(**arguments)
    assert not result.ok and said in result.text
    assert not notebook.events


async def test_a_long_step_is_cut(notebook: Notebook) -> None:
    result = await notebook.call(steps=["word " * 100])
    assert len(result.text) < 130 and result.text.endswith("...")


def test_the_digest_has_the_plan_of_the_log() -> None:
    ledger = Ledger.of([PlanChanged(("sketch",)), PlanChanged(("read", "write"), (1,))])
    text = digest(ledger, [], 1000, recall="")
    assert "The plan:\n[x] 1. read\n[ ] 2. write" in text and "sketch" not in text


def test_a_long_plan_shows_what_comes_next() -> None:
    steps = tuple(f"step with the number {n}" for n in range(1, 21))
    lines = plan_lines(PlanChanged(steps, tuple(range(1, 11))), 120)
    assert lines[:2] == ["[x] 10 steps are done", "[ ] 11. step with the number 11"]
    assert lines[-1].startswith("[ ] and ") and sum(map(len, lines)) < 180
