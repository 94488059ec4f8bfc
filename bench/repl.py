"""How the REPL feels: `python -m bench.repl` prints JSON, with the scripted engine in a terminal.

Time to the prompt; from a key to the screen while text streams; growth of the process over 10,000
lines. The script speaks 50 pieces a second, faster than any model here.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.e2e.terminal import Terminal

KEYS = "the quick brown fox jumps over the lazy dog " * 3
STREAM = """
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


def start_s() -> float:
    """Seconds from the command to the prompt."""
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        seen = Terminal(Path(home), 'LINES = ["x"]')
        seen.until("❯")
        seconds = time.perf_counter() - started
        seen.close()
        return seconds


def keys_ms() -> list[float]:
    """Milliseconds from each key to its letter on the screen, while text streams."""
    with tempfile.TemporaryDirectory() as home:
        seen = Terminal(Path(home), f"import asyncio\n{STREAM}")
        seen.until("❯")
        seen.line("go on?")
        seen.until("word20 ")
        found, typed = [], ""
        for key in KEYS:
            typed += key
            started = time.perf_counter()
            seen.send(key)
            if key != " ":
                wanted = f"❯ {typed}"[-60:]
                seen.until(partial(_shows, seen, wanted))
                found.append(1000 * (time.perf_counter() - started))
            time.sleep(0.013)
        seen.close()
        return found


def _shows(seen: Terminal, wanted: str) -> bool:
    return wanted in seen.text.replace("\n  ", "")


def growth_mb() -> float:
    """Megabytes by which the process grows over 10,000 lines of output."""
    with tempfile.TemporaryDirectory() as home:
        seen = Terminal(Path(home), LONG)
        seen.until("scripted · auto")
        before = _resident(seen.child.pid)
        seen.line("go on?")
        seen.until("done in")
        after = _resident(seen.child.pid)
        seen.close()
        return after - before


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    keys = sorted(keys_ms())
    print(
        json.dumps(
            {
                "prompt_s": round(statistics.median(start_s() for _ in range(5)), 3),
                "key_p50_ms": round(keys[len(keys) // 2], 1),
                "key_p95_ms": round(keys[int(len(keys) * 0.95)], 1),
                "growth_10k_lines_mb": round(growth_mb(), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
