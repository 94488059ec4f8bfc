"""Budgets: turns, calls, tokens, time, the window."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from agent.events import CallMade, CheckEnded, TurnEnded
from tests.turn.conftest import Desk, has_ended


async def test_turns(desk: Desk) -> None:
    lines = [desk.call("shell", command=f"echo {i}") for i in range(5)]
    ended = await desk.do(lines, turns=2)
    assert (ended.stop, ended.exit_code, ended.turns) == ("turns", 53, 2)


async def test_tool_calls(desk: Desk) -> None:
    three = "\n".join(desk.call("shell", command=f"touch {i}") for i in range(3))
    ended = await desk.do([three], tool_calls=2)
    assert (ended.stop, ended.exit_code) == ("tool_calls", 55)
    assert desk.names() == ["0", "1"]
    assert len(desk.shown(CallMade)) == 2


async def test_tokens(desk: Desk) -> None:
    ended = await desk.do(["x" * 4000], tokens=10)
    assert (ended.stop, ended.exit_code) == ("tokens", 55)
    assert ended.usage.generated == 10


async def test_tokens_count_over_all_answers(desk: Desk) -> None:
    lines = [desk.call("shell", command=f"echo {i}") for i in range(50)]
    ended = await desk.do(lines, tokens=60)
    assert (ended.stop, ended.usage.generated) == ("tokens", 60)
    limits = [a.request.max_tokens for a in desk.engine.asked]
    assert limits == sorted(limits, reverse=True) and limits[0] == 60


async def test_an_answer_that_fills_the_window_is_no_matter_of_the_token_budget(desk: Desk) -> None:
    ended = await desk.do([" ".join(map(str, range(9000)))], n_ctx=2048, tokens=100_000)
    assert (ended.stop, ended.exit_code) == ("context", 55)


async def test_time(desk: Desk) -> None:
    never = asyncio.Event()

    async def slow(_prompt: str) -> AsyncIterator[str]:
        yield "I think"
        await never.wait()

    ended = await desk.do([slow], time_s=0.2)
    assert (ended.stop, ended.exit_code) == ("time", 55)
    assert ended.seconds >= 0.2


async def test_time_ends_a_command(desk: Desk) -> None:
    ended = await desk.do([desk.call("shell", command="echo $$ > pid; sleep 600")], time_s=0.5)
    assert ended.stop == "time"
    assert has_ended(desk.read("pid"))


@pytest.mark.parametrize("chunk", [1, 2, 4])
@pytest.mark.parametrize("calls", [1, 3, 8])
async def test_huge_output_leaves_room_for_the_next_answer(
    desk: Desk, chunk: int, calls: int
) -> None:
    """Also for text of which each character or two is a token, and for many calls at once."""
    n_ctx = 2048 * (4 // chunk)
    command = "head -c 300000 /dev/zero | tr '\\0' 7 | fold"
    several = "\n".join(desk.call("shell", command=f"{command}; echo {i}") for i in range(calls))
    ended = await desk.do([several, "Done."], n_ctx=n_ctx, chunk=chunk)
    assert ended.stop == "answer"
    assert desk.engine.asked[1].request.max_tokens >= n_ctx // 16


async def test_a_huge_attached_file_is_cut_and_says_how_to_read_on(desk: Desk) -> None:
    huge = desk.put("huge.txt", "".join(f"word {i}\n" for i in range(100_000)))
    ended = await desk.do(["Done."], attach=(huge,), n_ctx=2048)
    assert ended.stop == "answer"
    prompt = desk.engine.asked[0].prompt
    assert "word 0\n" in prompt and "word 99999\n" in prompt
    assert "read huge.txt with first_line shows them" in prompt


async def test_files_that_are_named_do_not_overflow_a_small_window(desk: Desk) -> None:
    for i in range(12):
        desk.put(f"m{i}.py", "x = 1  # a comment\n" * 60)
    ended = await desk.do(["Done."], "look at " + " ".join(f"m{i}.py" for i in range(12)),
                          n_ctx=2048)  # fmt: skip
    assert ended.stop == "answer"


async def test_a_huge_project_does_not_overflow_a_small_window(desk: Desk) -> None:
    for i in range(300):
        desk.put(f"{'deep_folder_name/' * 5}module_with_a_long_name_{i:03}.py", "x = 1\n")
    ended = await desk.do(["Done."], n_ctx=2048)
    assert ended.stop == "answer"


@pytest.mark.parametrize("chunk", [2, 4])
async def test_a_huge_failure_does_not_overflow_a_small_window(desk: Desk, chunk: int) -> None:
    program = (
        "print('e' * 3000)\nraise SystemExit('\\n'.join(f'line {i} ' * 30 for i in range(999)))"
    )
    desk.put("check.py", program)
    check = f"{sys.executable} check.py"
    ended = await desk.do(
        ["I cannot."] * 3, check=check, n_ctx=2048 * (4 // chunk), chunk=chunk, turns=2
    )
    assert ended.stop == "turns"
    (first, *_rest) = desk.shown(CheckEnded)
    assert first.text.rstrip().endswith("line 998")


@pytest.mark.parametrize("n_ctx", [1536, 2048, 4096, 32_768, 200_000])
async def test_no_budget_assumes_a_large_window(desk: Desk, n_ctx: int) -> None:
    desk.put("a.py", "x = 1\n" * 100_000)
    lines = [desk.call("read", path="a.py"), desk.call("shell", command="cat a.py"), "Done."]
    ended = await desk.do(lines, "what is in a.py?", n_ctx=n_ctx)
    assert ended.stop == "answer"
    assert isinstance(desk.logged[-1], TurnEnded)
