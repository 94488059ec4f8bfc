"""Arithmetic of the window, for every size that a model may have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.context.budget import MOST_RESULT_CHARS, Budget, fits

WINDOW = st.integers(512, 262_144)


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    n_ctx = draw(WINDOW)
    return Budget(n_ctx, draw(st.integers(0, n_ctx)))


@given(budgets())
def test_an_answer_never_takes_more_than_there_is(budget: Budget) -> None:
    assert 0 <= budget.output <= min(budget.room, budget.n_ctx // 2)
    if budget.room <= budget.n_ctx // 2:
        assert budget.output == budget.room


@given(budgets())
def test_what_fits_leaves_room_for_a_short_answer(budget: Budget) -> None:
    if fits(budget):
        assert budget.room >= budget.reserve >= 64
    else:
        assert budget.room < budget.reserve


@given(WINDOW)
def test_the_parts_of_an_empty_window_fit_together(n_ctx: int) -> None:
    budget = Budget(n_ctx, n_ctx)
    assert budget.attachments + budget.output + budget.reserve <= n_ctx
    assert 0 < budget.attachments <= n_ctx // 4
    assert budget.reserve <= max(64, n_ctx // 16)


@given(budgets(), st.integers(1, 40))
def test_results_take_an_eighth_of_the_window_together(budget: Budget, results: int) -> None:
    chars = budget.result_chars(results)
    assert 200 <= chars <= MOST_RESULT_CHARS
    if chars > 200:
        # Where each two characters are a token.
        assert results * chars <= 2 * budget.n_ctx // 8 + 2 * results


@given(budgets(), st.integers(0, 1000), st.integers(1, 20))
def test_more_room_never_means_less(budget: Budget, more: int, results: int) -> None:
    larger = Budget(budget.n_ctx, budget.room + more)
    assert larger.output >= budget.output
    assert larger.result_chars(results) >= budget.result_chars(results)
    assert budget.result_chars(results) >= budget.result_chars(results + 1)


def test_no_results_are_no_division_by_zero() -> None:
    assert Budget(4096, 4096).result_chars(0) == Budget(4096, 4096).result_chars(1)
