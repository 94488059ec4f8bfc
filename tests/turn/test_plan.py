"""A plan stands in the window through folds and restarts."""

from __future__ import annotations

from agent.app import Session
from agent.engine.scripted import ScriptedEngine
from agent.events import CallReturned, Folded, PlanChanged
from agent.job import Job
from agent.plan import plan_tool
from agent.session import SessionLog
from agent.session.resume import load_earlier
from tests.turn.conftest import Desk
from tools.workspace import Workspace

TASK = "Make the parser faster."


def outputs(desk: Desk, count: int) -> list[str]:
    desk.put("a.txt", "".join(f"line {i} of a long file\n" for i in range(9000)))
    return [
        desk.call("shell", command=f"head -c {3000 + i} a.txt; echo end {i}") for i in range(count)
    ]


async def opened(desk: Desk, lines: list[str], n_ctx: int = 8192) -> Session:
    session = await desk.open(lines, n_ctx=n_ctx)
    assert session._dispatcher is not None
    session._dispatcher.declare(plan_tool(lambda: session.ledger.plan, session.emit))
    return session


async def test_the_plan_is_in_the_window_after_every_fold(desk: Desk) -> None:
    lines = [
        desk.call("plan", steps=["measure it", "find the slow part", "rewrite that"]),
        *outputs(desk, 15),
        desk.call("plan", done=[1, 2]),
        *outputs(desk, 30),
        "done",
    ]
    session = await opened(desk, lines)
    ended = await session.do(Job(TASK, session.workspace))
    assert ended.stop == "turns"
    assert len(desk.shown(Folded)) >= 2
    assert desk.shown(PlanChanged)[-1].done == (1, 2)
    now = "[x] 1. measure it\n[x] 2. find the slow part\n[ ] 3. rewrite that"
    since = next(i for i, asked in enumerate(desk.engine.asked) if now in asked.prompt)
    assert since == 17
    assert all(now in asked.prompt for asked in desk.engine.asked[since:])


async def test_the_plan_goes_on_in_the_next_process(desk: Desk) -> None:
    session = await opened(desk, [desk.call("plan", steps=["measure", "rewrite"]), "planned"])
    await session.do(Job(TASK, session.workspace))
    earlier = load_earlier(desk.state, session.log.id)
    await session.close()
    engine = ScriptedEngine(
        [desk.call("plan", done=[1]), *outputs(desk, 30), "done"], like=desk.engine
    )
    log = SessionLog.create(desk.state)
    again = Session(engine, Workspace(desk.root), log, desk.screen, earlier=earlier)
    await again.start(sandbox="off")
    assert again.ledger.plan == PlanChanged(("measure", "rewrite"))
    assert again._dispatcher is not None
    again._dispatcher.declare(plan_tool(lambda: again.ledger.plan, again.emit))
    await again.do(Job("Go on.", again.workspace))
    assert desk.shown(Folded)
    assert "[x] 1. measure\n[ ] 2. rewrite" in engine.asked[-1].prompt
    returned = [e for e in desk.shown(CallReturned) if e.name == "plan"]
    assert [e.text.split("\n")[0] for e in returned] == ["[ ] 1. measure", "[x] 1. measure"]
