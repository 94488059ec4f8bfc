"""What of the folded part of a session bears on the user's next message."""

from __future__ import annotations

from collections.abc import Collection

from agent.session.closeness import closeness
from agent.session.index import Index
from agent.session.ranking import Hit
from agent.session.words import excerpt, read_query

MOST_HITS = 4
LEAST_SHARE = 0.5  # of the message's words that an excerpt has
# What says clearly less than the best excerpt misleads a small model more than it helps
# (`bench.facts`): so little of the best one's closeness is not shown.
LEAST_CLOSE = 0.75
CHARS = 160  # the line that says it, and the ones beside it


def reminders(index: Index, message: str, visible: Collection[str], chars: int) -> str:
    """Excerpts with their handles in at most about `chars` characters; '' where nothing fits.

    `visible` are the handles of what stands in the window anyway. Raises as Index does.
    """
    index.refresh()
    terms = read_query(message).terms
    least = max(2, int(len(terms) * LEAST_SHARE)) if len(terms) > 1 else 1
    found = [
        (closeness(hit.snippet, terms), hit)
        for hit in index.search(message, 3 * MOST_HITS)
        if hit.terms >= least
    ]
    # What stands in the window counts as well: where that says it best, nothing else is to be said.
    best = max((close for close, _ in found), default=0.0)
    lines: list[str] = []
    for close, hit in found:
        if close < LEAST_CLOSE * best or hit.handle in visible or len(lines) == MOST_HITS:
            continue
        line = _line(hit, excerpt(hit.snippet, terms, CHARS)[1])
        chars -= len(line) + 1
        if chars < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _line(hit: Hit, said: str) -> str:
    about = " ".join(word for word in (hit.kind, hit.name, hit.path) if word)
    return f"[{hit.handle}] {about}: {said.strip()}"
