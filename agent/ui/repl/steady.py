"""The beginning of a draft that stands still while its end is typed."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable

# What has not changed for this long is told.
REST_S = 0.25


class Steady:
    """`tell` gets the whole words with which the draft has begun for some time, each time that
    they are others. `later` is a loop's call_later."""

    def __init__(
        self,
        later: Callable[[float, Callable[[], None]], TimerHandle],
        tell: Callable[[str], None],
    ) -> None:
        self._later = later
        self._tell = tell
        self._text = ""
        self._steady = ""  # of the text, since the timer began
        self._told = ""
        self._timer: TimerHandle | None = None

    def typed(self, text: str) -> None:
        """The draft is this now."""
        self._text = text
        if self._timer is None:
            self._begin()
        else:
            self._steady = words(_common(self._steady + " ", text + " "))

    def forget(self) -> None:
        """What was told is not known any more."""
        self._told = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._steady = words(self._text)
        if self._steady != self._told:
            self._timer = self._later(REST_S, self._rested)

    def _rested(self) -> None:
        self._timer = None
        if self._steady != self._told:
            self._told = self._steady
            self._tell(self._told)
        self._begin()


def words(text: str) -> str:
    """The words that are typed to their end; none of a command."""
    if text.startswith(("/", "!")):
        return ""
    end = max((i for i, letter in enumerate(text) if letter.isspace()), default=0)
    return text[:end].rstrip()


def _common(one: str, other: str) -> str:
    """What both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))]
