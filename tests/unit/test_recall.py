"""The recall tool, on a real index."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.events import CallMade, CallReturned, Event, TaskGiven
from agent.recall import RecallArguments, recall_tool
from agent.session import SessionLog
from agent.session.index import Index
from tools.base import ToolContext, ToolResult
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.workspace import Workspace

LINES = [f"row {n}: {n * 7919 % 1009} pebbles" for n in range(1, 301)]


@pytest.fixture(params=["disk", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> SessionLog:
    log = SessionLog.create(tmp_path / "state" if request.param == "disk" else None)
    events: list[Event] = [
        TaskGiven("The gate opens at 06:40 for lorries of the brewery."),
        CallMade("1", "shell", {"command": "count pebbles"}, "tag"),
        CallReturned("1", "shell", True, "\n".join(LINES)),
        CallMade("2", "shell", {"command": "cat long"}, "tag"),
        CallReturned("2", "shell", True, "x" * 5_000 + " gnu"),
    ]
    for event in events:
        log.append(event)
    return log


async def recall(log: SessionLog, query: str, first_line: int = 1, limit: int = 800) -> ToolResult:
    opened = Index.open(log.folder, log.unsaved)
    tool = recall_tool(lambda: opened)
    root = Path(__file__).parent
    context = ToolContext(Workspace(root), Off(), OutputStore(None, limit))
    return await tool.run(RecallArguments(query=query, first_line=first_line), context)


async def test_words_give_excerpts_with_handles(log: SessionLog) -> None:
    result = await recall(log, "when does the gate open for lorries?")
    assert result.ok and result.text.startswith("[u1] the user's message, line 1\n")
    assert "06:40" in result.text and "first_line" in result.text.splitlines()[-1]
    result = await recall(log, "row 250 pebbles", limit=2_000)
    assert "[r1] result of shell, line" in result.text and LINES[249] in result.text


async def test_what_was_said_since_is_found(log: SessionLog) -> None:
    index = Index.open(log.folder, log.unsaved)
    log.append(TaskGiven("the marmot sleeps"))
    context = ToolContext(Workspace(Path(__file__).parent), Off(), OutputStore(None))
    tool = recall_tool(lambda: index)
    result = await tool.run(RecallArguments(query="marmot"), context)
    assert result.text.startswith("[u2]")


async def test_a_handle_gives_all_of_it_in_windows(log: SessionLog) -> None:
    """Reading on as it says ends with the last line, and nothing is left out."""
    seen: list[str] = []
    first = 1
    while True:
        result = await recall(log, "[r1]", first)
        assert result.ok and len(result.text) < 950
        head, *body = result.text.split("\n")
        more = body.pop() if body[-1].startswith("[read on with") else ""
        last = first + len(body) - 1
        assert head == f"[r1] result of shell, lines {first}-{last} of 300"
        seen += body
        if not more:
            break
        assert more == f"[read on with first_line={last + 1}]"
        first = last + 1
    assert seen == LINES


async def test_a_line_that_is_longer_than_the_window(log: SessionLog) -> None:
    result = await recall(log, "r2")
    assert result.text.split("\n")[1] == "x" * 800
    assert result.text.endswith("[line 1 has 5,004 characters and is cut]")
    found = await recall(log, "gnu")
    assert found.text.startswith("[r2] result of shell, line 1\nx") and "gnu" in found.text


@pytest.mark.parametrize(
    ("query", "first", "said"),
    [("r99", 1, "there is no r99 in this session: the newest is r2"),
     ("r1", 301, "r1 has only 300 lines"), ("  ", 1, "query is empty")],
)  # fmt: skip
async def test_what_is_not_there(log: SessionLog, query: str, first: int, said: str) -> None:
    result = await recall(log, query, first)
    assert not result.ok and said in result.text


async def test_nothing_found_is_no_failure(log: SessionLog) -> None:
    result = await recall(log, "zeppelin")
    assert result.ok and result.text == "nothing in this session has 'zeppelin': try other words"


async def test_an_index_that_cannot_be_opened(tmp_path: Path) -> None:
    context = ToolContext(Workspace(tmp_path), Off(), OutputStore(None))
    tool = recall_tool(lambda: Index.open(tmp_path / "gone"))
    result = await tool.run(RecallArguments(query="x"), context)
    assert not result.ok and result.text.startswith("nothing can be recalled: cannot read")
