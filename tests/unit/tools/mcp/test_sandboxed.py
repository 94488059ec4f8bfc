"""A server's process sees what its entry grants."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.mcp_servers_used_in_tests.use import RAW, around, raw, using
from tools.mcp.entry import Grants, StdioEntry
from tools.mcp.reasons import Unavailable
from tools.mcp.sandboxed import sandboxed
from tools.sandbox.missing import Missing
from tools.sandbox.probe import find_sandbox


def entry(*arguments: str, **grants: object) -> StdioEntry:
    return StdioEntry(
        "boxed", sys.executable, (RAW, *arguments), grants=Grants(**grants)  # type: ignore[arg-type]
    )  # fmt: skip


async def test_a_server_writes_where_it_may(tmp_path: Path) -> None:
    """`exit-once` makes a file and exits; the file tells whether it could."""
    sandbox = find_sandbox("auto")
    work, beside = tmp_path / "work", tmp_path / "beside"
    work.mkdir()
    beside.mkdir()

    async def tried(target: Path, **grants: object) -> bool:
        # The interpreter too: it may be installed where the sandbox hides everything.
        tests = (str(Path(RAW).parent), sys.prefix)
        wanted = entry("exit-once", str(target), read=tests, **grants)
        spawner = lambda one: sandboxed(one, sandbox, work)  # noqa: E731
        async with using(wanted, around(work, spawner=spawner)) as made:
            with pytest.raises(Unavailable):
                await made.ready()
        return target.exists()  # noqa: ASYNC240

    assert not await tried(work / "a") or not sandbox.confines
    assert await tried(work / "b", write=(".",))
    assert not await tried(beside / "a") or not sandbox.confines
    assert await tried(beside / "b", write=(str(beside),))


async def test_without_a_sandbox_it_is_not_started(tmp_path: Path) -> None:
    spawner = lambda one: sandboxed(one, Missing("no bubblewrap"), tmp_path)  # noqa: E731
    async with using(raw("boxed", "good"), around(tmp_path, spawner=spawner)) as made:
        with pytest.raises(Unavailable, match="no bubblewrap"):
            await made.ready()
