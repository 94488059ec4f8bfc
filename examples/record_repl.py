"""A REPL from the first prompt to a checked change, as docs/repl.svg and pictures in docs/screens.

    python examples/record_repl.py              the default model, as a user has it
    python examples/record_repl.py --scripted   a model that says what is written here: for tests

Only the time in which the model works is shortened, to --wait seconds in all; the title says by
how much.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
from film import FilmScreen, Frame, film, frame_of, picture

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 90, 26
TICK_S = 0.1
LETTER_S, LOOK_S = 0.045, 2.2
PATIENCE_S = float(os.environ.get("PATIENCE_S", "900"))
CHECK = "python3 -m unittest -q"
FIXED = '''"""A shopping cart."""


class Cart:
    """What somebody wants to buy: names, prices and counts."""

    def __init__(self):
        self.items = {}

    def add(self, name, price, count=1):
        if name in self.items:
            count += self.items[name][1]
        self.items[name] = (price, count)

    def remove(self, name):
        self.items.pop(name, None)

    def total(self):
        return sum(price * count for price, count in self.items.values())
'''
SCRIPT = f"""
from scripted_repl import *
def slow(text):
    async def say(_prompt):
        for at in range(0, len(text), 12):
            yield text[at:at + 12]
            await asyncio.sleep(0.03)
    return lambda prompt: say(prompt)
def call(**arguments):
    import json
    return "<tool_call>\\n" + json.dumps({{"name": "write", "arguments": arguments}}) + "\\n</tool_call>"
LINES = [
    slow({("cart.py" + chr(10) + "```python" + chr(10) + FIXED + "```" + chr(10))!r}),
    slow(call(path="README.md", content="# Cart\\n\\nA shopping cart: names, prices and counts.\\n")),
    slow("README.md says what `cart.py` is: **a shopping cart**."),
    slow("Cart tests"), slow("Cart tests"),
]
"""  # noqa: E501


@dataclass
class Camera:
    """A terminal with the agent in it, and what was seen of it."""

    child: pexpect.spawn[str]
    screen: FilmScreen
    stream: object
    started: float = field(default_factory=time.monotonic)
    frames: list[Frame] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    shots: dict[str, Frame] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def watch(self, seconds: float) -> None:
        """Look for so long."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._look()

    def type(self, text: str, *, enter: bool = True) -> None:
        """Letter by letter, as somebody types."""
        for letter in text:
            self.child.send(letter)
            self.watch(LETTER_S)
        if enter:
            self.watch(0.5)
            self.child.send("\r")

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.child.send(key)
            self.watch(0.6)

    def until(self, holds: Callable[[str], bool], what: str) -> None:
        """Wait for the model: this time is shortened."""
        begin = time.monotonic()
        while not holds(self.text):
            if time.monotonic() - begin > PATIENCE_S:
                raise SystemExit(f"never seen: {what} in\n{self.text}")
            self._look()
        self.waits.append((begin - self.started, time.monotonic() - self.started))

    def shoot(self, name: str) -> None:
        """Keep this screen as a picture."""
        self.watch(0.3)
        self.shots.setdefault(name, self.frames[-1])

    def _look(self) -> None:
        try:
            data = self.child.read_nonblocking(65_536, timeout=TICK_S)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF as end:
            raise SystemExit(f"it ended:\n{self.text}") from end
        self.stream.feed(data)  # type: ignore[attr-defined]
        frame = frame_of(self.screen, time.monotonic() - self.started)
        if self.frames and frame.at - self.frames[-1].at < TICK_S:
            frame = Frame(self.frames.pop().at, frame.lines, frame.cursor)
        self.frames.append(frame)


def story(camera: Camera) -> None:
    """From the first prompt to a change that is checked, looked at and taken back."""
    camera.until(lambda text: "/check" in text and "· auto" in text, "the model")
    camera.watch(LOOK_S)
    camera.type("/che", enter=False)
    camera.watch(1.0)
    camera.shoot("completion")
    camera.press("\t")
    camera.type(f"{CHECK}")
    camera.watch(LOOK_S)
    camera.type("The tests fail. Fix cart.py.")
    camera.until(lambda text: "reading" in text or "writing" in text, "the prompt being read")
    if "reading" in camera.text:
        camera.shoot("prefill")
    camera.until(lambda text: "done in" in text or "stopped" in text, "the end of the turn")
    camera.watch(LOOK_S)
    camera.type("/diff")
    camera.watch(1.0)
    camera.shoot("diff")
    camera.watch(LOOK_S)
    camera.type("/context")
    camera.watch(1.0)
    camera.shoot("context")
    camera.watch(LOOK_S)
    camera.type("/check off")
    camera.press("\x1b[Z", 2)
    camera.type("Write a short README.md about cart.py.")
    camera.until(lambda text: "[y] yes, once" in text or text.count("done in") > 1, "a question")
    camera.shoot("approval")
    camera.watch(LOOK_S)
    while "[y] yes, once" in camera.text:
        camera.watch(1.0)
        camera.press("y")
        camera.until(lambda text: text.rstrip().split("\n")[-2].startswith("❯"), "the end")
    camera.watch(LOOK_S)
    camera.type("/undo")
    camera.watch(LOOK_S)
    camera.type("/exit")


def opened(home: Path, *, scripted: bool) -> Camera:
    """The agent in a terminal, in a copy of examples/cart and with empty settings."""
    work = home / "cart"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "examples" / "cart", work, ignore=ignored)
    command = [str(Path(sys.executable).parent / "agent")]
    if scripted:
        (home / "script.py").write_text(f"import asyncio\n{SCRIPT}", "utf-8")
        start = ROOT / "tests" / "e2e" / "scripted_repl.py"
        command = [sys.executable, str(start), str(home / "script.py")]
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("STATE", "CONFIG")}
    child = pexpect.spawn(
        command[0], command[1:], cwd=str(work), encoding="utf-8", codec_errors="replace",
        dimensions=(ROWS, COLUMNS), timeout=60,
        env={**os.environ, **folders, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    child.delaybeforesend = None
    import pyte

    screen = FilmScreen(COLUMNS, ROWS)
    return Camera(child, screen, pyte.Stream(screen))


def shortened(camera: Camera, most: float) -> tuple[list[Frame], float, float]:
    """The frames with the waits cut to `most` seconds in all, the length, and by how much."""
    waited = sum(end - begin for begin, end in camera.waits)
    factor = max(1.0, waited / most)

    def moved(at: float) -> float:
        lost = sum(min(at, end) - begin for begin, end in camera.waits if begin < at)
        return at - lost + lost / factor

    frames = list(thinned(Frame(moved(f.at), f.lines, f.cursor) for f in camera.frames))
    return frames, moved(camera.frames[-1].at) + 3.0, factor


def thinned(frames: Iterator[Frame]) -> Iterator[Frame]:
    """No more than the eye sees: of frames that are close together the last one."""
    kept: Frame | None = None
    for frame in frames:
        if kept is not None and frame.at - kept.at >= TICK_S:
            yield kept
            kept = frame
        else:
            kept = frame if kept is None else Frame(kept.at, frame.lines, frame.cursor)
    if kept is not None:
        yield kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scripted", action="store_true", help="a model that is not there")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds of waiting that are kept")
    parser.add_argument("--to", type=Path, default=ROOT / "docs", help="where the pictures go")
    given = parser.parse_args()
    # A short name, since it is seen; made anew, so that two at once do not share it.
    home = Path(tempfile.gettempdir()) / "demo"
    home.mkdir()
    try:
        camera = opened(home, scripted=given.scripted)
        try:
            story(camera)
        finally:
            if camera.child.isalive():
                camera.child.kill(signal.SIGKILL)
            camera.child.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    frames, seconds, factor = shortened(camera, given.wait)
    title = "ingle" if factor < 1.05 else f"ingle (waiting is shown {factor:.1f} times faster)"
    (given.to / "screens").mkdir(parents=True, exist_ok=True)
    whole = film(frames, seconds, title, COLUMNS, ROWS)
    (given.to / "repl.svg").write_text(whole, "utf-8")
    for name, frame in camera.shots.items():
        path = given.to / "screens" / f"{name}.svg"
        path.write_text(picture(frame, "ingle", COLUMNS), "utf-8")
    sizes = {"seconds": round(seconds), "bytes": len(whole), "frames": len(frames)}
    print(json.dumps({**sizes, "faster": round(factor, 1), "screens": sorted(camera.shots)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
