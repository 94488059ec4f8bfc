"""A small plot of speeds, for terminals of any kind."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

BARS = " ▏▎▍▌▋▊▉█"
WIDTH = 30  # of the longest bar, in cells


def plot(rates: Sequence[tuple[str, float]]) -> Iterator[str]:
    """Tokens a second, a named bar for each; nothing where all of them are 0."""
    most = max((rate for _, rate in rates), default=0.0)
    if not most:
        return
    fine = _can_show(BARS)
    for name, rate in rates:
        yield f"{name:<20} {rate:>8.1f} tok/s   {bar(rate / most, fine=fine)}".rstrip()


def bar(share: float, *, fine: bool) -> str:
    """`share` of WIDTH cells, in eighths of a cell where the terminal has those."""
    if not fine:
        return "#" * round(share * WIDTH)
    eighths = round(share * WIDTH * 8)
    return (BARS[8] * (eighths // 8) + BARS[eighths % 8]).rstrip()


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
