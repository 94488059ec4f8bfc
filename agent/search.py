"""Other answers to the same prompt, the likeliest first.

A small model that repairs a file mostly copies it, the mistake included; but at the token where it
should have left the copy it hesitates. The engine says at each token which other one was nearest.
From an answer that failed, the next attempt keeps everything up to the token where the model was
least sure, takes its second choice there and goes on: deterministic, without prefill, and most of
the answer is not even decoded again. (Limited discrepancy search.)
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.engine.base import Piece

# A second choice that is e^5 times less likely than the first is no hesitation.
MOST_DOUBT = 5.0


@dataclass(frozen=True, order=True)
class Branch:
    """Keep `kept` pieces of an answer, then take `token`.

    Ordered by how badly the answer failed that it comes from, then by the doubts passed over.
    """

    failures: int
    cost: float
    number: int
    kept: tuple[Piece, ...] = field(compare=False)
    token: int = field(compare=False)


class Search:
    """The answers that were tried and the branches that are left."""

    def __init__(self) -> None:
        self._branches: list[Branch] = []
        self._count = 0
        self._origin = (0, 0.0)  # where the last branch left its answer, and its cost
        self.tried = 0

    def add(self, pieces: Sequence[Piece], inside: Sequence[bool], failures: int) -> None:
        """An answer failed that many tests; `inside` says which of its pieces are code.

        Only pieces behind the last branch point are new; the answer's own cost is that of the
        branch that it came from.
        """
        begin, cost = self._origin
        for i in range(begin, len(pieces)):
            piece = pieces[i]
            if not inside[i] or piece.gap > MOST_DOUBT or piece.runner_up < 0:
                continue
            self._count += 1
            total = cost + piece.gap
            branch = Branch(failures, total, self._count, tuple(pieces[:i]), piece.runner_up)
            heapq.heappush(self._branches, branch)

    def next(self) -> Branch | None:
        """The likeliest branch that was not tried."""
        if not self._branches:
            return None
        branch = heapq.heappop(self._branches)
        self._origin = (len(branch.kept) + 1, branch.cost)
        self.tried += 1
        return branch


_HEADS = ("def ", "async def ", "class ", "import ", "from ", "@", "#", "//", "/*", "*")


def inside_code(pieces: Sequence[Piece]) -> list[bool]:
    """Which pieces are worth another choice: the bodies of functions in fenced blocks.

    Prose, docstrings, comments, signatures and imports are not: another choice there changes how
    the code looks (type hints, say), not what it does.
    """
    flags, text = [], ""
    fenced = quoted = False
    for piece in pieces:
        line = text.rsplit("\n", 1)[-1] + piece.text
        bare = line.strip()
        is_body = line[:1].isspace() and bool(piece.text.strip()) and "#" not in line
        flags.append(fenced and not quoted and is_body and not bare.startswith(_HEADS))
        text += piece.text
        fenced = sum(1 for x in text.split("\n") if x.startswith("```")) % 2 == 1
        quoted = text.count('"""') % 2 == 1
    return flags
