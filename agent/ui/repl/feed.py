"""News from the host's thread, brought to the thread of the user interface a frame at a time.

Where the model has all cores, what drawing takes is missing there: so frames come so seldom that
drawing them takes a small share of the time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from agent.ui.repl.host import News

FRAME_S = 0.08  # between two frames at least: faster is not seen
SHARE = 0.015  # of the time, at most, goes into drawing


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
        before = time.thread_time()
        self._take(news)
        cost = time.thread_time() - before
        self._next_frame = self._loop.time() + max(FRAME_S, cost / SHARE - cost)
