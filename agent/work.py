"""One job from its first prompt to its end: the loop, or a whole project file by file."""

from __future__ import annotations

from collections.abc import Callable

from agent.blueprint import Blueprint
from agent.briefing import Briefing
from agent.events import TaskGiven
from agent.job import Job
from agent.loop import Loop
from agent.repair import Repair
from agent.turn import Progress


async def work(
    job: Job, done: Progress, loop: Loop, briefing: Briefing, count: Callable[[str], int]
) -> str:
    """Do the job; `done` grows on the way, so that it is true when this is cancelled.

    Returns why it stopped: a key of ``app.EXIT_CODES``.
    """
    task, is_whole = await briefing.begin(job)
    if not is_whole:
        return await loop.run(await briefing.prepare(job), done)
    loop.emit(TaskGiven(job.task))
    builder = Blueprint(loop.exchange, loop.window, loop.runner, loop.emit, briefing.outline, count)
    if stop := await builder.build(task, job.task, done):
        return stop
    if done.changes and not job.check:
        done.answer = f"Wrote {', '.join(done.changed)}."
        return "answer"
    if done.changes and job.tries > 1:
        repair = Repair(loop.exchange, loop.window, loop.runner, loop.emit, count)
        return await repair.repair(task, job.task, done)
    task = await briefing.prepare(job, told=True)
    if done.changes and not task.failing:
        done.check_passed = True
        return "check_passed"
    return await loop.run(task, done)
