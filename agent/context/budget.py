"""Budgets of the window, all fractions of the real n_ctx; decided without I/O."""

from __future__ import annotations

from dataclasses import dataclass

# Characters of a token in the worst text that tools return (digits, hashes, minified code).
LEAST_CHARS_PER_TOKEN = 2
MOST_RESULT_CHARS = 6_000


@dataclass(frozen=True)
class Budget:
    """Sizes in tokens for one model call. `room` is what is left of the window of `n_ctx`."""

    n_ctx: int
    room: int

    @property
    def output(self) -> int:
        """What the answer may take: at most half of the window, and what is left."""
        return max(0, min(self.n_ctx // 2, self.room))

    @property
    def reserve(self) -> int:
        """Below this an answer could not even hold a call: the turn has to end."""
        return max(64, self.n_ctx // 16)

    @property
    def attachments(self) -> int:
        """Files that are shown with the task."""
        return min(self.n_ctx // 4, 6_000)

    def result_chars(self, results: int) -> int:
        """Characters for each of `results` tool results, an eighth of the window together.

        Whatever stands in the window already: it is folded where the results need its room.
        """
        tokens = self.n_ctx // (8 * max(1, results))
        return max(200, min(MOST_RESULT_CHARS, tokens * LEAST_CHARS_PER_TOKEN))


def fits(budget: Budget) -> bool:
    """Whether a shortest answer has room."""
    return budget.reserve <= budget.room
