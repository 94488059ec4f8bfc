"""A program that drives `agent do --input stream-json`, with a scripted engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.faults.command import Command

HEAD = "from tests.e2e.scripted_repl import gated\n"
FLAGS = ("--input", "stream-json", "--output", "stream-json")


class Program:
    """The command as it runs; `script` is Python: LINES, and FIFO for what has to wait."""

    def __init__(self, home: Path, script: str, *arguments: str, **changed: str) -> None:
        self.command = Command(home)
        self.command.work.mkdir(exist_ok=True)
        fifo = home / "fifo"
        if not fifo.exists():
            os.mkfifo(fifo)
        # Open at both ends, so that what is written waits for whoever reads.
        self._gate = os.open(fifo, os.O_RDWR)
        words = self.command.scripted(f"{HEAD}FIFO = {str(fifo)!r}\n{script}", "do", *FLAGS)
        self.process = subprocess.Popen(
            [*words, *arguments],
            cwd=self.command.work, env={**self.command.environment, **changed},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.process.kill()
        self.process.communicate()
        os.close(self._gate)

    def raw(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, kind: str, **fields: object) -> None:
        self.raw(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def go(self) -> None:
        """Let the model go on where it waits."""
        os.write(self._gate, b".")

    def until(self, kind: str, **fields: object) -> dict[str, Any]:
        """Read events up to one of that type with these values."""
        assert self.process.stdout is not None and self.process.stderr is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self.seen.append(event)
            if event["type"] == kind and all(event[k] == v for k, v in fields.items()):
                return dict(event)
        said = self.process.stderr.read().decode()
        raise AssertionError(f"ended before {kind} {fields}: {self.kinds}\n{said}")

    def rest(self, *, end: bool = True) -> tuple[int, str]:
        """Read to the end: the exit code, and what was said on stderr."""
        assert self.process.stdin is not None
        if end:
            self.process.stdin.close()
            self.process.stdin = None
        out, err = self.process.communicate()
        self.seen += [json.loads(line) for line in (out or b"").splitlines()]
        return self.process.returncode, err.decode()

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.seen if event["type"] == kind]
