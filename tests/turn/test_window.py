"""The window never overflows, never folds in circles, and always has the user's words in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from agent.config import Limits
from agent.context.ledger import Ledger
from agent.events import CallReturned, Folded, LogSet, ModelReplied, Summarised
from agent.job import Job
from agent.session.resume import folded
from tests.turn.conftest import Desk

TASK = "Count the lines of every file. You must never touch config.ini. Answer with a table."


def outputs(desk: Desk, count: int, characters: int = 3000) -> list[str]:
    """Calls whose results are long and all different."""
    desk.put("a.txt", "".join(f"line {i} of a long file\n" for i in range(9000)))
    return [
        desk.call("shell", command=f"head -c {characters + i} a.txt; echo end {i}")
        for i in range(count)
    ]


@pytest.mark.parametrize("n_ctx", [4096, 8192, 32768])
@pytest.mark.parametrize("chunk", [2, 4])
async def test_a_long_session_goes_through_a_small_window(
    desk: Desk, n_ctx: int, chunk: int
) -> None:
    ended = await desk.do([*outputs(desk, 120), "done"], TASK, n_ctx=n_ctx, chunk=chunk, turns=0)
    assert (ended.stop, ended.answer) == ("answer", "done")
    folds = desk.shown(Folded)
    assert folds if n_ctx < 32768 else True
    for fold in folds:
        assert fold.before - fold.after >= 0.3 * n_ctx
    for asked in desk.engine.asked:
        assert TASK in asked.prompt
        assert asked.start + len(asked.request.delta) + asked.request.max_tokens <= n_ctx


async def test_what_is_kept_is_not_rendered_again(desk: Desk) -> None:
    await desk.do([*outputs(desk, 40), "done"], TASK, n_ctx=4096, turns=0)
    replies = {tuple(e.tokens) for e in desk.shown(ModelReplied)}
    placed = [e.tokens for e in desk.logged if isinstance(e, LogSet) and e.reply]
    assert placed and all(tokens in replies for tokens in placed)


async def test_the_log_on_disk_gives_the_window_exactly(desk: Desk) -> None:
    await desk.do([*outputs(desk, 40), "done"], TASK, n_ctx=4096, turns=0)
    assert desk.session is not None
    earlier = folded("x", desk.logged)
    assert list(earlier.tokens) == list(desk.engine.log)
    again, live = Ledger.of(desk.logged), desk.session.ledger
    assert again.stretches == live.stretches
    assert again.records == live.records
    assert again.used == len(desk.engine.log)


async def test_every_token_of_the_window_has_a_kind(desk: Desk) -> None:
    await desk.do([*outputs(desk, 10), "done"], TASK, n_ctx=4096, turns=0)
    assert desk.session is not None
    stretches = desk.session.ledger.stretches
    assert sum(n for s in stretches for _, _, n in s.parts) == len(desk.engine.log)
    assert "other" not in {kind for s in stretches for kind, _, _ in s.parts}
    assert {"system", "tools", "call", "result", "text"} <= {
        kind for s in stretches for kind, _, _ in s.parts
    }


async def test_folded_things_are_named_by_their_handles(desk: Desk) -> None:
    desk.put("notes.txt", "the port is 8123\n")
    lines = [desk.call("read", path="notes.txt"), *outputs(desk, 30), "done"]
    await desk.do(lines, TASK, n_ctx=8192, turns=0)
    prompt = desk.engine.asked[-1].prompt
    assert "the port is 8123" not in prompt
    assert "r1 read notes.txt" in prompt or "r1 to r" in prompt


async def test_notes_are_made_on_a_fork_and_shown_after_the_fold(desk: Desk) -> None:
    notes = json.dumps(
        {"done": ["12 files"], "decided": ["a table per folder"], "failed": [], "next": "src"}
    )
    calls = iter(outputs(desk, 60))

    def line(prompt: str) -> str:
        return notes if "note what the work so far" in prompt[-600:] else next(calls, "done")

    ended = await desk.do([line] * 200, TASK, n_ctx=8192, turns=0, branches=2)
    assert ended.answer == "done"
    taken = desk.shown(Summarised)
    assert taken and not taken[0].refused
    last = desk.engine.asked[-1].prompt
    assert "- a table per folder" in last
    assert "note what the work so far" not in last
    # Beside the conversation: none of its tokens was evaluated again for the notes.
    asides = [a for a in desk.engine.asked if "note what the work so far" in a.prompt[-600:]]
    assert asides and all(a.usage is not None and a.usage.prompt < 400 for a in asides)


@pytest.mark.parametrize(
    "notes",
    [
        "",
        "no form at all",
        '{"done": ["none"], "decided": [], "failed": ["Nothing."], "next": "unknown"}',
        '{"done": [' + ", ".join(['"the same thing"'] * 60),
    ],
)
async def test_useless_notes_are_refused(desk: Desk, notes: str) -> None:
    calls = iter(outputs(desk, 40))

    def line(prompt: str) -> str:
        return notes if "note what the work so far" in prompt[-600:] else next(calls, "done")

    ended = await desk.do([line] * 200, TASK, n_ctx=8192, turns=0, branches=2)
    assert ended.answer == "done"
    taken = desk.shown(Summarised)
    assert taken and all(event.refused and not event.text for event in taken)


async def test_one_message_larger_than_the_window(desk: Desk) -> None:
    task = "Begin. " + "a b c d e f g h " * 4000 + " You must end with OK."
    ended = await desk.do(["fine"], task, n_ctx=4096)
    assert (ended.stop, ended.answer) == ("answer", "fine")
    prompt = desk.engine.asked[0].prompt
    assert "Begin." in prompt and "You must end with OK." in prompt


async def test_a_window_smaller_than_the_fixed_prompt_says_what_it_needs(desk: Desk) -> None:
    from agent.errors import IngleError

    with pytest.raises(IngleError, match=r"needs a window of at least [\d,]+ tokens"):
        await desk.do(["fine"], n_ctx=400)


async def test_what_was_folded_can_be_recalled(desk: Desk) -> None:
    desk.put("notes.txt", "the port of the staging server is 8123\n")
    lines = [
        desk.call("read", path="notes.txt"),
        *outputs(desk, 30),
        desk.call("recall", query="port of the staging server"),
        desk.call("recall", query="r1"),
        "8123",
    ]
    ended = await desk.do(lines, TASK, n_ctx=8192, turns=0)
    assert ended.answer == "8123"
    words, handle = [e for e in desk.shown(CallReturned) if e.name == "recall"]
    assert words.ok and "port of the staging server is 8123" in words.text
    assert handle.ok and "[r1]" in handle.text and "8123" in handle.text


async def test_what_bears_on_the_next_task_comes_back_by_itself(desk: Desk) -> None:
    desk.put("notes.txt", "the port of the staging server is 8123\n")
    lines = [desk.call("read", path="notes.txt"), *outputs(desk, 30), "done", "8123"]
    await desk.do(lines, TASK, n_ctx=8192, turns=0)
    assert desk.session is not None
    job = Job("Which port does the staging server have?", desk.session.workspace)
    (desk.root / "notes.txt").unlink()
    ended = await desk.session.do(job)
    assert ended.answer == "8123"
    assert "[r1]" in desk.given(-1) and "is 8123" in desk.given(-1)


async def test_files_are_shown_again_after_they_were_folded(desk: Desk) -> None:
    desk.put("port.py", "PORT = 8123\n")
    lines = [desk.call("read", path="port.py"), *outputs(desk, 30), "done", "ok"]
    await desk.do(lines, TASK, n_ctx=8192, turns=0)
    assert desk.session is not None
    await desk.session.do(Job("Change port.py", desk.session.workspace))
    assert "PORT = 8123" in desk.given(-1)


async def test_ctrl_c_does_not_wait_for_the_notes(desk: Desk) -> None:
    """They are written while a command runs; here they would never end."""
    never = asyncio.Event()
    calls = iter([*outputs(desk, 9), desk.call("shell", command="echo go > go; sleep 600")])

    async def endless(_prompt: str) -> AsyncIterator[str]:
        yield '{"done": ["'
        await never.wait()

    def line(prompt: str) -> str | AsyncIterator[str]:
        if "note what the work so far" not in prompt[-600:]:
            return next(calls, "done")
        task.cancel()
        return endless(prompt)

    session = await desk.open([line] * 40, n_ctx=8192, branches=2)
    task = asyncio.ensure_future(session.do(Job(TASK, session.workspace, limits=Limits(turns=0))))
    ended = await task
    assert ended.stop == "interrupted"
