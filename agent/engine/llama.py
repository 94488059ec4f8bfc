"""llama.cpp in this process: one native thread owns model and context, asyncio stands outside.

ctypes releases the GIL while llama.cpp computes, so the event loop stays responsive. Jobs go to the
thread through a queue; chunks come back through ``call_soon_threadsafe``.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.engine import native
from agent.engine.base import Chunk, EngineInfo, Finished, Progress, Request
from agent.engine.sequence import LiveSequence
from agent.messages import Segment

T = TypeVar("T")


@dataclass(frozen=True)
class LlamaSettings:
    """What to load and how: `n_ctx` in tokens, `threads` as physical cores."""

    path: Path
    n_ctx: int
    threads: int
    name: str = ""


class LlamaEngine:
    """An :class:`agent.engine.base.Engine` on llama.cpp."""

    def __init__(self, settings: LlamaSettings):
        self._settings = settings
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._interrupt = threading.Event()
        self._thread = threading.Thread(target=self._work, name="llama", daemon=True)
        self._model: native.Model | None = None
        self._context: native.Context | None = None
        self._sequence: LiveSequence | None = None
        self._info = EngineInfo(model=settings.name, n_ctx=settings.n_ctx)

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def log(self) -> Sequence[int]:
        return self._loaded().log

    @property
    def loaded(self) -> bool:
        return self._sequence is not None

    async def load(self, on_progress: Callable[[Progress], None]) -> None:
        """Load weights and make the context.

        Raises:
            InterruptedError: :meth:`interrupt` was called meanwhile.
            BrokenModelFile, IngleError: llama.cpp refuses the file or the size.
        """
        loop = asyncio.get_running_loop()

        def progress(done: float) -> bool:
            step = Progress("load", int(done * 1000), 1000)
            loop.call_soon_threadsafe(on_progress, step)
            return not self._interrupt.is_set()

        self._thread.start()
        await self._run(lambda: self._load(progress))

    def _load(self, progress: Callable[[float], bool]) -> None:
        started = time.perf_counter()
        native.silence()
        self._model = native.Model(self._settings.path, progress=progress)
        sizes = native.ContextSettings(self._settings.n_ctx, self._settings.threads)
        self._context = native.Context(self._model, sizes)
        self._sequence = LiveSequence(self._model, self._context, self._interrupt.is_set)
        self._info = EngineInfo(
            model=self._settings.name,
            n_ctx=self._context.n_ctx,
            chat_template=self._model.chat_template(),
            backend="gpu" if native.supports_gpu() else "cpu",
            load_s=time.perf_counter() - started,
        )

    def tokenize(self, segments: Sequence[Segment]) -> list[int]:
        """Token ids of rendered segments. The vocabulary is read-only, so any thread may ask."""
        assert self._model is not None
        return [t for s in segments for t in self._model.tokenize(s.text, control=s.control)]

    def text(self, token: int) -> str:
        """What one token says; bytes that are no whole character come as U+FFFD."""
        assert self._model is not None
        return self._model.piece(token).decode("utf-8", "replace")

    async def generate(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Stream one generation; it always ends with a :class:`Finished`.

        A consumer that stops listening interrupts the generation.
        """
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Chunk | BaseException] = asyncio.Queue()

        def emit(chunk: Chunk | BaseException) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        def job() -> None:
            try:
                self._loaded().generate(request, emit)
            except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
                emit(error)

        self._interrupt.clear()
        self._jobs.put(job)
        finished = False
        try:
            while not finished:
                chunk = await chunks.get()
                if isinstance(chunk, BaseException):
                    finished = True
                    raise chunk
                finished = isinstance(chunk, Finished)
                yield chunk
        finally:
            if not finished:
                self._interrupt.set()

    async def rewind(self, length: int) -> None:
        await self._run(lambda: self._loaded().rewind(length))

    def interrupt(self) -> None:
        self._interrupt.set()

    async def close(self) -> None:
        """Stop the running call, free the memory and end the thread."""
        if self._thread.is_alive():
            self._interrupt.set()
            self._jobs.put(self._free)
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _free(self) -> None:
        if self._context is not None:
            self._context.free()
        if self._model is not None:
            self._model.free()

    def _loaded(self) -> LiveSequence:
        assert self._sequence is not None, "load() comes first"
        return self._sequence

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def _run(self, work: Callable[[], T]) -> T:
        """Run `work` on the native thread and bring back its value or its exception."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)  # type: ignore[arg-type]

        def job() -> None:
            try:
                loop.call_soon_threadsafe(settle, work(), None)
            except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
                loop.call_soon_threadsafe(settle, None, error)

        self._jobs.put(job)
        return await future
