from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tools.match import Plan, Refusal, plan_edit

LINE = st.text(st.sampled_from("ab (:"), max_size=6)
CODE = """\
class A:
    def f(self):
        x = 1
        y = 2
        return x + y

    def g(self):
        x = 1
        y = 3
        return x * y
"""


def applied(text: str, old: str, new: str) -> str:
    plan = plan_edit(text, old, new)
    assert isinstance(plan, Plan), plan
    return text[: plan.start] + plan.replacement + text[plan.end :]


def refused(text: str, old: str, new: str) -> str:
    plan = plan_edit(text, old, new)
    assert isinstance(plan, Refusal), plan
    return plan.reason


def occurs_once(piece: str, text: str) -> bool:
    """Whether a piece that is more than whitespace has one place, overlaps counted."""
    start = text.find(piece)
    return bool(piece.strip()) and start >= 0 and text.find(piece, start + 1) < 0


@given(st.lists(LINE, min_size=1, max_size=12), st.data(), st.booleans(), st.booleans())
def test_an_edit_of_whole_lines_replaces_these_lines_and_nothing_else(
    lines: list[str], data: st.DataObject, file_ends: bool, block: bool
) -> None:
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first + 1, len(lines)))
    new = data.draw(st.lists(LINE, min_size=1, max_size=4))
    text = "\n".join(lines) + "\n" * file_ends
    old_text, new_text = "\n".join(lines[first:last]), "\n".join(new)
    assume(new_text.strip() and occurs_once(old_text, text))
    # Without the newline at the end, an empty last line cannot be told from one.
    assume(file_ends or lines[-1])
    assume(block or (lines[last - 1] and new[-1]))
    ending = "\n" * block
    expected = "\n".join([*lines[:first], *new, *lines[last:]]) + "\n" * file_ends
    assert applied(text, old_text + ending, new_text + ending) == expected


@given(st.text(st.sampled_from("ab \n"), min_size=1, max_size=30), st.data())
def test_a_unique_piece_inside_a_line_is_replaced_as_by_str_replace(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    old = text[start:end]
    assume("\n" not in old and occurs_once(old, text))
    assert applied(text, old, "new") == text.replace(old, "new")


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_any_input_gives_a_plan_inside_the_text_or_a_refusal(text: str, old: str, new: str) -> None:
    plan = plan_edit(text, old, new)
    if isinstance(plan, Plan):
        assert 0 <= plan.start <= plan.end <= len(text)
    else:
        assert plan.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [("b\n", "x\n"), ("b", "x"), ("b\n", "x"), ("b", "x\n")],
    ids=["blocks", "strings", "old block", "new block"],
)
def test_newlines_at_the_end_are_neither_doubled_nor_lost(old: str, new: str) -> None:
    assert applied("a\nb\nc\n", old, new) == "a\nx\nc\n"
    assert applied("a\nb\n", old, new) == "a\nx\n"


@pytest.mark.parametrize("old", ["b\n", "b"])
def test_an_empty_new_deletes_the_lines(old: str) -> None:
    assert applied("a\nb\nc\n", old, "") == "a\nc\n"


def test_an_empty_new_deletes_a_piece_of_a_line() -> None:
    assert applied("a = b + c\n", " + c", "") == "a = b\n"


def test_a_whole_line_wins_over_the_end_of_a_longer_one() -> None:
    assert applied("max = 1\nx = 1\n", "x = 1\n", "x = 2\n") == "max = 1\nx = 2\n"


def test_the_same_piece_twice_is_refused_with_its_lines() -> None:
    reason = refused(CODE, "        x = 1\n", "        x = 5\n")
    assert "found 2 times, at line 3, 8" in reason
    assert "more of the lines around" in reason


def test_overlapping_places_are_two_places() -> None:
    assert "2 times" in refused("aaa", "aa", "b")


def test_many_places_are_named_shortly() -> None:
    assert "found 50 times, at line 1, 2, 3, 4, 5, 6, 7, 8, ...:" in refused("a\n" * 50, "a\n", "b")


def test_lines_without_their_indentation_get_it_back() -> None:
    assert applied(CODE, "y = 3\nreturn x * y\n", "y = 4\nif y:\n    return x\n") == CODE.replace(
        "        y = 3\n        return x * y\n",
        "        y = 4\n        if y:\n            return x\n",
    )


def test_other_indentation_steps_follow_the_file() -> None:
    old = "def g(self):\n  x = 1\n  y = 3\n"
    new = "def g(self):\n  x = 1\n  if x:\n    y = 3\n"
    expected = CODE.replace("        y = 3\n", "        if x:\n          y = 3\n")
    assert applied(CODE, old, new) == expected


def test_spaces_become_the_files_tabs() -> None:
    text = "if a:\n\tb()\n\tc()\n"
    assert applied(text, "if a:\n    b()\n", "if a:\n    d()\n") == "if a:\n\td()\n\tc()\n"


def test_a_line_further_out_than_old_moves_out_as_far() -> None:
    text = "def f():\n        if a:\n            b()\n"
    assert applied(text, "    if a:\n        b()\n", "x = 1\n    if a:\n") == (
        "def f():\n    x = 1\n        if a:\n"
    )


def test_flattened_lines_of_several_depths_are_refused_not_guessed() -> None:
    reason = refused(CODE, "def f(self):\nx = 1\ny = 2\n", "def f(self):\nx = 9\n")
    assert "    def f(self):\n        x = 1\n        y = 2" in reason


def test_lines_alike_but_for_whitespace_in_two_places_are_refused() -> None:
    assert "line 3, 8" in refused(CODE, "x  =  1\n", "x = 5\n")


def test_blank_lines_around_old_are_forgiven() -> None:
    assert applied("a\nb = 1\nc\n", "\nb = 1\n\n", "\nb = 2\n\n") == "a\nb = 2\nc\n"


def test_lines_found_without_their_whitespace_can_be_deleted() -> None:
    assert applied("a\n    b = 1\nc\n", "b = 1\n", "") == "a\nc\n"


def test_whitespace_alone_matches_no_place_by_guess() -> None:
    assert "not in the file" in refused("a\nb\n", " \t\n", "x\n")


def test_a_slip_in_the_middle_is_found_by_first_and_last_line() -> None:
    old = CODE.replace("x + y", "(x + y)").replace("y = 2", "y = 2  # two")
    plan = plan_edit(CODE, old, "class B:\n    pass\n")
    assert isinstance(plan, Plan)
    assert (plan.start, plan.end) == (0, len(CODE))
    assert plan.replacement == "class B:\n    pass\n"
    assert "first and last line" in plan.note


def test_the_same_anchors_around_another_middle_are_refused() -> None:
    text = "begin\n  compute(1)\n  store(2)\nend\n"
    reason = refused(text, "begin\n  import os\n  os.abort()\nend\n", "x\n")
    assert "not in the file" in reason


def test_two_similar_places_between_the_same_anchors_are_refused() -> None:
    part = "begin\n  first_value = compute(1)\n  second_value = compute(2)\nend\n"
    other = part.replace("compute(2)", "compute(3)")
    old = part.replace("compute(2)", "compute(4)")
    assert "at line 1, 5" in refused(part + other, old, "x\n")


def test_the_nearest_lines_are_shown_exactly() -> None:
    reason = refused(CODE, "        yy = 3\n        return x // y\n", "x\n")
    assert reason.endswith("lines 9-10:\n        y = 3\n        return x * y")


def test_a_stranger_is_refused_without_a_suggestion() -> None:
    assert "read the file" in refused(CODE, "SELECT * FROM t;\n", "x\n")


def test_an_empty_old_fits_only_an_empty_file() -> None:
    assert applied("", "", "a\n") == "a\n"
    assert "old is empty" in refused("a\n", "", "b\n")


def test_the_last_line_without_newline_can_be_edited_as_a_block() -> None:
    assert applied("a\nb", "b\n", "c\nd\n") == "a\nc\nd"
