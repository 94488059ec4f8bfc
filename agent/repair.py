"""A small model repairs a project of its own one file at a time.

Asked for the project as a whole it writes the same files again. So the file that the check's output
names is asked for, next to the failure and the files that it has to fit; what makes things worse is
taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.attempts import together
from agent.blame import (
    Score,
    absent_files,
    absent_in,
    files_in,
    missing_in,
    naming,
    next_file,
    passes_tests,
    score,
    suspects,
)
from agent.check import NOT_STARTED, CheckResult
from agent.context.draft import room_for
from agent.context.gap import culprits, definitions, filled, opened, source_of
from agent.context.mending import mended
from agent.context.project import CHARS_PER_TOKEN, read_shown, read_texts
from agent.context.prompt import block, failure_text, fence_opening, prompt_text
from agent.context.python import Fault, fault, modules_of, name_of, opening, signatures
from agent.context.sayings import said_first
from agent.context.testing import opening_of_tests
from agent.doubts import Doubts
from agent.events import Event, Notice
from agent.exchange import Exchange
from agent.messages import ToolCall, User
from agent.runner import CHECK_S, Runner
from agent.speech import Ask
from agent.trial import patience, tried
from agent.turn import Progress, Task, exceeded
from agent.window import Window
from tools.code.naming import is_test

ROUNDS = 12
MOST_SHOWN = 3  # files beside the one that is written
SPARE = 64  # tokens for what is said for the model
FIRST_PART = 4  # of the time
LEAST_FUNCTION = 128  # tokens
WHOLE_EVERY = 3  # tries of a file, where a function of it fails
NO_MODULE = "There is none of these packages, and none can be installed"
WARMER = 0.35  # temperature for each time that the same file was written


@dataclass(frozen=True)
class Way:
    """How the file at `path` is written the nth time: with its text in view, or without; `defines`
    are the signatures that it keeps, `function` the only one of them that is written, `begin` what
    is said of the file for the model. Any file where `path` is ''."""

    path: str
    times: int
    defines: tuple[str, ...] = ()
    function: str = ""
    begin: str = ""
    sees_it: bool = True


class Repair:
    """Brings a check to pass, or as near as it gets."""

    def __init__(
        self,
        exchange: Exchange,
        window: Window,
        runner: Runner,
        emit: Callable[[Event], None],
        count: Callable[[str], int],
    ):
        self.exchange = exchange
        self.window = window
        self.runner = runner
        self.emit = emit
        self.count = count
        self.doubts = Doubts(runner, emit)
        self.tried: Counter[tuple[str, str]] = Counter()  # functions of a path
        self.absent: set[str] = set()  # modules that a check did not find

    async def repair(self, task: Task, words: str, done: Progress) -> str:
        """Why it stopped: 'check_passed', 'check_failed', or a budget."""
        seconds = task.limits.time_s
        # New code may never end, and must not take all the time.
        first = min(CHECK_S, seconds / FIRST_PART) if seconds else CHECK_S
        result = await self.runner.check(task.check, first)
        wait = patience(result)
        attempts: Counter[str] = Counter()
        for _ in range(ROUNDS):
            if result.passed or (stop := exceeded(task.limits, done)):
                break
            files = suspects(result, done.changed)
            path = next_file(naming(result, files), files, attempts)
            attempts[path] += 1
            self.emit(Notice(f"the check fails: mending {path or 'what is missing'}"))
            mark = self.exchange.mark()
            self.runner.workspace.begin()
            self.absent |= absent_in(result, done.changed)
            way = self._way(path, result, attempts[path], f"{words} {task.check}", done)
            if await self._write(task, words, way, result, done):
                return "interrupted"
            if done.denied:
                stop = "denied"
                break
            after = await self.runner.check(task.check, wait)
            self.absent |= absent_in(after, done.changed)
            if after.failures > result.failures or absent_in(after) - absent_in(result):
                restored = self.runner.workspace.restore()
                self.emit(Notice(f"that was worse: {', '.join(restored)} as before"))
            else:
                result = after
            result = await self.doubts.settle(task, words, result, done)
            await self.exchange.back_to(mark)
        done.check_passed, done.failing = result.passed, not result.passed
        if result.passed:
            return "check_passed"
        return stop or "check_failed"

    async def _write(
        self, task: Task, words: str, way: Way, result: CheckResult, done: Progress
    ) -> bool:
        """Let the model write one file, or any where none is named; whether it was interrupted."""
        path = way.path
        parts = [*self._shown(words, way, result, done)]
        parts.append(failure_text(task.check, result.failure))
        parts += _orders(way, result.failure)
        if self.absent:
            parts.append(f"{NO_MODULE}: {', '.join(sorted(self.absent))}.")
        delta = self.exchange.delta([User("\n\n".join(parts))])
        begin = fence_opening(path) + way.begin if path else ""
        most = self.window.room(delta) - SPARE - self.count(begin)
        most = min(most, room_for(path, self.window.n_ctx)) if path else most
        not_paths = ("",) if path else ()
        ask = Ask(most, task.sampling, must_act=True, not_paths=not_paths, begin=begin)
        if way.function and self.exchange.branches > 1:
            return await self._write_several(way, result, delta, ask, done)
        warm = way.times - 1 if way.sees_it else way.times  # what comes first was said once already
        reply = await self.exchange.reply(delta, _warmer(ask, warm))
        done.turns += 1
        done.usage.add(reply.usage)
        if reply.reason == "interrupted":
            return True
        before = self._text(path)
        repeated = await self._take(reply.calls[:1], way, result.failure, done)
        after = self._text(path)
        if path.endswith(".py") and not is_test(path) and (repeated or after != before):
            anew = [way.function] if way.function else definitions(after)
            self.doubts.note(path, before, after, [] if way.sees_it else anew)
        return False

    async def _write_several(
        self,
        way: Way,
        result: CheckResult,
        delta: Sequence[int],
        ask: Ask,
        done: Progress,
    ) -> bool:
        """Let the model write a function several times at once, and take the one that fails least;
        whether it was interrupted."""
        path = way.path
        # One that is warmer still may go on and on, and all wait for it.
        long = max(LEAST_FUNCTION, 2 * self.count(source_of(self._text(path), way.function)))
        ask = replace(ask, max_tokens=min(ask.max_tokens, long))
        asks = [_warmer(ask, (way.times + 1 + n) / 2, n) for n in range(self.exchange.branches)]
        replies, usage = await self.exchange.answers(delta, asks, lambda _number, _reply: None)
        done.turns += 1
        done.usage.add(together(usage, replies))
        await self.exchange.take(0, replies[0])  # it is forgotten after the round, as all of it
        if any(reply.reason == "interrupted" for reply in replies):
            return True
        before = self._text(path)
        calls = [self._mended(call, way, done) for reply in replies for call in reply.calls[:1]]
        written = [call for call in calls if call.name == "write"]
        right = [call for call in written if not self._fault(call, result.failure, way)]
        scores: dict[str, Score] = {before: score(result)}
        for text in (str(call.arguments.get("content", "")) for call in right):
            self.doubts.note(path, before, text, [way.function])
            if text not in scores:
                said = await tried(self.runner, result, path, text)
                is_bad = said is None or absent_in(said) - absent_in(result)
                scores[text] = (NOT_STARTED, 0) if said is None or is_bad else score(said)
        best = min(right, key=lambda call: scores[str(call.arguments["content"])], default=None)
        if best and scores[str(best.arguments["content"])] < scores[before]:
            await self.runner.calls([best], done)
        else:
            self.emit(Notice(f"none of {len(asks)} others is better"))
        return False

    async def _take(
        self, calls: Sequence[ToolCall], way: Way, failure: str, done: Progress
    ) -> bool:
        """Run what was said, if it can be right; whether it is what stands there."""
        calls = [self._mended(call, way, done) for call in calls]
        wrong = [why for call in calls if (why := self._fault(call, failure, way))]
        if calls and self._is_there(calls[0]):
            self.emit(Notice("that is what it was before"))
            return True
        if wrong:
            self.emit(Notice(f"{way.path or 'the file'} was not taken: {wrong[0].text}"))
        else:
            await self.runner.calls(calls, done)
        return False

    def _way(self, path: str, result: CheckResult, times: int, words: str, done: Progress) -> Way:
        """How a file is written the nth time, for a task and a check of these words.

        Next to its text a small model copies it, however warm. So first the function that fails
        behind the rest of the file, then the whole file without its text in view, and with it only
        where that is spent, or others miss something in it.
        """
        text = self._text(path)
        if not text or missing_in(path, result.failure):
            return Way(path, times)
        if not path.endswith(".py") or is_test(path):
            files = read_texts(self.runner.workspace, done.changed)
            begin = opening_of_tests(files, words) if path.endswith(".py") and times % 2 else ""
            return Way(path, times, tuple(signatures(text)), begin=begin, sees_it=times % 2 == 0)
        defines = tuple(signatures(text))
        tests = read_texts(self.runner.workspace, {file for file, _, _ in result.in_tests})
        names = culprits(text, path, (*result.places, *result.in_tests), tests)
        if not names and passes_tests(result) and "main" in definitions(text):
            names = ["main"]  # what it prints is wrong
        name = min(names, key=lambda name: self.tried[path, name], default="")
        begin = opened(text, name)
        begin += said_first(words, path, name) if begin else ""
        is_short = len(begin) <= self.window.n_ctx // 4 * CHARS_PER_TOKEN
        if times % WHOLE_EVERY and begin and is_short:
            self.tried[path, name] += 1
            return Way(path, times, defines, name, begin, sees_it=False)
        if times % 2 or name:
            first = name_of(defines[0]) if defines else ""
            begin = opening(defines, first)
            begin += said_first(words, path, first) if begin else ""
            return Way(path, times, defines, "", begin, sees_it=False)
        return Way(path, times)

    def _text(self, path: str) -> str:
        return read_texts(self.runner.workspace, [path]).get(path, "") if path else ""

    def _is_there(self, call: ToolCall) -> bool:
        """Whether a call would write what stands there."""
        path, content = (str(call.arguments.get(name, "")) for name in ("path", "content"))
        return call.name == "write" and content == self._text(path)

    def _mended(self, call: ToolCall, way: Way, done: Progress) -> ToolCall:
        """A whole file with what the project knows of it put right."""
        path, content = (str(call.arguments.get(name, "")) for name in ("path", "content"))
        if call.name != "write":
            return call
        if way.function:
            content = filled(self._text(path), way.function, content) or content
        texts = read_texts(self.runner.workspace, done.changed)
        return replace(call, arguments={**call.arguments, "content": mended(content, path, texts)})

    def _fault(self, call: ToolCall, failure: str, way: Way) -> Fault | None:
        """Why a file that a call writes cannot be right, as far as can be seen."""
        path, content = (str(call.arguments.get(name, "")) for name in ("path", "content"))
        if call.name != "write" or not path.endswith(".py"):
            return None
        if strange := self.absent & modules_of(content):
            return Fault(f"it imports {', '.join(sorted(strange))}, which is not there", 100)
        public = [text for text in way.defines if not name_of(text).startswith("_")]
        public = [] if is_test(path) else public
        return fault(content, path, [*missing_in(path, failure), *public])

    def _shown(self, words: str, way: Way, result: CheckResult, done: Progress) -> list[str]:
        """The task, and the files that matter most, the last one the one to write."""
        path = way.path
        room = self.window.n_ctx // 4 * CHARS_PER_TOKEN
        named = [file for file in files_in(result.failure, done.changed) if file != path]
        others = [*named, *(f for f in done.changed if f not in named and f != path)]
        parts = [words]
        for file in [*others[:MOST_SHOWN][::-1], *([path] if path and way.sees_it else [])]:
            shown = read_shown(self.runner.workspace, file, int(room))
            if shown is not None and shown.text.strip():
                parts.append(block(file, shown.text))
                room -= len(shown.text)
        return parts


def _warmer(ask: Ask, times: float, number: int = 0) -> Ask:
    """The same, so much warmer that the model says something else than so many times before;
    `number` tells several at once apart."""
    if not times:
        return ask
    warmer = max(ask.sampling.temperature, min(1.0, WARMER * times))
    seed = ask.sampling.seed + round(10 * times) + number
    return replace(ask, sampling=replace(ask.sampling, temperature=warmer, top_k=40, seed=seed))


def _orders(way: Way, failure: str) -> list[str]:
    """What the model is to do."""
    path = way.path
    if not path:
        return [prompt_text("act")]
    if way.function:
        return [prompt_text("function").replace("{path}", path).replace("{name}", way.function)]
    lacks = missing_in(path, failure)
    needed = [f"It has to define at its top: {', '.join(lacks)}."] if lacks else []
    if is_test(path) and (missing := absent_files(failure)):
        needed.append(f"There is no {missing[0]}: a test that reads it has to write it first.")
    if way.sees_it:
        return [prompt_text("mend").replace("{path}", path), *needed]
    defines = f" It defines: {'; '.join(way.defines)}." if way.defines else ""
    text = prompt_text("anew").replace("{path}", path).replace("{defines}", defines)
    return [text, *needed]
