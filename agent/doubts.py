"""Leaves out of the model's own tests what two versions of the code contradict alike."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.check import CheckResult
from agent.context.expectations import alike, without
from agent.context.project import read_texts
from agent.events import Event, Notice, Place
from agent.messages import ToolCall
from agent.runner import Runner
from agent.turn import Progress, Task, exceeded
from tools.replica import TooLarge, measure, replicate


class Doubts:
    """Keeps the versions of the files that a model wrote, and judges its tests by them.

    Only for tests that are the model's own: those of a user are never left out.
    """

    def __init__(self, runner: Runner, emit: Callable[[Event], None]):
        self.runner = runner
        self.emit = emit
        self._versions: dict[str, list[str]] = {}

    def note(self, path: str, *versions: str) -> None:
        """Versions of a file, each written without the others in view."""
        self._versions.setdefault(path, []).extend(versions)

    def has(self, path: str) -> bool:
        """Whether a version of the file is known."""
        return path in self._versions

    async def settle(
        self, task: Task, words: str, result: CheckResult, done: Progress
    ) -> CheckResult:
        """The check's result once the doubtful expectations are left out of the tests."""
        while not (result.passed or done.denied or exceeded(task.limits, done)):
            shorter = self._without(await self._contradicted(task, result), words)
            if not shorter:
                break
            for path, text in shorter.items():
                call = ToolCall(
                    f"doubt.{done.tool_calls}", "write", {"path": path, "content": text}, "doubt"
                )
                await self.runner.call(call, done, 1)
            result = await self.runner.check(task.check)
        return result

    async def _contradicted(self, task: Task, result: CheckResult) -> list[Place]:
        """What the standing version of a file and another one contradict alike."""
        for path, versions in self._versions.items():
            standing = self._read([path]).get(path)
            others = [text for text in versions if text != standing]
            if versions.count(standing or "") > 1 and (
                same := alike(result.in_tests, result.in_tests)
            ):
                return same
            if others and result.in_tests:
                in_tests = await self._tried(task, path, others[-1])
                if same := alike(result.in_tests, in_tests):
                    return same
        return []

    async def _tried(self, task: Task, path: str, text: str) -> Sequence[Place]:
        """How the tests fail with another version of a file; tried in a copy of the folder."""
        with tempfile.TemporaryDirectory(prefix="ingle-doubts-") as folder:
            try:
                await asyncio.to_thread(measure, self.runner.workspace.root)
                copy = await asyncio.to_thread(replicate, self.runner.workspace, Path(folder))
                copy.write(copy.resolve_for_writing(path), text.encode())
            except (TooLarge, OSError):
                return ()
            return (await self.runner.elsewhere(copy).check(task.check)).in_tests

    def _without(self, places: Sequence[Place], words: str) -> Mapping[str, str]:
        """The test files without these expectations, as far as they can go."""
        shorter = {}
        for path, text in self._read({path for path, _, _ in places}).items():
            wrong = {line: error for file, line, error in places if file == path}
            if left := without(text, wrong, words):
                shorter[path] = left
                for line, error in wrong.items():
                    self.emit(
                        Notice(f"{path}:{line} left out: two versions of the code say {error}")
                    )
        return shorter

    def _read(self, paths: Sequence[str] | set[str]) -> dict[str, str]:
        return read_texts(self.runner.workspace, sorted(paths))
