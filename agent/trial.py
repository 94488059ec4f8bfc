"""Another version of a file, tried out in a copy of the folder."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from agent.check import CheckResult
from agent.runner import Runner
from tools.replica import TooLarge, measure, replicate


async def tried(runner: Runner, check: str, path: str, text: str) -> CheckResult | None:
    """What a check says with `text` in the file at `path`; None where no copy can be made."""
    with tempfile.TemporaryDirectory(prefix="ingle-trial-") as folder:
        try:
            await asyncio.to_thread(measure, runner.workspace.root)
            copy = await asyncio.to_thread(replicate, runner.workspace, Path(folder))
            copy.write(copy.resolve_for_writing(path), text.encode())
        except (TooLarge, OSError):
            return None
        return await runner.elsewhere(copy).check(check)
