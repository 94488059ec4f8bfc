"""A terminal emulator around the real `agent` command with a scripted engine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

ROOT = Path(__file__).parents[2]
START = Path(__file__).with_name("scripted_repl.py")
PATIENCE_S = 120.0


class Terminal:
    """`script` is Python: what the model says, as tests/e2e/scripted_repl.py has it."""

    def __init__(
        self, home: Path, script: str, *arguments: str, columns: int = 80, rows: int = 24,
        environment: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.home = home
        self.work = home / "work"
        self.work.mkdir(exist_ok=True)
        self.fifo = home / "fifo"
        if not self.fifo.exists():
            os.mkfifo(self.fifo)
        # Open at both ends, so that what is written waits for whoever reads.
        self._gate = os.open(self.fifo, os.O_RDWR)
        (home / "script.py").write_text(
            f"from scripted_repl import *\nFIFO = {str(self.fifo)!r}\n{script}\n", "utf-8"
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
        folders = {f"XDG_{name}_HOME": str(home / name) for name in ("STATE", "CACHE", "CONFIG")}
        self.screen = pyte.HistoryScreen(columns, rows, history=20_000, ratio=0.001)
        self._stream = pyte.Stream(self.screen)
        self.raw = ""
        self.child = pexpect.spawn(
            sys.executable,
            [str(START), str(home / "script.py"), *arguments],
            cwd=str(self.work),
            env={**kept, **folders, "HOME": str(home), "PYTHONPATH": str(ROOT),
                 "TERM": "xterm-256color", "LANG": "C.UTF-8", "SHELL": "/bin/sh",
                 **(environment or {})},
            encoding="utf-8", codec_errors="replace", dimensions=(rows, columns), timeout=60,
        )  # fmt: skip
        self.child.delaybeforesend = None  # pexpect waits 50 ms before each key

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    @property
    def whole(self) -> str:
        """Scrollback and screen."""
        above = [
            "".join(row[x].data for x in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return "\n".join([*above, *self.lines]).rstrip()

    def send(self, text: str) -> None:
        self.child.send(text)

    def line(self, text: str) -> None:
        """Type it and press Enter."""
        self.child.send(f"{text}\r")

    def paste(self, text: str) -> None:
        self.child.send(f"\x1b[200~{text}\x1b[201~")

    def go(self) -> None:
        """Let the scripted model, or its loading, go on where it waits."""
        os.write(self._gate, b".")

    def until(self, condition: str | Callable[[], bool]) -> None:
        """Read what comes until the text is on the screen, or the condition holds."""

        def holds() -> bool:
            return condition in self.text if isinstance(condition, str) else condition()

        # A status line that moves would let a test that fails read for ever.
        ends = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < ends, f"never seen: {condition!r} in\n{self.text}"
            self._read(condition)

    def look(self, seconds: float) -> None:
        """Take in what comes within so long, if anything does."""
        try:
            data = self.child.read_nonblocking(65_536, timeout=seconds)
        except pexpect.TIMEOUT:
            return
        self.raw += data
        self._stream.feed(data)

    def ended(self) -> int | None:
        """Read to the end: the exit code."""
        try:
            while True:
                self._read("the end")
        except EOFError:
            self.child.close()
        status: int | None = self.child.exitstatus
        return status

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def close(self) -> None:
        try:
            self.child.close(force=True)
        except pexpect.ExceptionPexpect:  # a busy machine: it was killed, and has not gone yet
            self.child.ptyproc.wait()
        os.close(self._gate)

    def _read(self, wanted: object) -> None:
        try:
            data = self.child.read_nonblocking(65_536, timeout=60)
        except pexpect.EOF:
            raise EOFError(f"ended before {wanted!r}:\n{self.text}\n{self.raw[-2000:]}") from None
        except pexpect.TIMEOUT:
            raise AssertionError(f"never seen: {wanted!r} in\n{self.text}") from None
        self.raw += data
        self._stream.feed(data)
