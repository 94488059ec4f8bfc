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
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.engine import native
from agent.engine.base import Chunk, EngineInfo, Finished, Forks, Progress, Request
from agent.engine.native_context import FORKS, Context, ContextSettings
from agent.engine.sequence import LiveSequence
from agent.engine.snapshots import BlockStore, Snapshots
from agent.messages import Segment

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class LlamaSettings:
    """What to load and how: `n_ctx` in tokens, `threads` as physical cores.

    `gpu_layers` of the layers go to the GPU where the build has one, -1 is all. `fingerprint`
    names everything that makes a block of one process valid in another.
    """

    path: Path
    n_ctx: int
    threads: int
    name: str = ""
    kv_type: str = "f16"
    gpu_layers: int = -1
    fingerprint: bytes = b""


class LlamaEngine:
    """An :class:`agent.engine.base.Engine` on llama.cpp."""

    def __init__(self, settings: LlamaSettings, blocks: BlockStore | None = None):
        self._settings = settings
        self._blocks = blocks
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._interrupt = threading.Event()
        self._thread = threading.Thread(target=self._work, name="llama", daemon=True)
        self._model: native.Model | None = None
        self._context: Context | None = None
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
        wanted = self._settings
        self._model = native.Model(wanted.path, progress=progress, gpu_layers=wanted.gpu_layers)
        sizes = ContextSettings(wanted.n_ctx, wanted.threads, kv_type=wanted.kv_type)
        self._context = Context(self._model, sizes)
        past = Snapshots(self._context, self._blocks, wanted.fingerprint)
        self._sequence = LiveSequence(self._model, self._context, self._interrupt.is_set, past)
        bos, eos = self._model.ends()
        self._info = EngineInfo(
            model=self._settings.name,
            n_ctx=self._context.n_ctx,
            chat_template=self._model.chat_template(),
            backend="gpu" if native.supports_gpu() else "cpu",
            load_s=time.perf_counter() - started,
            bos=bos,
            eos=eos,
            can_forget=self._context.can_truncate,
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

        def work(emit: Callable[[Chunk], None]) -> None:
            self._loaded().generate(request, emit)

        async with aclosing(self._stream(work, 1)) as chunks:
            async for chunk in chunks:
                yield chunk

    @property
    def forks(self) -> Forks:
        return self

    @property
    def most(self) -> int:
        return len(FORKS)

    async def grow(
        self, at: int, requests: Sequence[Request]
    ) -> AsyncGenerator[tuple[int, Chunk], None]:
        """See :meth:`agent.engine.base.Forks.grow`; a consumer that stops listening ends all."""

        def work(emit: Callable[[tuple[int, Chunk]], None]) -> None:
            self._loaded().grow(at, requests, lambda number, chunk: emit((number, chunk)))

        async with aclosing(self._stream(work, len(requests))) as chunks:
            async for numbered in chunks:
                yield numbered

    def stop(self, number: int) -> None:
        self._loaded().stopped.add(number)

    async def adopt(self, number: int) -> None:
        await self._run(lambda: self._loaded().adopt(number))

    async def drop(self) -> None:
        await self._run(lambda: self._loaded().drop())

    async def _stream(
        self, work: Callable[[Callable[[U], None]], None], ends: int
    ) -> AsyncGenerator[U, None]:
        """Run `work` on the native thread and bring over what it emits, until `ends` of its chunks
        are a :class:`Finished`."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[U | BaseException] = asyncio.Queue()

        def emit(chunk: U | BaseException) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        def job() -> None:
            try:
                work(emit)
            except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
                emit(error)

        self._interrupt.clear()
        self._jobs.put(job)
        try:
            while ends:
                chunk = await chunks.get()
                if isinstance(chunk, BaseException):
                    ends = 0
                    raise chunk
                last = chunk[1] if isinstance(chunk, tuple) else chunk
                ends -= isinstance(last, Finished)
                yield chunk
        finally:
            if ends:
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
        if self._sequence is not None:
            self._sequence.close()
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
