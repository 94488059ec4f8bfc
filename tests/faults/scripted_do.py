"""The real `agent` command with an engine that follows a script, for `agent do` in a process.

`python scripted_do.py SCRIPT [options of agent]`: SCRIPT is a Python file with LINES, what the
model says (see agent.engine.scripted), maybe N_CTX, and maybe DIE_AT: ("module:Name.attribute",
word, n) kills this process with SIGKILL as it calls that the nth time with `word` among the
arguments, as a value or as the name of a class; '' counts every call. Without LINES the model is
a real one. Tokens mean the same in the next process, as those of a model do.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent.cli import task
from agent.cli.build import Built
from agent.cli.main import main
from agent.engine.base import Sampling
from agent.engine.scripted import ScriptedEngine


class LastingEngine(ScriptedEngine):
    """Keeps its vocabulary in a file, a line a token."""

    def __init__(self, lines: list[Any], vocabulary: Path, n_ctx: int) -> None:
        super().__init__(lines, n_ctx=n_ctx)
        self._vocabulary = vocabulary
        for line in vocabulary.read_text("utf-8").splitlines() if vocabulary.exists() else []:
            text, control = json.loads(line)
            super()._id(text, control=control)

    def _id(self, text: str, *, control: bool = False) -> int:
        if (text, control) not in self._ids:
            with self._vocabulary.open("a", encoding="utf-8") as file:
                file.write(json.dumps([text, control]) + "\n")
        return super()._id(text, control=control)


def die_at(place: str, word: str = "", number: int = 1) -> None:
    """Kill this process at that call."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    usual = getattr(owner, name)
    left = [number]

    @functools.wraps(usual)
    def dying(*arguments: Any, **named: Any) -> Any:
        left[0] -= not word or any(word in (type(a).__name__, str(a)) for a in arguments)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(*arguments, **named)

    setattr(owner, name, dying)


def follow(told: dict[str, Any], vocabulary: Path) -> None:
    """From now on the model of `agent do` in this process is the one that a script tells of."""
    engine = LastingEngine(told["LINES"], vocabulary, told.get("N_CTX", 16_384))
    built = Built(engine, "", told.get("TRIES", 1), Sampling())  # type: ignore[arg-type]
    task.find_model = lambda *_: SimpleNamespace()  # type: ignore[assignment, return-value]
    task.name_of = lambda _: "scripted"  # type: ignore[assignment]
    task.build = lambda *_, **__: built  # type: ignore[assignment]


def start(script: Path, arguments: list[str]) -> None:
    told = runpy.run_path(str(script))
    if "DIE_AT" in told:
        die_at(*told["DIE_AT"])
    if "LINES" in told:
        follow(told, script.with_name("vocabulary"))
    sys.argv = ["agent", *arguments]
    main()


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    start(Path(sys.argv[1]), sys.argv[2:])
