"""The delegate tool: one step of the work as a sub-task, of which only the result stays.

The sub-task goes on behind the present point of the log, so that all that is known is known to it
at no cost; then the log is cut back to that point, and nothing of the parent's is evaluated again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from agent.config import Limits
from agent.context.prompt import prompt_text
from agent.dispatch import SESSION_TOOLS, Dispatcher, question, refusal
from agent.engine.base import Sampling
from agent.events import Event, Notice
from agent.exchange import Exchange
from agent.loop import Loop
from agent.messages import ToolCall
from agent.policy import Decision
from agent.runner import Saver
from agent.turn import Progress, Task
from agent.window import Window
from tools.base import Arguments, Tool, ToolContext, ToolResult, failed

MOST_TURNS = 12
OUTPUT_SHARE = 4  # of the window: what a sub-task may write
WANTED_SHARE = 2  # of the window is made free for a sub-task where that can be done
LEAST_SHARE = 3  # with less it is not begun


class DelegateArguments(Arguments):
    task: str
    check: str = ""


@dataclass(frozen=True)
class Parent:
    """What a sub-task works with. `dispatcher` is asked at each call for the session's own;
    `saver` saves the folder before the first change."""

    exchange: Exchange
    window: Window
    dispatcher: Callable[[], Dispatcher]
    emit: Callable[[Event], None]
    saver: Saver | None = None
    sampling: Sampling = field(default_factory=Sampling)


def delegate_tool(parent: Callable[[], Parent]) -> Tool[DelegateArguments]:
    """The tool, for the conversation that `parent` gives once it has begun."""
    return Tool(
        "delegate",
        "Do one larger step apart, with the same tools; only its result comes back. "
        "check: a command that has to pass.",
        DelegateArguments,
        partial(_run, parent),
    )


async def _run(
    give: Callable[[], Parent], arguments: DelegateArguments, context: ToolContext
) -> ToolResult:
    words = arguments.task.strip()
    if not words:
        return failed("task is empty: say what the step has to come to")
    parent = give()
    dispatcher = replace(parent.dispatcher(), without=SESSION_TOOLS)
    check = arguments.check.strip()
    if check and (refused := await _refused(dispatcher, check)):
        return failed(refused)
    n_ctx = parent.window.n_ctx
    await parent.window.make_room(n_ctx // WANTED_SHARE)
    if parent.window.room() < n_ctx // LEAST_SHARE:
        return failed("the window is too full for a sub-task: do the step yourself")
    parent.emit(Notice(f"sub-task: {_line(words)}"))
    stop, done = await _worked(parent, dispatcher, words, check)
    if stop == "interrupted":
        raise asyncio.CancelledError
    text = context.output.cut(_result(stop, done, check), "delegate")
    return ToolResult(text, ok=stop in ("answer", "check_passed"), changed=done.changed)


async def _worked(
    parent: Parent, dispatcher: Dispatcher, words: str, check: str
) -> tuple[str, Progress]:
    """Do the sub-task: why it stopped, and what it did. The log is then what it was before."""
    mark = parent.exchange.mark()
    window = parent.window.part(mark.length, f"You work at one step only: {words}")
    loop = Loop(parent.exchange, dispatcher, window, parent.emit)
    loop.runner.saver = parent.saver
    limits = Limits(turns=MOST_TURNS, tokens=window.n_ctx // OUTPUT_SHARE)
    prompt = f"{prompt_text('subtask')}\n\n{words}"
    task = Task(prompt, limits, parent.sampling, check, source="note")
    done = Progress()
    try:
        stop = await loop.run(task, done)
    finally:
        await parent.exchange.back_to(mark)
        loop.runner.workspace.hide()  # what it read or wrote stands in the window no more
    return stop, done


async def _refused(dispatcher: Dispatcher, check: str) -> str:
    """Why the check may not be run, '' when it may: it is the model's command, not the user's."""
    shell = dispatcher.tool("shell")
    if shell is None:
        return "there is no shell here to run a check: leave it out"
    call = ToolCall("", "shell", {"command": check})
    verdict = dispatcher.decide(call, shell)
    if verdict.decision is Decision.DENY:
        return refusal("check", verdict)
    if verdict.decision is Decision.ASK:
        root = str(dispatcher.context.workspace.root)
        answer = await dispatcher.ask(question(call, verdict, "", root))
        if not answer.allows:
            return "the user does not want this check to be run"
        if answer.kind != "once" and verdict.pattern:
            dispatcher.grants.add(verdict.pattern, for_good=answer.kind == "always")
    return ""


def _result(stop: str, done: Progress, check: str) -> str:
    """What the parent reads: the answer, the files, the check, and whether it came to its end."""
    lines = [done.answer.strip() or "It gave no answer."]
    if done.changed:
        lines.append(f"[files it changed: {', '.join(done.changed)}]")
    if check and done.check_passed is None:
        lines.append(f"[its check was not run: {check}]")
    elif check:
        lines.append(f"[its check {'passed' if done.check_passed else 'failed'}: {check}]")
    if stop not in ("answer", "check_passed"):
        lines.append(f"[it ended before it was done: {_WHY.get(stop, stop)}]")
    return "\n".join(lines)


_WHY = {
    "turns": f"no more than {MOST_TURNS} answers",
    "tokens": "it wrote too much",
    "context": "its part of the window is full",
    "repeated": "it went in circles",
    "check_failed": "its check kept failing",
    "denied": "a call was refused",
}


def _line(text: str, most: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
