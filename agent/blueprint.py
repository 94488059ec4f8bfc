"""A whole project: plan the files first, then write one after the other.

Each file is written behind the same point of the log, with the plan and the outlines of what is
written already in view, and forgotten again: the project may be larger than the window, and the
plan is evaluated once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from agent.context.blueprint import (
    GRAMMAR,
    MOST_TOKENS,
    PlannedFile,
    complete,
    gathered,
    is_document,
    listing,
    read_plan,
)
from agent.context.budget import Budget, fits
from agent.context.draft import room_for, unwritten, whole_part
from agent.context.entry import within
from agent.context.gap import without_run
from agent.context.mending import exports, mended
from agent.context.project import read_texts
from agent.context.prompt import fence_opening, prompt_text
from agent.context.python import Fault, fault, name_of, opening
from agent.context.sayings import said_first, sayings
from agent.context.testing import opening_of_tests
from agent.events import Event, Notice
from agent.exchange import Exchange
from agent.messages import ToolCall, User
from agent.runner import Runner
from agent.speech import Ask, Reply
from agent.turn import Progress, Task, exceeded, no_calls_left
from agent.window import Window
from tools.code.naming import is_test

ATTEMPTS = 3  # at a file with a fault that can be seen
OUTLINE_SHARE = 6  # of the window
TASK_SHARE = 4  # a quarter of the window at most is the user's own text
SPARE = 16  # tokens that stay free behind an answer
CHARS_PER_TOKEN = 3
MOST_TOLD = 2_000  # characters of what the task says of a file's functions
ALONE = "It imports none of the other files: they are written later, with the help of this one."
TESTS = (
    "Three short tests at most, with values of the task's own examples, or others of which you can "
    "be certain. A test that reads a file writes it before."
)
DOCUMENT = "Ten lines at most: what it is, and how it is used, with one example."
USING = "Of the other files import only what is written already, by the paths that are given."


NOTHING = Fault("no file was written", 10_000)


@dataclass(frozen=True)
class Draft:
    """A file as the model wrote it, and what can be seen to be wrong with it."""

    call: ToolCall | None
    fault: Fault | None

    def weight(self) -> int:
        return self.fault.weight if self.fault else 0


class Blueprint:
    """Builds a project from a task; `outline` gives the definitions of files within so many
    characters, `count` gives the tokens of a text."""

    def __init__(
        self,
        exchange: Exchange,
        window: Window,
        runner: Runner,
        emit: Callable[[Event], None],
        outline: Callable[[Sequence[str], int], str],
        count: Callable[[str], int],
    ):
        self.exchange = exchange
        self.window = window
        self.runner = runner
        self.emit = emit
        self.outline = outline
        self.count = count
        self.words = ""  # of the user

    async def build(self, task: Task, words: str, done: Progress) -> str:
        """Write the project that `words` ask for: why it stopped, '' when all is written."""
        self.words = words
        files, stop = await self._plan(task, words, done)
        if not files:
            return stop
        self.emit(Notice(f"the plan has {len(files)} files: " + ", ".join(f.path for f in files)))
        try:
            return await self._write_all(task, files, done)
        finally:
            self.runner.workspace.hide()  # none of it stands in the window now

    async def _write_all(self, task: Task, files: Sequence[PlannedFile], done: Progress) -> str:
        mark = self.exchange.mark()
        written: list[str] = []
        for number, file in enumerate(files, 1):
            if stop := exceeded(task.limits, done):
                return stop
            if no_calls_left(task.limits, done):
                return "tool_calls"
            self.emit(Notice(f"file {number} of {len(files)}: {file.path}"))
            stop = await self._write(task, file, files, written, done)
            await self.exchange.back_to(mark)
            if stop:
                return stop
        return ""

    async def _plan(self, task: Task, words: str, done: Progress) -> tuple[list[PlannedFile], str]:
        check = f"\n\nIt will be checked with `{task.check}`." if task.check else ""
        words = within(words, self.window.n_ctx // TASK_SHARE, self.count, "")
        text = f"{words}{check}\n\n{prompt_text('blueprint')}"
        delta = await self.window.delta([User(text)])
        mark = self.exchange.mark()
        most = min(MOST_TOKENS, self.window.room(delta) // 2)
        ask = Ask(most, task.sampling, answer=GRAMMAR, shown_as="blueprint")
        reply = await self.exchange.reply(delta, ask)
        done.turns += 1
        done.usage.add(reply.usage)
        if reply.reason == "interrupted":
            return [], "interrupted"
        files = complete(read_plan(reply.text), words, together=task.tries > 1)
        if not files:
            self.emit(Notice("the model made no plan that can be read, so it works without one"))
            # What was said of it would only be in the way; the fixed prompt stays.
            await self.exchange.back_to(replace(mark, length=max(mark.length, self.exchange.front)))
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
        texts = read_texts(self.runner.workspace, filter(_is_python, done.changed))
        words = f"{self.words} {task.check}"
        best = _known(file, files, texts) if file.content else Draft(None, NOTHING)
        for attempt in range(0 if file.content else ATTEMPTS):
            delta = self._delta(file, files, written, best.fault if attempt else None)
            if not fits(Budget(self.window.n_ctx, self.window.room(delta) - SPARE)):
                return "context"
            # A large model may think first; a small one only gets lost on the way.
            begin = _beginning(file, texts, words, best) if task.tries > 1 else ""
            ask = self._ask(task, file.path, delta, attempt, begin, done)
            reply = await self.exchange.reply(delta, ask)
            done.turns += 1
            done.usage.add(reply.usage)
            if reply.reason == "interrupted":
                return "interrupted"
            draft = self._draft(reply, file, texts, _later(files, written))
            best = min(best, draft, key=Draft.weight)
            if best.fault is None or attempt == ATTEMPTS - 1 or exceeded(task.limits, done):
                break
            self.emit(Notice(f"{file.path} once more: {(draft.fault or best.fault).text}"))
            await self.exchange.back_to(mark)
        trouble = best.fault.text if best.fault else ""
        if best.call is not None:
            output = await self.runner.call(best.call, done, 1)
            trouble = output.text
        if file.path in done.changes:
            written += [] if file.content else [file.path]
        else:
            self.emit(Notice(f"{file.path} was not written: {trouble}"))
        return "denied" if done.denied else ""

    def _draft(
        self, reply: Reply, file: PlannedFile, texts: Mapping[str, str], later: Sequence[str]
    ) -> Draft:
        """What a message wrote, put right as far as the project knows how."""
        made = [call for call in reply.calls if _writes(call, file)]
        content = str(made[0].arguments.get("content", "")) if made else ""
        if not made and (content := _whole_part(reply, file.path)):
            self.emit(Notice(f"{file.path} had no end: what is whole of it stays"))
        if not made and not content:
            return Draft(None, NOTHING)
        right = mended(content, file.path, texts)
        if right != content:
            self.emit(Notice(f"{file.path}: what can be seen to be wrong in it was put right"))
        call = made[0] if made else _call(file)
        call = replace(call, arguments={**call.arguments, "content": right})
        if not _is_python(file.path):
            return Draft(call, None)
        rest = [path for path in later if path != file.path]
        if is_test(file.path):
            wrong = fault(right, file.path, (), rest) or unwritten(right, [*texts, *rest])
            return Draft(call, wrong)
        return Draft(call, fault(right, file.path, file.defines, rest))

    def _delta(
        self,
        file: PlannedFile,
        files: Sequence[PlannedFile],
        written: Sequence[str],
        wrong: Fault | None,
    ) -> list[int]:
        """What the model reads before it writes a file: less of the others where room is short."""
        most = self.window.n_ctx // OUTLINE_SHARE * CHARS_PER_TOKEN
        delta: list[int] = []
        for chars in (most, most // 4, 0):
            text = self._prompt(file, files, written, chars)
            if wrong is not None:
                text += f"\n\nThe last try would not do: {wrong.text}."
            delta = self.exchange.delta([User(text)])
            if self.window.room(delta) >= self.window.wanted:
                break
        return delta

    def _prompt(
        self, file: PlannedFile, files: Sequence[PlannedFile], written: Sequence[str], chars: int
    ) -> str:
        parts = [f"The files of the project:\n{listing(files)}"]
        if written and chars:
            known = self.outline(written, chars)[:chars]
            parts.append(f"Written already, with line numbers:\n{known}")
        defines = f" It defines: {'; '.join(file.defines)}." if file.defines else ""
        said = sayings(self.words)
        names = said if is_test(file.path) else map(name_of, file.defines)
        told = dict.fromkeys(said[name] for name in names if name in said)
        defines += f" The task says: {'; '.join(told)[:MOST_TOLD]}." if told else ""
        text = prompt_text("file").replace("{path}", file.path)
        using = f"{TESTS} {USING}" if is_test(file.path) else USING if written else ALONE
        using = DOCUMENT if is_document(file.path) else using
        text = text.replace("{imports}", using)
        parts.append(text.replace("{purpose}", file.purpose).replace("{defines}", defines))
        return "\n\n".join(parts)

    def _ask(
        self,
        task: Task,
        path: str,
        delta: Sequence[int],
        attempt: int,
        begin: str,
        done: Progress,
    ) -> Ask:
        sampling = task.sampling
        if attempt:
            warmer = max(sampling.temperature, 0.3 * attempt)
            sampling = replace(sampling, temperature=warmer, top_k=40, seed=sampling.seed + attempt)
        most = self.window.room(delta) - SPARE - self.count(begin)
        if task.tries > 1:
            most = min(most, room_for(path, self.window.n_ctx))
        if task.limits.tokens:
            most = min(most, max(1, task.limits.tokens - done.usage.generated))
        # With '' as the path that must not follow, the message ends behind its one file.
        return Ask(most, sampling, must_act=bool(begin), not_paths=("",), begin=begin)


def _beginning(file: PlannedFile, texts: Mapping[str, str], words: str, best: Draft) -> str:
    """What is said of a file for a small model; what was left out of it is written behind it."""
    begin = fence_opening(file.path)
    if not _is_python(file.path):
        return begin
    if is_test(file.path):
        return begin + opening_of_tests(texts, words)
    if not file.defines:
        return begin
    missing = best.fault.missing if best.fault else ()
    # It likes to write a class; what it uses is imported afterwards.
    name = missing[0] if missing else name_of(file.defines[0])
    head = opening(file.defines, name)
    if not head:
        return begin
    written = str(best.call.arguments["content"]) if best.call and missing else ""
    return begin + without_run(written) + head + said_first(words, file.path, name)


def _later(files: Sequence[PlannedFile], written: Sequence[str]) -> list[str]:
    """What the model has still to write."""
    return [file.path for file in files if file.path not in written and not file.content]


def _known(file: PlannedFile, files: Sequence[PlannedFile], texts: Mapping[str, str]) -> Draft:
    """The file whose text is known: a package, with what it gathers."""
    call, lines = _call(file), exports(gathered(file, files), texts)
    content = f"{file.content}\n{lines}" if lines else file.content
    return Draft(replace(call, arguments={**call.arguments, "content": content}), None)


def _call(file: PlannedFile) -> ToolCall:
    arguments = {"path": file.path, "content": file.content}
    return ToolCall(f"plan.{file.path}", "write", arguments, "plan")


def _whole_part(reply: Reply, path: str) -> str:
    """What stays of a file without an end."""
    is_cut = reply.reason in ("length", "looping")
    return whole_part("".join(piece.text for piece in reply.pieces), path) if is_cut else ""


def _writes(call: ToolCall, file: PlannedFile) -> bool:
    path = str(call.arguments.get("path", ""))
    return call.name == "write" and str(PurePosixPath(path)) == file.path


def _is_python(path: str) -> bool:
    return path.endswith(".py")
