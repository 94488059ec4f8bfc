"""The numbers of the README. `python -m bench.run [NAME ...]` prints them and keeps the output.

prompt      tokens of the fixed prompt
engine      speeds against a bare loop, forks, speculation, restart from blocks (15 minutes)
context     1,000 calls through windows of 4K to 200K: overflows, folds, recall; facts that the real
            model answers after folds, and without them (20 minutes)
manners     twenty messages: words where words are asked for, files where a change is
projects    ten small packages built from nothing in an 8K window: passed, seconds, answers
reuse       tokens evaluated / new tokens over a real session of 10 turns
start       seconds of `agent --help` and `agent sessions list` above `python -c ''`
outline     the map of a repository of 10,000 files: seconds cold and warm, stable or not
sandbox     milliseconds that a command takes longer in the sandbox
checkpoints seconds of a checkpoint: first, nothing changed, one file changed, undo
repairs     small broken modules with a failing test, and the example: solved and seconds
code-search needs --code-search FILE and --corpus FILE (JSON lines): functions found, plain BM25
            beside it; seconds of an index of 1,000 files
code-search-reports
            the same over 166 bug reports of others, fetched (0.4 GB), 10 minutes
schemas     needs --schemas FILE (JSON lines with schema and tests): llguidance against llama.cpp's
            GBNF, then what grammars of calls cost; no weights are loaded
exercism    needs --exercism FILE (JSON lines with instructions, stub and tests)
injection   needs --injection FILE (JSON lines with injected results and the calls of the attack):
            the model's rate and the gate's
tool-calls  needs --tool-calls FILE (JSON lines in BFCL's form): calls by category, scored by BFCL's
            checker, ours and the model's plain template beside it (20 minutes)
attempts    the same file, with the tests as the check: one attempt, then four at once, 45 s each
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    checkpoints,
    code_search,
    code_search_reports,
    context,
    engine,
    exercism,
    injection,
    manners,
    measures,
    outline,
    projects,
    sandbox,
    schemas,
    tasks,
    tool_calls,
)

OUT = Path(__file__).parent / "out"
BENCHES: dict[str, Callable[[], None]] = {
    "prompt": measures.prompt,
    "engine": lambda: asyncio.run(engine.run(as_json=False)),
    "context": lambda: asyncio.run(context.run(as_json=False)),
    "reuse": lambda: asyncio.run(measures.reuse()),
    "start": measures.start,
    "sandbox": sandbox.run,
    "outline": outline.run,
    "checkpoints": checkpoints.run,
    "projects": lambda: asyncio.run(projects.run()),
    "manners": lambda: asyncio.run(manners.run()),
    "code-search-reports": code_search_reports.run,
    "repairs": lambda: asyncio.run(tasks.repairs()),
}


def attempts(file: Path) -> None:
    """Both in one run, since these machines are noisy."""
    rows = exercism.read_rows(file)
    for count in (1, 4):
        asyncio.run(exercism.with_tests(rows, count, 45))


WITH_FILE: dict[str, Callable[[Path], None]] = {
    "schemas": lambda file: schemas.run(schemas.read_rows(file)),
    "exercism": lambda file: asyncio.run(exercism.run(exercism.read_rows(file))),
    "attempts": attempts,
    "injection": lambda file: asyncio.run(injection.run(injection.read_rows(file))),
    "tool-calls": lambda file: asyncio.run(tool_calls.run(tool_calls.read_rows(file))),
}


class Tee:
    """stdout that also goes into a file."""

    def __init__(self, path: Path):
        self._file = path.open("w", encoding="utf-8")
        self._screen = sys.__stdout__

    def write(self, text: str) -> int:
        self._file.write(text)
        self._file.flush()
        assert self._screen is not None
        return self._screen.write(text)

    def flush(self) -> None:
        self._file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES, *WITH_FILE, "code-search"])
    parser.add_argument("--code-search", type=Path, help="JSON lines; not part of this repository")
    parser.add_argument("--corpus", type=Path, help="JSON lines; the tree of --code-search")
    parser.add_argument("--schemas", type=Path, help="JSON lines; not part of this repository")
    parser.add_argument("--exercism", type=Path, help="JSON lines; not part of this repository")
    parser.add_argument("--injection", type=Path, help="JSON lines; not part of this repository")
    parser.add_argument("--tool-calls", type=Path, help="JSON lines; not part of this repository")
    arguments = parser.parse_args()
    files = {
        "code-search": arguments.code_search,
        "schemas": arguments.schemas,
        "exercism": arguments.exercism,
        "attempts": arguments.exercism,
        "injection": arguments.injection,
        "tool-calls": arguments.tool_calls,
    }
    names = arguments.names or [*BENCHES, *(name for name, file in files.items() if file)]
    OUT.mkdir(exist_ok=True)
    for name in names:
        sys.stdout = Tee(OUT / f"{name}.txt")
        print(f"== {name}")
        if name in BENCHES:
            BENCHES[name]()
        elif files[name] is None:
            parser.error(f"{name} needs --{'exercism' if name == 'attempts' else name} FILE")
        elif name == "code-search":
            code_search.run(arguments.code_search, arguments.corpus)
        else:
            WITH_FILE[name](files[name])


if __name__ == "__main__":
    main()
