"""How the REPL feels: `python -m bench.repl [--model NAME]` prints JSON.

With the scripted engine, which speaks 50 pieces a second: time to the prompt; from a key to the
screen while text streams; growth of the process over 10,000 lines. With a model of INGLE_MODELS
also: the same keys while it decodes as fast as it can; from Enter to its first token, for a message
that was typed, which is read meanwhile, and for one that comes at once, beside evaluating its text
alone; what rendering costs the decoding.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from agent.engine.base import Piece, Request
from agent.messages import Segment
from bench.timing import open_engine, to_end
from tests.e2e.terminal import Terminal

KEYS = "the quick brown fox jumps over the lazy dog " * 3
LETTER_S = 0.06  # of somebody who types fast
STREAM = """
import asyncio
async def words():
    for n in range(3000):
        yield "word%d " % n + ("\\n\\n" if n % 40 == 39 else "")
        await asyncio.sleep(0.02)
LINES = [lambda p: words()]
"""
LONG = """
LINES = ["\\n\\n".join("a line of text, number %d" % n for n in range(10_000)), "ok"]
N_CTX = 1 << 20
"""
# Each answer's first token, and each end of reading ahead, is written down with its time.
WATCH = """
import time
from agent.engine.base import Finished, Piece
from agent.engine.llama import LlamaEngine
generate = LlamaEngine.generate
async def watched(self, request):
    first = request.max_tokens > 0
    ahead = not first
    async for chunk in generate(self, request):
        if isinstance(chunk, Piece) and first or isinstance(chunk, Finished) and ahead:
            with open(WATCHED, "a") as file:
                print("token" if first else "read", time.monotonic(), file=file)
            first = False
        yield chunk
LlamaEngine.generate = watched
"""
COUNT = "Write the numbers from 1 to 150 with a space between, and nothing else."
ASK = "What does the file say about the colour of the third house, and is there one that is green?"
HOUSES = "".join(f"House {n} is {c}.\n" for n, c in enumerate(["red", "blue", "white"] * 12))
ROUNDS = 3


@contextmanager
def terminal(script: str, *arguments: str) -> Iterator[Terminal]:
    """The REPL in a terminal, in an empty folder; models are where INGLE_MODELS says."""
    with tempfile.TemporaryDirectory() as home:
        models = os.environ.get("INGLE_MODELS")
        environment = {"INGLE_MODELS": models} if models else None
        watched = f"WATCHED = {str(Path(home) / 'watched')!r}\n"
        seen = Terminal(Path(home), watched + script, *arguments, environment=environment)
        try:
            yield seen
        finally:
            seen.close()


def start_s() -> float:
    """Seconds from the command to the prompt."""
    started = time.perf_counter()
    with terminal('LINES = ["x"]') as seen:
        seen.until("❯")
        return time.perf_counter() - started


def keys_ms(model: str = "") -> list[float]:
    """Milliseconds from each key to its letter on the screen, while text streams."""
    with terminal("" if model else STREAM, *(["-m", model] if model else [])) as seen:
        seen.until("auto · ctx")
        seen.line(COUNT if model else "go on?")
        seen.until("7 8 9" if model else "word20 ")
        found, typed = [], ""
        for key in KEYS[:44] if model else KEYS:
            typed += key
            started = time.perf_counter()
            seen.send(key)
            if key != " ":
                wanted = f"❯ {typed}"[-60:]
                seen.until(partial(_shows, seen, wanted))
                found.append(1000 * (time.perf_counter() - started))
            time.sleep(0.013)
        return found


def _shows(seen: Terminal, wanted: str) -> bool:
    return wanted in seen.text.replace("\n  ", "")


def growth_mb() -> float:
    """Megabytes by which the process grows over 10,000 lines of output."""
    with terminal(LONG) as seen:
        seen.until("scripted · auto")
        before = _resident(seen.child.pid)
        seen.line("go on?")
        seen.until("done in")
        return _resident(seen.child.pid) - before


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def enter_ms(model: str, *, typed: bool) -> float:
    """Milliseconds from Enter to the first token of the answer to a message about a file."""
    with terminal(WATCH, "-m", model) as seen:
        (seen.work / "houses.txt").write_text(HOUSES, "utf-8")
        seen.until("auto · ctx")
        _until_read(seen, 1)
        for letter in ASK if typed else [ASK]:
            seen.send(letter)
            _look(seen, LETTER_S)
        sent = time.monotonic()
        seen.send("\r")
        return 1000 * (_until_read(seen, 1, "token")[0] - sent)


def _until_read(seen: Terminal, count: int, what: str = "read") -> list[float]:
    """The times at which it happened, once it has happened so often."""
    while True:
        _look(seen, 0.02)
        path = seen.home / "watched"
        lines = path.read_text("ascii").splitlines() if path.exists() else []
        times = [float(line.split()[1]) for line in lines if line.startswith(what)]
        if len(times) >= count:
            return times


def _look(seen: Terminal, seconds: float) -> None:
    """Let the terminal show what comes for so long."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        seen.look(left)


def decode_speeds(model: str) -> tuple[float, float]:
    """Tokens a second of the same answer, in the REPL and where nothing is drawn."""
    with terminal("", "-m", model) as seen:
        seen.until("auto · ctx")
        seen.line(COUNT)
        _drain(seen, "done in")
        (log,) = seen.home.glob("STATE/ingle/sessions/*/events.jsonl")
        drawn = _speed(json.loads(line) for line in log.read_text("utf-8").splitlines())
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("agent")), "do", COUNT, "-m", model,
             "--output", "stream-json", "--ephemeral"],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        )  # fmt: skip
    return drawn, _speed(json.loads(line) for line in done.stdout.splitlines())


def _drain(seen: Terminal, wanted: str) -> None:
    """Read until the text comes, without a picture of it: the emulator, in Python, would take the
    time of the two cores that is measured."""
    end = ""
    while wanted not in end:
        end = end[-200:] + seen.child.read_nonblocking(65_536, timeout=60)


async def alone_ms() -> float:
    """Milliseconds of evaluating the typed text alone, and the first token behind it."""
    engine = await open_engine(8192)
    before = engine.tokenize([Segment(HOUSES)])
    typed = engine.tokenize([Segment(ASK)])
    found = []
    for _ in range(ROUNDS):
        await engine.rewind(0)
        await to_end(engine, Request(before, 0))
        started = time.perf_counter()
        async for chunk in engine.generate(Request(typed, 1)):
            if isinstance(chunk, Piece):
                found.append(1000 * (time.perf_counter() - started))
    await engine.close()
    return statistics.median(found)


def _speed(events: Iterator[dict[str, Any]]) -> float:
    usages = [event["usage"] for event in events if event["type"] == "model_replied"]
    return float(sum(u["generated"] for u in usages) / sum(u["decode_s"] for u in usages))


def with_model(model: str) -> dict[str, Any]:
    """What needs a real model; pairs are measured in turn, since the machine changes its speed."""
    keys = sorted(keys_ms(model))
    enters = [(enter_ms(model, typed=True), enter_ms(model, typed=False)) for _ in range(ROUNDS)]
    speeds = [decode_speeds(model) for _ in range(ROUNDS)]
    drawn, bare = (statistics.median(pair[n] for pair in speeds) for n in (0, 1))
    return {
        "model": model,
        "key_p95_decoding_ms": round(keys[int(len(keys) * 0.95)], 1),
        "enter_typed_ms": round(statistics.median(typed for typed, _ in enters)),
        "typed_text_alone_ms": round(asyncio.run(alone_ms())),
        "enter_at_once_ms": round(statistics.median(once for _, once in enters)),
        "tok_s_drawn": round(drawn, 1),
        "tok_s_bare": round(bare, 1),
        "rendering_loss": round(1 - drawn / bare, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="a name of the catalogue, in INGLE_MODELS")
    model = parser.parse_args().model
    keys = sorted(keys_ms())
    found = {
        "prompt_s": round(statistics.median(start_s() for _ in range(5)), 3),
        "key_p50_ms": round(keys[len(keys) // 2], 1),
        "key_p95_ms": round(keys[int(len(keys) * 0.95)], 1),
        "growth_10k_lines_mb": round(growth_mb(), 1),
    }
    print(json.dumps({**found, **(with_model(model) if model else {})}))


if __name__ == "__main__":
    main()
