"""Leaves out of the model's own tests what two versions of the code contradict alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.check import CheckResult
from agent.context.expectations import alike, said, without
from agent.context.gap import called, needed
from agent.context.project import read_texts
from agent.events import Event, Notice, Place
from agent.messages import ToolCall
from agent.runner import Runner
from agent.trial import patience, tried
from agent.turn import Progress, Task, exceeded

MOST_OTHERS = 2  # versions that one check is compared with


@dataclass(frozen=True)
class Version:
    """A file as it once stood; `written` says of each definition which writing of it this is."""

    text: str
    written: Mapping[str, int] = field(default_factory=dict)

    def fresh(self, other: Version) -> set[str]:
        """The definitions that were written without those of the other version in view."""
        names = self.written.keys() | other.written.keys()
        return {name for name in names if self.written.get(name, 0) != other.written.get(name, 0)}


class Doubts:
    """Keeps the versions of the files that a model wrote, and judges its tests by them.

    Only for tests that are the model's own: those of a user are never left out.
    """

    def __init__(self, runner: Runner, emit: Callable[[Event], None]):
        self.runner = runner
        self.emit = emit
        self._versions: dict[str, list[Version]] = {}
        self._writings = 0

    def note(self, path: str, before: str, after: str, anew: Iterable[str]) -> None:
        """A file was written again, these definitions of it without the old ones in view."""
        versions = self._versions.setdefault(path, [])
        old = _standing(versions, before)
        if old is None:
            versions.append(old := Version(before))
        self._writings += 1
        written = dict.fromkeys(anew, self._writings)
        versions.append(Version(after, {**old.written, **written}))

    async def settle(
        self, task: Task, words: str, result: CheckResult, done: Progress
    ) -> CheckResult:
        """The check's result once the doubtful expectations are left out of the tests."""
        while not (result.passed or done.denied or exceeded(task.limits, done)):
            contradicted = await self._contradicted(result, words)
            own = [place for place in contradicted if place[0] in done.changed]
            shorter = self._without(own, words)
            if not shorter:
                break
            for path, text in shorter.items():
                call = ToolCall(
                    f"doubt.{done.tool_calls}", "write", {"path": path, "content": text}, "doubt"
                )
                await self.runner.call(call, done, 1)
            result = await self.runner.check(task.check, patience(result))
        return result

    async def _contradicted(self, result: CheckResult, words: str) -> list[Place]:
        """What the standing version of a file and another one contradict alike."""
        for path, versions in self._versions.items():
            standing = _standing(versions, self._read([path]).get(path, ""))
            if standing is None or not alike(result.in_tests, result.in_tests, words):
                continue
            others = [each for each in versions[::-1] if each.fresh(standing)]
            for other in others[:MOST_OTHERS]:
                is_same = other.text == standing.text
                theirs = result if is_same else await tried(self.runner, result, path, other.text)
                fresh = other.fresh(standing)
                both = alike(result.in_tests, theirs.in_tests if theirs else (), words)
                if agreed := [place for place in both if self._is_judged(place, standing, fresh)]:
                    return agreed
        return []

    def _is_judged(self, place: Place, standing: Version, fresh: Collection[str]) -> bool:
        """Whether all that the test calls of the file was written twice."""
        file, line, _ = place
        names = called(self._read([file]).get(file, ""), line, whole_test=True)
        needs = needed(standing.text, names)
        return bool(needs) and needs <= set(fresh)

    def _without(self, places: Sequence[Place], words: str) -> Mapping[str, str]:
        """The test files without these expectations, as far as they can go."""
        shorter: dict[str, str] = {}
        for path, line, error in sorted(places, reverse=True):  # so that lines keep their numbers
            text = shorter.get(path) or self._read([path]).get(path, "")
            if left := without(text, line, words):
                shorter[path] = left
                why = f"two versions of the code say {said(error)}"
                self.emit(Notice(f"{path}:{line} left out: {why}"))
        return shorter

    def _read(self, paths: Sequence[str]) -> dict[str, str]:
        return read_texts(self.runner.workspace, paths)


def _standing(versions: Sequence[Version], text: str) -> Version | None:
    """The newest version that is this text."""
    return next((each for each in versions[::-1] if each.text == text), None)
