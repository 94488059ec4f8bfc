"""The plan tool: the steps of long work, kept in the session's log and shown after every fold."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from agent.events import Event, PlanChanged
from tools.base import Arguments, Tool, ToolContext, ToolResult, failed

MOST_STEPS = 20
MOST_CHARS = 120  # of a step
# Models hand a plan back in the form in which they were shown it.
_SHOWN = re.compile(r"\s*(?:[-*]\s+)?(?:\[([ xX])\]\s*)?(?:\d{1,2}[.)]\s+)?")


class PlanArguments(Arguments):
    steps: list[str] | None = None
    done: list[int] | None = None


def plan_tool(
    current: Callable[[], PlanChanged], emit: Callable[[Event], None]
) -> Tool[PlanArguments]:
    """The tool; `current` gives the plan as the session's log has it, `emit` gets what changes."""
    return Tool(
        "plan",
        "For long work: set the steps, later mark those that are done by their numbers.",
        PlanArguments,
        partial(_run, current, emit),
    )


async def _run(
    current: Callable[[], PlanChanged],
    emit: Callable[[Event], None],
    arguments: PlanArguments,
    _context: ToolContext,
) -> ToolResult:
    before = current()
    plan = _replaced(before, arguments.steps) if arguments.steps else before
    if not plan.steps:
        return failed("there is no plan yet: give steps, each in a few words")
    if len(plan.steps) > MOST_STEPS:
        return failed(f"a plan has at most {MOST_STEPS} steps, this one has {len(plan.steps)}")
    done = arguments.done or []
    if wrong := [number for number in done if not 1 <= number <= len(plan.steps)]:
        return failed(f"there is no step {wrong[0]}: the steps are 1 to {len(plan.steps)}")
    plan = PlanChanged(plan.steps, tuple(sorted({*plan.done, *done})))
    if plan != before:
        emit(plan)
    return ToolResult("\n".join(plan.lines))


def _replaced(before: PlanChanged, given: list[str]) -> PlanChanged:
    """A new plan; steps that were done before, word for word, are done in it too."""
    were_done = {before.steps[number - 1] for number in before.done}
    steps: list[str] = []
    done: list[int] = []
    for text in given:
        mark = _SHOWN.match(text)
        step = _short(text[mark.end() :] if mark else text)
        if not step:
            continue
        steps.append(step)
        if step in were_done or (mark and mark[1] in ("x", "X")):
            done.append(len(steps))
    return PlanChanged(tuple(steps), tuple(done))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARS else f"{line[: MOST_CHARS - 3]}..."
