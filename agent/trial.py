"""Another version of a file, tried out in a copy of the folder."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from agent.check import CheckResult
from agent.runner import CHECK_S, Runner
from tools.replica import TooLarge, measure, replicate

LEAST_S = 10.0
TIMES = 10  # as long as it took before; what a model writes may never end


def patience(before: CheckResult) -> float:
    """Seconds that a check may take whose result was known once."""
    return min(CHECK_S, max(LEAST_S, TIMES * before.seconds))


async def tried(runner: Runner, before: CheckResult, path: str, text: str) -> CheckResult | None:
    """What the check says with `text` in the file at `path`; None where no copy can be made."""
    with tempfile.TemporaryDirectory(prefix="ingle-trial-") as folder:
        try:
            await asyncio.to_thread(measure, runner.workspace.root)
            copy = await asyncio.to_thread(replicate, runner.workspace, Path(folder))
            copy.write(copy.resolve_for_writing(path), text.encode())
        except (TooLarge, OSError):
            return None
        return await runner.elsewhere(copy).check(before.command, patience(before))
