"""Parses texts in child processes, which are killed when one text takes too long."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.code.plain import from_plain
from tools.code.symbols import Symbols

CHILD = Path(__file__).with_name("parsing_child.py")
WORKERS = 2
LIMIT_S = 5.0  # of a child's own time for one text; 512 KB of code take a fifth of a second
WALL_S = 60.0  # for one text on a machine that is busy
MEMORY = 1 << 30  # bytes of address space of a child
MOST_ANSWER = 64 * 1024 * 1024  # bytes
SIGPROF = int(getattr(signal, "SIGPROF", 0))  # 0 on Windows


@dataclass(frozen=True)
class Text:
    """Something to parse; ``name`` is the caller's and comes back with the result."""

    name: str
    language: str
    data: bytes


@dataclass(frozen=True)
class Parsed:
    """The symbols of a text; with an ``error`` (one line) there are none."""

    name: str
    symbols: Symbols
    error: str = ""


def parse_texts(
    texts: Iterable[Text],
    *,
    workers: int = WORKERS,
    limit_s: float = LIMIT_S,
    wall_s: float = WALL_S,
    child: Path = CHILD,
) -> Generator[Parsed, None, None]:
    """Results as they come, in any order, one for each text.

    A text that takes more than `limit_s` of its child's time, or `wall_s` by the clock, or that
    kills its child, has an error; the others are parsed by a new child. `texts` is consumed
    lazily, by one thread at a time, and what it raises is raised here. The children end with the
    iteration, also when it is given up.
    """
    source = _Shared(texts)
    results: queue.Queue[Parsed | BaseException | None] = queue.Queue(maxsize=64)
    children: list[_Child] = []

    def start() -> _Child:
        children.append(_Child(child, limit_s, wall_s))
        return children[-1]

    def work() -> None:
        _work(source, results, start)

    running = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in running:
        thread.start()
    left = len(running)
    try:
        while left:
            result = results.get()
            if result is None:
                left -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        source.close()
        for each in children:  # given up: nobody waits for what they are at
            each.kill()
        while left:  # a thread may wait for room
            left -= results.get() is None
        for thread in running:
            thread.join()


def parse_text(language: str, data: bytes, *, limit_s: float = LIMIT_S) -> Parsed:
    """One text, in a child of its own."""
    [result] = parse_texts([Text("", language, data)], workers=1, limit_s=limit_s)
    return result


class _Shared:
    """An iterable that threads take from; ``None`` at its end, or once it is closed."""

    def __init__(self, texts: Iterable[Text]):
        self._texts = iter(texts)
        self._lock = threading.Lock()
        self.closed = False

    def take(self) -> Text | None:
        with self._lock:
            return None if self.closed else next(self._texts, None)

    def close(self) -> None:
        self.closed = True


def _work(
    source: _Shared,
    results: queue.Queue[Parsed | BaseException | None],
    start: Callable[[], _Child],
) -> None:
    child: _Child | None = None
    try:
        while (text := source.take()) is not None:
            try:
                child = child or start()
                if source.closed:  # since before the child could be killed with the others
                    break
                results.put(Parsed(text.name, child.parse(text)))
            except ChildFailed as error:
                results.put(Parsed(text.name, Symbols(), str(error)))
                if error.fatal and child is not None:
                    child.close()
                    child = None
    except BaseException as error:  # noqa: BLE001 - raised again where the results are read
        results.put(error)
    finally:
        if child is not None:
            child.close()
        results.put(None)


class ChildFailed(Exception):
    """A text was not parsed; `fatal`: its child is gone."""

    def __init__(self, reason: str, *, fatal: bool):
        super().__init__(reason)
        self.fatal = fatal


class _Child:
    """One process, from the first text to the one that kills it."""

    def __init__(self, program: Path, limit_s: float, wall_s: float):
        self._limit_s = limit_s
        # Without a signal for its own time a child is only stopped by the clock.
        self._wall_s = wall_s if SIGPROF else limit_s
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # The current folder is not asked: it may hold a tools/ of a stranger.
        path = [entry for entry in sys.path if Path(entry).is_absolute()]
        try:
            self._ask({"path": path, "memory": MEMORY, "cpu": limit_s}, b"")
        except BaseException:
            self.close()
            raise

    def parse(self, text: Text) -> Symbols:
        """The symbols of a text. Raises ChildFailed."""
        answer = self._ask({"language": text.language, "size": len(text.data)}, text.data)
        if "error" in answer:
            raise ChildFailed(str(answer["error"]), fatal=False)
        try:
            return from_plain(answer)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ChildFailed("its answer makes no sense", fatal=True) from error

    def kill(self) -> None:
        """End it from another thread; the text that it is at fails."""
        self._process.kill()

    def close(self) -> None:
        """Idempotent."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # what is left in its buffer finds no reader
                    pipe.close()
        self._process.wait()

    def _ask(self, request: object, data: bytes) -> Any:
        process = self._process
        assert process.stdin and process.stdout
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(self._wall_s, kill)
        clock.start()
        answer = b""
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request).encode() + b"\n" + data)
                process.stdin.flush()
                answer = process.stdout.readline(MOST_ANSWER)
        finally:
            clock.cancel()
        if answer.endswith(b"\n"):
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(answer)
        if answer:
            process.kill()  # it talks, but no JSON
        code = process.wait()
        if late.is_set() or (SIGPROF and code == -SIGPROF):
            limit = self._wall_s if late.is_set() else self._limit_s
            raise ChildFailed(f"parsing takes longer than {limit:g} s", fatal=True)
        raise ChildFailed("its parser crashed", fatal=True)
