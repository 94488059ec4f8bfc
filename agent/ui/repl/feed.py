"""News from the host's thread, brought to the thread of the user interface a frame at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from agent.ui.repl.host import News

# Seconds between two frames: faster is not seen, and takes time from the model.
FRAME_S = 0.08


class Feed:
    """A :class:`agent.ui.repl.host.Screen`. `take` gets what came, on the loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, take: Callable[[Sequence[News]], None]
    ) -> None:
        self._loop = loop
        self._take = take
        self._lock = threading.Lock()
        self._news: deque[News] = deque()
        self._awake = False
        self._next_frame = 0.0

    def show(self, news: News) -> None:
        """Callable from any thread; returns at once."""
        with self._lock:
            self._news.append(news)
            if self._awake:
                return
            self._awake = True
        with suppress(RuntimeError):  # the user interface is gone
            self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        self._loop.call_at(max(self._loop.time(), self._next_frame), self._drain)

    def _drain(self) -> None:
        with self._lock:
            news = list(self._news)
            self._news.clear()
            self._awake = False
        self._next_frame = self._loop.time() + FRAME_S
        self._take(news)
