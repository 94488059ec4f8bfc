"""What a small model does with a message in a conversation: talk where it is talked to, change
files where a change is asked for.

Every message is the first of a session in a folder with one module, at temperature 0. Talk passes
if something is said, without code, and no file changes; a change passes if its file changes.
"""

from __future__ import annotations

from agent.app import Session
from agent.context.asked import wants_change
from bench.common import Collector, job, make_engine, workspace

FILES = {"calc.py": "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return b - a\n"}
TALK = (
    "hello",
    "Thanks, that is all for today.",
    "Write a haiku about rivers.",
    "Write the English words for the numbers from one to ten, one a line.",
    "Explain recursion in two sentences.",
    "What is 17 times 23?",
    "Translate 'good morning' to French.",
    "Give me three names for a cat.",
    "I like this project.",
    "Name the functions that calc.py has.",
)
CHANGES = (
    ("Add a function double(n) to calc.py.", "calc.py"),
    ("Rename add to plus in calc.py.", "calc.py"),
    ("Create notes.md with one line: buy milk", "notes.md"),
    ("Write a unit test for add into test_calc.py.", "test_calc.py"),
    ("subtract should return a - b", "calc.py"),
    ("Fix subtract.", "calc.py"),
    ("Please give both functions docstrings.", "calc.py"),
    ("I need a divide function in calc.py too", "calc.py"),
    ("Make a script hello.sh that prints hello.", "hello.sh"),
    ("Could you remove subtract from calc.py?", "calc.py"),
)


def _is_words(answer: str) -> bool:
    return any(map(str.isalnum, answer)) and "```" not in answer


async def run() -> None:
    engine = make_engine(8192)
    await engine.load(lambda _progress: None)
    talked = changed = made = 0
    for text, path in [*((text, "") for text in TALK), *CHANGES]:
        with workspace(FILES) as folder:
            await engine.rewind(0)
            session = Session(engine, folder, Collector.log(), Collector())
            await session.start(sandbox="off")
            ended = await session.do(job(text, folder, turns=4, seconds=60))
        passed = path in ended.changed if path else _is_words(ended.answer) and not ended.changed
        talked += passed and not path
        changed += passed and bool(path)
        made += wants_change(text)
        did = f"changed {', '.join(ended.changed)}" if ended.changed else repr(ended.answer[:60])
        print(f"{'ok' if passed else 'NOT':4s} {text[:50]:50s} {ended.stop}: {did}", flush=True)
    print(f"talk: {talked} of {len(TALK)}; changes: {changed} of {len(CHANGES)}, made to: {made}")
    await engine.close()
