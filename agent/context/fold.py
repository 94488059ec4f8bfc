"""What to fold when the window fills up: decided as data, without I/O and without a model.

A fold leaves the log as it is up to `start`, puts a digest there, and behind it the last messages
with their exact tokens. What stood between can be brought back by its handle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.context.ledger import Ledger, Stretch

LEAST_FREED = 0.3  # of the window: a fold that frees less would soon be followed by the next one
TAIL_SHARE = 1 / 12  # of the window is kept of the last messages
DIGEST_SHARE = 1 / 10
MOST_DIGEST_TOKENS = 3_000
MOST_STALE = 0.25  # more of a kept beginning than this must not be out of date
# A beginning is only kept where three quarters of what is evaluated is new.
FREED_FOR_EACH_AGAIN = 3.0
TAIL_SECONDS = 30.0  # a longer tail is not worth the wait
FEWEST_SAMPLES = 8  # answers that a slope is read from


@dataclass(frozen=True)
class Costs:
    """What this model takes on this machine, as measured in the session.

    `prefill_s`: seconds to evaluate a token. `deeper_s`: how many seconds longer a token takes to
    decode for each token that stands in the window.
    """

    prefill_s: float = 0.0
    deeper_s: float = 0.0


@dataclass(frozen=True)
class Fold:
    """Keep the log up to `start`, and from the stretch with the number `tail` on."""

    start: int
    tail: int


def costs_of(ledger: Ledger) -> Costs:
    """The costs that a session has shown so far."""
    usage = ledger.usage
    prefill = usage.prefill_s / usage.prompt if usage.prompt else 0.0
    return Costs(prefill, _slope(ledger.decoded))


def choose_fold(ledger: Ledger, front: int, n_ctx: int, costs: Costs, *, whole: bool) -> Fold:
    """The cheapest fold that frees enough.

    `whole` says that the message of the model which is answered now has to stay, since results
    without their calls mean nothing.
    """
    most = int(n_ctx * TAIL_SHARE)
    if costs.prefill_s:
        most = min(most, max(n_ctx // 32, int(TAIL_SECONDS / costs.prefill_s)))
    tail = _tail(ledger.stretches, front, most, whole=whole)
    again = digest_tokens(n_ctx) + _length(ledger.stretches[tail:])
    return Fold(_start(ledger, front, n_ctx, tail, again), tail)


def digest_tokens(n_ctx: int) -> int:
    return min(int(n_ctx * DIGEST_SHARE), MOST_DIGEST_TOKENS)


def pays(freed: int, again: int, costs: Costs, expected: int) -> bool:
    """Whether a fold that is not needed yet saves more seconds than it costs.

    `expected` is how many tokens will be decoded before the window would be full anyway.
    """
    return freed * costs.deeper_s * expected > again * costs.prefill_s


def _tail(stretches: Sequence[Stretch], front: int, most: int, *, whole: bool) -> int:
    """The number of the first stretch to keep: a message of the model, or behind the last one."""
    tail, length = len(stretches), 0
    for number in range(len(stretches) - 1, -1, -1):
        stretch = stretches[number]
        length += len(stretch.tokens)
        if stretch.start < front:
            break
        needed = whole and tail == len(stretches)
        if length > most and not (needed and length <= 2 * most):
            break
        if stretch.is_reply:
            tail = number
    return tail


def _start(ledger: Ledger, front: int, n_ctx: int, tail: int, again: int) -> int:
    """As much of the beginning as can stay: what stays costs nothing, but frees nothing either."""
    stretches = ledger.stretches
    enough = max(LEAST_FREED * 1.2 * n_ctx, FREED_FOR_EACH_AGAIN * again)
    start, stale = front, 0
    for stretch in stretches[:tail]:
        stale += stale_tokens(ledger, stretch)
        if ledger.used - stretch.end - again < enough:
            break
        if stretch.is_reply and stale <= MOST_STALE * (stretch.end - front):
            start = stretch.end
    return start


def stale_tokens(ledger: Ledger, stretch: Stretch) -> int:
    """Tokens of results in this stretch that something later made out of date."""
    total = 0
    for part in stretch.parts:
        record = ledger.records.get(ledger.handle_of(part))
        if record is not None and record.superseded:
            total += part[2]
    return total


def _length(stretches: Sequence[Stretch]) -> int:
    return sum(len(stretch.tokens) for stretch in stretches)


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """By how much the seconds of a token grow with the depth: least squares, never negative."""
    if len(points) < FEWEST_SAMPLES:
        return 0.0
    middle = sum(x for x, _ in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    mean = sum(y for _, y in points) / len(points)
    return max(0.0, sum((x - middle) * (y - mean) for x, y in points) / spread)
