"""What the user types is read before it is sent, and nothing is different for that."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from agent.app import Job, Session
from agent.engine.ahead import STEP
from agent.engine.scripted import ScriptedEngine
from agent.events import ModelReplied, WorkProgress
from agent.session import SessionLog
from tests.screen import Screen
from tests.turn.conftest import Desk
from tools.workspace import Workspace

WORDS = ["fix", "the", "a.py", "@b.txt", "colours", "in", "notes", "漢字", "line\n", "why?"]


def put_files(root: Path) -> None:
    root.mkdir(exist_ok=True)
    (root / "a.py").write_text("def colour():\n    return 'red'\n")
    (root / "b.txt").write_text("some notes about lines\n" * 5)


def edits(seed: int) -> list[str]:
    """Drafts as somebody types them who changes their mind; the last one is sent."""
    chance = random.Random(seed)
    words: list[str] = []
    drafts = []
    for _ in range(chance.randint(1, 12)):
        action = chance.random()
        if action < 0.6 or not words:
            words = [*words, *chance.choices(WORDS, k=chance.randint(1, 4))]
        elif action < 0.8:
            del words[chance.randrange(len(words)) :]
        else:
            words[chance.randrange(len(words))] = chance.choice(WORDS)
        drafts.append(" ".join(words))
    return [*drafts, " ".join([*words, "now"])]


async def talk(root: Path, tasks: list[list[str]], *, ahead: bool, chunk: int) -> Desk:
    """Each task has its drafts; with `ahead` all of them are read ahead."""
    desk = Desk(root, root.parent / "state")
    await desk.open(["One.", "Two.", "Three."], chunk=chunk)
    assert desk.session is not None
    for drafts in tasks:
        jobs = [Job(draft, desk.session.workspace) for draft in drafts]
        for job in jobs if ahead else []:
            await desk.session.prepare(job)
        await desk.session.do(jobs[-1])
    return desk


@pytest.mark.parametrize("seed", range(25))
async def test_what_was_typed_and_taken_back_leaves_no_trace(tmp_path: Path, seed: int) -> None:
    tasks = [edits(3 * seed + n) for n in range(3)]
    desks = []
    for name, ahead in (("cold", False), ("warm", True)):
        put_files(tmp_path / name)
        desks.append(await talk(tmp_path / name, tasks, ahead=ahead, chunk=1 + seed % 5))
    cold, warm = desks
    assert warm.engine.words() == cold.engine.words()
    assert [a.prompt for a in warm.engine.asked] == [a.prompt for a in cold.engine.asked]
    kinds = [
        [type(e) for e in desk.screen.events if not isinstance(e, WorkProgress)] for desk in desks
    ]
    assert [k.__name__ for k in kinds[1]].count("LogSet") == len(tasks) + 1  # the fixed prompt
    assert [k for k in kinds[0] if k.__name__ != "LogSet"] == [
        k for k in kinds[1] if k.__name__ != "LogSet"
    ]
    assert warm.session is not None and cold.session is not None
    seen = [{p.name for p in d.session.workspace._seen} for d in desks if d.session]
    assert seen[0] == seen[1]


async def test_enter_only_adds_the_rest(desk: Desk) -> None:
    put_files(desk.root)
    session = await desk.open(["One."])
    job = Job("say what colour() in a.py gives back, in a few words", session.workspace)
    await session.prepare(job)
    before = desk.engine.evaluations
    await session.do(replace(job, task=f"{job.task} please"))
    usage = desk.shown(ModelReplied)[0].usage
    rest = len(desk.engine.words(desk.engine.log[before:]))
    assert usage.reused >= before - 2 and usage.prompt < 20 < rest + 20
    assert desk.engine.evaluations < len(desk.engine.log) + 3


async def test_looking_at_a_file_ahead_is_not_reading_it(desk: Desk) -> None:
    put_files(desk.root)
    session = await desk.open([desk.call("write", path="b.txt", content="x\n"), "I see."])
    for number in range(14):  # too many for all of them to be shown
        desk.put(f"other{number}.txt", "x\n")
    await session.prepare(Job("look at @b.txt", session.workspace))
    await session.do(Job("hello", session.workspace))
    assert desk.read("b.txt").startswith("some notes")
    assert "was not read yet" in desk.given(1)


async def test_a_session_that_goes_on_is_read_before_the_first_message(desk: Desk) -> None:
    from agent.session.resume import load_earlier

    await desk.do(["One."], "hello")
    assert desk.session is not None
    earlier = load_earlier(desk.state, desk.session.log.id)
    engine = ScriptedEngine(["Two."], like=desk.engine)
    log = SessionLog.create(None)
    session = Session(engine, Workspace(desk.root), log, Screen(), earlier=earlier)
    await session.start(sandbox="off")
    await session.prepare()
    assert engine.evaluated == len(earlier.tokens)
    await session.do(Job("and?", session.workspace))
    assert engine.words().startswith(desk.engine.words())


async def test_a_draft_that_would_fill_the_window_is_left(desk: Desk) -> None:
    long = " ".join(map(str, range(1900)))
    session = await desk.open([long, "Two."], n_ctx=4096)
    await session.do(Job("count", session.workspace))
    before = len(desk.engine.log)
    await session.prepare(Job("word " * 500, session.workspace))
    assert len(desk.engine.log) == before
    await session.prepare(Job("some words", session.workspace))
    assert len(desk.engine.log) > before


async def test_it_stops_when_somebody_waits(desk: Desk) -> None:
    put_files(desk.root)
    session = await desk.open(["One."], chunk=1)
    await session.prepare()
    front = len(desk.engine.log)
    looks = iter([True, True, False])
    await session.prepare(Job("word " * 100, session.workspace), lambda: next(looks))
    assert len(desk.engine.log) == front + STEP
