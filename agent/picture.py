"""From the ledger of a session to the picture of its window."""

from __future__ import annotations

from agent.context.fold import costs_of, stale_tokens
from agent.context.ledger import Ledger
from agent.events import Folded
from agent.ui.context_view import FoldedOnce, Kind, Picture

WHY = {
    "full": "the window was full",
    "early": "it saved time",
    "asked": "you asked for it",
}


def picture_of(ledger: Ledger, n_ctx: int) -> Picture:
    """The window as it is now, with the seconds that this session measured."""
    costs = costs_of(ledger)
    totals: dict[str, int] = {}
    stretch: list[tuple[str, int]] = []
    for part in (part for s in ledger.stretches for part in s.parts):
        totals[part[0]] = totals.get(part[0], 0) + part[2]
        stretch.append((part[0], part[2]))
    seconds = costs.prefill_s or None
    kinds = [Kind(k, n, n * seconds if seconds else None) for k, n in totals.items() if n]
    return Picture(
        n_ctx,
        stretch,
        kinds,
        [_fold(fold) for fold in ledger.folds],
        sum(stale_tokens(ledger, s) for s in ledger.stretches),
        ledger.summary if ledger.folds else "",
    )


def _fold(fold: Folded) -> FoldedOnce:
    handles = fold.handles
    things = handles[0] if len(handles) == 1 else f"{len(handles)} things"
    if len(handles) > 1:
        things = f"{handles[0]} to {handles[-1]} ({len(handles)} things)"
    return FoldedOnce(WHY.get(fold.why, fold.why), things, fold.before, fold.after, fold.again)
