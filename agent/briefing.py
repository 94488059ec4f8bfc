"""From a job to the task as the model gets it: the user's words, and what it needs to see."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.check import CheckResult
from agent.context.asked import asks_to_know, is_talk, wants_change
from agent.context.blueprint import is_whole_project
from agent.context.budget import Budget
from agent.context.entry import within
from agent.context.project import CHARS_PER_TOKEN, Shown, choose, list_files, own_tests
from agent.context.prompt import prompt_text, task_text
from agent.errors import UsageError
from agent.events import Event, Notice, TaskGiven
from agent.job import Job
from agent.runner import Runner
from agent.turn import Task
from tools.text import NotText, decode
from tools.workspace import PathRefused, Workspace

TASK_SHARE = 4  # a quarter of the window at most is the user's own text
MAP_SHARE = 24
REMINDER_SHARE = 24
LEAST_MAP_TOKENS = 200
MAP_SECONDS = 5.0  # longer than this a map is not waited for
_AT = re.compile(r"(?<![\w@])@([\w./-]*\w)")


async def nothing(_message: str) -> str:
    """A message that needs nothing beside its words."""
    return ""


@dataclass(frozen=True)
class Briefing:
    """What every task of a session is prepared with.

    `count` gives the tokens of a text; `maps` is the file that keeps what is known of the
    project's code, None for no map. `remind` brings back, in at most so many characters, what was
    folded and bears on a message; `bring` says what a message needs beside its words: tools that
    can be called now, what it names of servers.
    """

    runner: Runner
    n_ctx: int
    count: Callable[[str], int]
    emit: Callable[[Event], None]
    maps: Path | None = None
    remind: Callable[[str, int], str] = lambda _message, _chars: ""
    bring: Callable[[str], Awaitable[str]] = nothing

    @property
    def workspace(self) -> Workspace:
        return self.runner.workspace

    async def begin(self, job: Job) -> tuple[Task, bool]:
        """The bare task of a job, and whether it asks for a project where there is none yet."""
        files = await list_files(self.workspace.root)
        task = Task("", job.limits, job.sampling, job.check, tries=job.tries)
        return task, job.whole == "yes" or (
            job.whole == "auto" and is_whole_project(job.task, files)
        )

    async def prepare(self, job: Job, *, told: bool = False) -> Task:
        """The task: what it says, the files that matter, and what the check says before the work.

        `told`: the user knows already that the task is given.

        Raises:
            UsageError: an attachment cannot be read.
        """
        failure = await self._failure(job.check)
        files = await list_files(self.workspace.root)
        talk = job.tries > 1 and not failure and is_talk(job.task)
        seen = [] if talk else files
        shown = self._shown(job, self._attached(job), seen, failure)
        # A small model is told, and made, to act first; a large one knows.
        act_first = job.tries > 1 and (bool(failure) or wants_change(job.task))
        note = prompt_text("act") if act_first else prompt_text("talk") if talk else ""
        prompt = await self._prompt(job, seen, shown, failure, note)
        if brought := await self.bring(job.task):
            prompt = f"{prompt}\n\n{brought}"
        if not told:
            self.emit(TaskGiven(job.task, tuple(item.path for item in shown)))
        return Task(
            prompt,
            job.limits,
            job.sampling,
            job.check,
            failing=bool(failure),
            act_first=act_first,
            talk=talk,
            to_know=job.task if asks_to_know(job.task) else "",
            not_paths=own_tests(files, job.task),
            tries=job.tries,
            attempts=job.attempts,
            schema=job.schema,
        )

    async def foresee(self, job: Job) -> str:
        """What the prompt of a task will begin with that begins as this one; '' if unknown.

        Nothing is run, told or remembered. Only a guess: what a check will say is taken as nothing.
        """
        look = Briefing(
            self.runner.elsewhere(self.workspace.twin()), self.n_ctx, self.count,
            lambda _event: None, self.maps, self.remind,
        )  # fmt: skip
        files = await list_files(look.workspace.root)
        if job.whole == "yes" or (job.whole == "auto" and is_whole_project(job.task, files)):
            return ""
        try:
            shown = look._shown(job, look._attached(job), files, "")
        except UsageError:
            return ""
        return await look._prompt(job, files, shown, "", "")

    async def _prompt(
        self, job: Job, files: Sequence[str], shown: Sequence[Shown], failure: str, note: str
    ) -> str:
        words = within(job.task, self.n_ctx // TASK_SHARE, self.count, "")
        chars = int(self.n_ctx // REMINDER_SHARE * CHARS_PER_TOKEN)
        folded = await asyncio.to_thread(self.remind, job.task, chars)
        return task_text(
            words,
            files=files,
            shown=shown,
            check=job.check,
            # A small model that sees the failure first recites it.
            failure="" if job.tries > 1 else failure,
            note=note,
            outline=await self._outline(job, files, shown),
            folded=folded,
        )

    async def _failure(self, check: str) -> str:
        if not check:
            return ""
        result: CheckResult = await self.runner.check(check)
        if result.exit_code in (126, 127):
            self.emit(Notice("the check could not even start: is its command right?"))
        return result.failure

    def _attached(self, job: Job) -> list[Shown]:
        """What the user named with -f or @, each cut where it is too long."""
        paths = list(job.attach)
        for name in dict.fromkeys(_AT.findall(job.task)):
            try:
                place = self.workspace.resolve(name)
            except PathRefused:
                continue
            if place.is_file():
                paths.append(place)
            elif "/" in name or "." in name:
                self.emit(Notice(f"@{name} is no file here, so it is only text"))
        if not paths:
            return []
        share = Budget(self.n_ctx, self.n_ctx).attachments // len(paths)
        return [self._cut(attachment(self.workspace, path), share) for path in paths]

    def _cut(self, shown: Shown, most: int) -> Shown:
        where = f"read {shown.path} with first_line shows them"
        return replace(shown, text=within(shown.text, most, self.count, where))

    def _shown(
        self, job: Job, attached: Sequence[Shown], files: Sequence[str], failure: str
    ) -> list[Shown]:
        room = Budget(self.n_ctx, self.n_ctx).attachments
        room -= int(sum(len(item.text) for item in attached) / CHARS_PER_TOKEN)
        named = {item.path for item in attached}
        # What the model has seen in this session, and is still so, stands in the window already.
        unseen = [f for f in files if f not in named and not self._stands(f)]
        return [*choose(self.workspace, unseen, job.task, failure, max(0, room)), *attached]

    def _stands(self, file: str) -> bool:
        path = self.workspace.root / file
        return self.workspace.is_shown(path) and not self.workspace.changed_since_read(path)

    def outline(self, paths: Sequence[str], chars: int) -> str:
        """The definitions of these files, as many as fit; their bare names where none are known."""
        if self.maps is None:
            return "\n".join(paths)
        from tools.cachefile import CacheFailed
        from tools.code.project import outline_of
        from tools.ripgrep import SearchFailed

        try:
            return outline_of(self.workspace.root, self.maps, chars, paths)
        except (CacheFailed, SearchFailed, OSError):
            return "\n".join(paths)

    async def _outline(self, job: Job, files: Sequence[str], shown: Sequence[Shown]) -> str:
        """The map of a project that is not shown whole, for a model that can use it."""
        tokens = self.n_ctx // MAP_SHARE
        if job.tries > 1 or self.maps is None or tokens < LEAST_MAP_TOKENS:
            return ""
        if len(shown) >= len(files):
            return ""
        from tools.cachefile import CacheFailed
        from tools.code.project import outline_of
        from tools.ripgrep import SearchFailed

        chars = int(tokens * CHARS_PER_TOKEN)
        work = asyncio.to_thread(outline_of, self.workspace.root, self.maps, chars)
        try:
            return await asyncio.wait_for(work, MAP_SECONDS)
        except (TimeoutError, CacheFailed, SearchFailed, OSError):
            return ""


def attachment(workspace: Workspace, path: Path) -> Shown:
    """A file that the user named. Raises UsageError."""
    try:
        data = path.read_bytes()
        text = decode(data).text
    except OSError as error:
        raise UsageError(f"cannot attach {path}: {error.strerror}") from error
    except NotText as error:
        raise UsageError(f"cannot attach {path}: {error}") from error
    real = path.resolve()
    if real.is_relative_to(workspace.root):
        workspace.remember(real, data)
        return Shown(workspace.name(real), text)
    return Shown(str(path), text)
