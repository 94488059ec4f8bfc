"""What of the folded part of a session bears on the user's next message."""

from __future__ import annotations

from collections.abc import Collection

from agent.session.index import Index
from agent.session.ranking import Hit
from agent.session.words import read_query

MOST_HITS = 4
LEAST_SHARE = 0.5  # of the message's words that an excerpt has


def reminders(index: Index, message: str, visible: Collection[str], chars: int) -> str:
    """Excerpts with their handles in at most about `chars` characters; '' where nothing fits.

    `visible` are the handles of what stands in the window anyway. Raises as Index does.
    """
    index.refresh()
    asked = len(read_query(message).terms)
    least = max(2, int(asked * LEAST_SHARE)) if asked > 1 else 1
    found = [
        hit
        for hit in index.search(message, 3 * MOST_HITS)
        if hit.handle not in visible and hit.terms >= least
    ]
    lines: list[str] = []
    for hit in found[:MOST_HITS]:
        line = _line(hit)
        chars -= len(line) + 1
        if chars < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _line(hit: Hit) -> str:
    about = " ".join(word for word in (hit.kind, hit.name, hit.path) if word)
    return f"[{hit.handle}] {about}: {hit.snippet.strip()}"
