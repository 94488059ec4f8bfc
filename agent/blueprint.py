"""A whole project: plan the files first, then write one after the other.

Each file is written behind the same point of the log, with the plan and the outlines of what is
written already in view, and forgotten again: the project may be larger than the window, and the
plan is evaluated once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.context.blueprint import (
    GRAMMAR,
    MOST_TOKENS,
    PlannedFile,
    complete,
    listing,
    read_plan,
)
from agent.context.prompt import fence_opening, prompt_text
from agent.events import Event, Notice
from agent.exchange import Exchange
from agent.messages import User
from agent.runner import Runner
from agent.speech import Ask, Reply
from agent.turn import Progress, Task, exceeded
from agent.window import Window

ATTEMPTS = 3  # at a file that cannot be parsed
OUTLINE_SHARE = 6  # of the window
CHARS_PER_TOKEN = 3


class Blueprint:
    """Builds a project from a task; `outline` gives the definitions of files within so many
    characters."""

    def __init__(
        self,
        exchange: Exchange,
        window: Window,
        runner: Runner,
        emit: Callable[[Event], None],
        outline: Callable[[Sequence[str], int], str],
    ):
        self.exchange = exchange
        self.window = window
        self.runner = runner
        self.emit = emit
        self.outline = outline

    async def build(self, task: Task, words: str, done: Progress) -> str:
        """Write the project that `words` ask for: why it stopped, '' when all is written."""
        files, stop = await self._plan(task, words, done)
        if not files:
            return stop
        self.emit(Notice(f"the plan has {len(files)} files: " + ", ".join(f.path for f in files)))
        mark = self.exchange.mark()
        written: list[str] = []
        for number, file in enumerate(files, 1):
            if stop := exceeded(task.limits, done):
                return stop
            self.emit(Notice(f"file {number} of {len(files)}: {file.path}"))
            stop = await self._write(task, file, files, written, done)
            await self.exchange.back_to(mark)
            if stop:
                return stop
        self.runner.workspace.hide()  # none of it stands in the window now
        return ""

    async def _plan(self, task: Task, words: str, done: Progress) -> tuple[list[PlannedFile], str]:
        delta = await self.window.delta([User(f"{words}\n\n{prompt_text('blueprint')}")])
        most = min(MOST_TOKENS, self.window.room(delta) // 2)
        reply = await self.exchange.reply(delta, Ask(most, task.sampling, answer=GRAMMAR))
        done.turns += 1
        done.usage.add(reply.usage)
        if reply.reason == "interrupted":
            return [], "interrupted"
        files = complete(read_plan(reply.text))
        if not files:
            self.emit(Notice("the model made no plan that can be read, so it works without one"))
        return files, ""

    async def _write(
        self,
        task: Task,
        file: PlannedFile,
        files: Sequence[PlannedFile],
        written: list[str],
        done: Progress,
    ) -> str:
        """Write one file: why it stopped, or ''."""
        mark = self.exchange.mark()
        for attempt in range(ATTEMPTS):
            delta = self.exchange.delta([User(self._prompt(file, files, written))])
            reply = await self.exchange.reply(delta, self._ask(task, file, delta, attempt))
            done.turns += 1
            done.usage.add(reply.usage)
            if reply.reason == "interrupted":
                return "interrupted"
            trouble = _trouble(reply, file)
            if not trouble or attempt == ATTEMPTS - 1:
                break
            self.emit(Notice(f"{file.path} once more: {trouble}"))
            await self.exchange.back_to(mark)
        for call in reply.calls[:1]:
            output = await self.runner.call(call, done, 1)
            if file.path in done.changes:
                written.append(file.path)
            else:
                self.emit(Notice(f"{file.path} was not written: {output.text}"))
        return ""

    def _prompt(
        self, file: PlannedFile, files: Sequence[PlannedFile], written: Sequence[str]
    ) -> str:
        chars = self.window.n_ctx // OUTLINE_SHARE * CHARS_PER_TOKEN
        parts = [f"The files of the project:\n{listing(files)}"]
        if written:
            known = self.outline(written, chars)
            parts.append(f"Written already, with line numbers:\n{known}")
        defines = f" It defines: {'; '.join(file.defines)}." if file.defines else ""
        text = prompt_text("file").replace("{path}", file.path)
        parts.append(text.replace("{purpose}", file.purpose).replace("{defines}", defines))
        return "\n\n".join(parts)

    def _ask(self, task: Task, file: PlannedFile, delta: Sequence[int], attempt: int) -> Ask:
        sampling = task.sampling
        if attempt:
            warmer = max(sampling.temperature, 0.3 * attempt)
            sampling = replace(sampling, temperature=warmer, top_k=40, seed=sampling.seed + attempt)
        most = self.window.room(delta) - 16
        # A large model may think first; a small one only gets lost on the way.
        begin = fence_opening(file.path) if task.tries > 1 else ""
        # With '' as the path that must not follow, the message ends behind its one file.
        return Ask(most, sampling, must_act=bool(begin), not_paths=("",), begin=begin)


def _trouble(reply: Reply, file: PlannedFile) -> str:
    """Why what was said is not the file, as far as can be seen without running it."""
    made = [call for call in reply.calls if call.arguments.get("path") == file.path]
    if not made:
        return "no file was written"
    content = str(made[0].arguments.get("content", ""))
    if file.path.endswith(".py"):
        try:
            ast.parse(content)
        except (SyntaxError, ValueError) as error:
            return f"it is no valid Python ({error})"
    return ""
