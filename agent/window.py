"""Keeps the conversation within the model's window: folds what is old, notes what matters.

Every prompt goes through :meth:`Window.delta`, so that none is evaluated which leaves no room for
an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agent.context.budget import Budget, fits
from agent.context.digest import digest
from agent.context.fold import (
    LEAST_FREED,
    Costs,
    Fold,
    choose_fold,
    costs_of,
    digest_tokens,
    pays,
)
from agent.context.ledger import Ledger, Record, Stretch
from agent.context.prompt import prompt_text
from agent.context.summary import GRAMMAR, clean, summary_tokens
from agent.engine.base import Sampling
from agent.events import Event, Folded, Summarised
from agent.exchange import Exchange
from agent.messages import Message, ToolOutput, User
from agent.speech import Ask, is_looping

CHARS_PER_TOKEN = 3
NOTES_AT = 0.55  # of the window: from here on notes are made while a tool runs
EARLY_AT = 0.4  # of the window: below this a fold cannot pay


class Window:
    """The window of one conversation. `recall` is how the model is told to bring things back.

    No fold goes below the first `floor` tokens: the fixed prompt, or what a sub-task stands on;
    `pinned` stands in every digest.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: Ledger,
        n_ctx: int,
        emit: Callable[[Event], None],
        recall: Callable[[], str] = lambda: "",
        floor: int = 0,
        pinned: str = "",
    ):
        self.exchange = exchange
        self.ledger = ledger
        self.n_ctx = n_ctx
        self._emit = emit
        self._recall = recall
        self._floor = floor
        self._pinned = pinned
        # A sub-task has these in view, or they are none of its business.
        self._before = frozenset(ledger.records) if floor else frozenset()
        self._noted = False  # since the last fold

    @property
    def floor(self) -> int:
        """So many tokens of the log stay as they are."""
        return self._floor or self.exchange.front

    def part(self, floor: int, pinned: str) -> Window:
        """The window of a sub-task behind the first `floor` tokens."""
        return Window(
            self.exchange, self.ledger, self.n_ctx, self._emit, self._recall, floor, pinned
        )

    @property
    def wanted(self) -> int:
        """Tokens that are kept free for an answer."""
        return self.n_ctx // 4

    @property
    def least(self) -> int:
        """The smallest window in which a task can be worked at: the fixed prompt and half again."""
        return self.exchange.front * 3 // 2 + 256

    async def delta(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that `messages` add to the log, after a fold where they would not fit."""
        delta = self.exchange.delta(messages)
        if self.room(delta) < self.wanted:
            return await self._folded(messages, delta, "full")
        if self.ledger.used > EARLY_AT * self.n_ctx and self._pays():
            return await self._folded(messages, delta, "early")
        return delta

    async def compact(self) -> bool:
        """Fold now, since the user asks for it; whether anything could be folded."""
        before = len(self.ledger.folds)
        await self._folded([], [], "asked")
        return len(self.ledger.folds) > before

    async def make_room(self, tokens: int) -> None:
        """Fold if less than `tokens` are free; the last message of the model stays as it is."""
        if self.room() >= tokens:
            return
        fold = choose_fold(self.ledger, self.floor, self.n_ctx, costs_of(self.ledger), whole=True)
        if fold.tail < len(self.ledger.stretches):
            await self._folded([], [], "full")

    def needs_notes(self) -> bool:
        """Whether the window fills up and nothing was noted since the last fold; a sub-task makes
        no notes, since they would stand for the whole work."""
        return not self._noted and not self._floor and self.ledger.used > NOTES_AT * self.n_ctx

    async def make_notes(self, focus: str = "") -> None:
        """Let the model note what it did, on a fork: the conversation stays as it is.

        Notes that are empty, cut off or repeat themselves are refused, and say so in the log.
        """
        self._noted = True
        started = time.monotonic()
        most = summary_tokens(self.n_ctx)
        room = self.exchange.room - most - 64
        text = prompt_text("summary") + (f"\nAbove all: {focus}" if focus else "")
        if room < len(text) // CHARS_PER_TOKEN:
            return
        reply = await self.exchange.aside([User(text)], Ask(most, Sampling(), answer=GRAMMAR))
        if reply is None or reply.reason == "interrupted":
            return
        notes, refused = clean(reply.text)
        if is_looping(reply.pieces):
            refused = "it says the same over and over"
        seconds = time.monotonic() - started
        self._emit(Summarised("" if refused else notes, refused, seconds))

    def room(self, delta: Sequence[int] = ()) -> int:
        """Tokens that are free behind `delta`."""
        return self.exchange.room - max(0, len(delta) - self.exchange.counted)

    def _pays(self) -> bool:
        costs = costs_of(self.ledger)
        if not costs.deeper_s or not costs.prefill_s:
            return False
        fold = choose_fold(self.ledger, self.floor, self.n_ctx, costs, whole=True)
        again = digest_tokens(self.n_ctx) + self._tail_length(fold)
        freed = self.ledger.used - fold.start - again
        left = self.n_ctx - self.ledger.used
        expected = self.ledger.usage.generated * left // max(1, self.ledger.used)
        return freed >= LEAST_FREED * self.n_ctx and pays(freed, again, costs, expected)

    async def _folded(self, messages: Sequence[Message], delta: list[int], why: str) -> list[int]:
        """Fold, and the tokens of `messages` behind that; `delta` where a fold frees too little."""
        ledger = self.ledger
        costs = costs_of(ledger)
        answers = any(isinstance(message, ToolOutput) for message in messages)
        for whole in (answers or not messages, False) if messages else (True,):
            fold = choose_fold(ledger, self.floor, self.n_ctx, costs, whole=whole)
            for size in (1.0, 0.5):
                planned = self._planned(fold, messages, size)
                enough = planned.freed >= LEAST_FREED * self.n_ctx or why == "asked"
                if planned.freed > 0 and enough:
                    return await self._carry_out(fold, planned, messages, why)
        if fits(Budget(self.n_ctx, self.room(delta))) or planned.freed <= 0:
            return delta
        return await self._carry_out(fold, planned, messages, why)

    def _planned(self, fold: Fold, messages: Sequence[Message], size: float) -> _Planned:
        """What a fold would put into the log."""
        ledger = self.ledger
        kept = [s for s in ledger.stretches if s.end <= fold.start]
        tail = ledger.stretches[fold.tail :]
        visible = ledger.handles_in([*kept, *tail]) | _pending(ledger, messages)
        known = visible.keys() | self._before
        hidden = [record for record in ledger.records.values() if record.handle not in known]
        chars = int(digest_tokens(self.n_ctx) * size) * CHARS_PER_TOKEN
        text = digest(ledger, hidden, chars, recall=self._recall())
        text = f"{text}\n\n{self._pinned}" if self._pinned else text
        ended = bool(kept) and kept[-1].ended
        if tail or not messages:
            first = self.exchange.rendered([User(text, "summary")], fold.start, ended=ended)
            placed, behind = [first, *tail], messages
        else:
            placed, behind = [], [User(f"{text}\n\n{_spoken(messages)}", "summary")]
        again = sum(len(stretch.tokens) for stretch in placed) or len(text) // CHARS_PER_TOKEN
        freed = ledger.used - fold.start - again
        newly = tuple(h for h in ledger.visible if h not in visible)
        return _Planned(placed, behind, again, freed, newly, ended)

    async def _carry_out(
        self, fold: Fold, planned: _Planned, messages: Sequence[Message], why: str
    ) -> list[int]:
        before = self.ledger.used
        after = before - planned.freed
        self._emit(Folded(fold.start, before, after, planned.again, why, planned.handles))
        await self.exchange.place(fold.start, planned.placed, ended=planned.ended)
        self._noted = False
        return self.exchange.delta(planned.behind) if messages else []

    def _tail_length(self, fold: Fold) -> int:
        return sum(len(stretch.tokens) for stretch in self.ledger.stretches[fold.tail :])


class _Planned:
    """A fold worked out: stretches to place, messages behind them, sizes in tokens."""

    def __init__(
        self,
        placed: Sequence[Stretch],
        behind: Sequence[Message],
        again: int,
        freed: int,
        handles: tuple[str, ...],
        ended: bool,
    ):
        self.placed = placed
        self.behind = behind
        self.again = again
        self.freed = freed
        self.handles = handles
        self.ended = ended


def _pending(ledger: Ledger, messages: Sequence[Message]) -> dict[str, None]:
    """The handles of what is about to be said."""
    handles: dict[str, None] = {}
    for message in messages:
        if isinstance(message, ToolOutput):
            handles[ledger.handle_of(("result", message.call_id, 0))] = None
        elif isinstance(message, User):
            handles |= dict.fromkeys(ledger.latest(message.source))
    return handles


def _spoken(messages: Sequence[Message]) -> str:
    """Messages as one text, where what they answer is not in the window any more."""
    parts = [
        f"{m.name} brought back:\n{m.text}" if isinstance(m, ToolOutput) else m.text
        for m in messages
    ]
    return "\n\n".join(parts)


__all__ = ["Costs", "Record", "Window"]
