"""What is too long is cut where it enters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.context.entry import within


@given(st.text(max_size=4000), st.integers(60, 2000))
def test_it_fits_and_what_is_short_stays_as_it_is(text: str, most: int) -> None:
    cut = within(text, most, len, "")
    assert len(cut) <= max(most, 60)
    assert cut == text if len(text) <= most else cut != text


def test_head_and_tail_are_whole_lines_and_the_note_says_where_the_rest_is() -> None:
    text = "".join(f"line {i}\n" for i in range(1000))
    cut = within(text, 400, lambda t: len(t) // 3, "read a.txt")
    head, _, rest = cut.partition("\n[... ")
    note, _, tail = rest.partition(" ...]\n")
    assert head.endswith(f"line {head.count('line') - 1}\n")
    assert tail.startswith("line ") and tail.endswith("line 999\n")
    left = int(note.split(" ")[0].replace(",", ""))
    assert left == len(text) - len(head) - len(tail) and note.endswith(": read a.txt")


def test_a_middle_of_longer_tokens_still_fits() -> None:
    def count(text: str) -> int:
        return len(text) // 4 + 3 * text.count("7")

    text = "a" * 4000 + "7" * 4000 + "a" * 4000
    assert count(within(text, 500, count, "")) <= 500
