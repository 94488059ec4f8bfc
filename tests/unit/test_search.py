"""Which second choice is tried next."""

from __future__ import annotations

from agent.engine.base import Piece
from agent.search import MOST_DOUBT, Search, inside_code


def pieces(*told: tuple[str, float]) -> list[Piece]:
    """(text, gap) as pieces whose second choice is their number plus 100."""
    return [Piece(i, text, 100 + i, gap) for i, (text, gap) in enumerate(told)]


def test_the_token_with_the_least_doubt_left_over_comes_first() -> None:
    answer = pieces(("a", 3.0), ("b", 0.5), ("c", 1.0))
    search = Search()
    search.add(answer, [True] * 3, failures=2)
    found = [search.next() for _ in range(3)]
    assert [b.token for b in found if b] == [101, 102, 100]
    assert [len(b.kept) for b in found if b] == [1, 2, 0]
    assert search.next() is None
    assert search.tried == 3


def test_what_is_certain_or_not_code_is_left_alone() -> None:
    answer = pieces(("a", MOST_DOUBT + 0.1), ("b", 0.1), ("c", float("inf")))
    search = Search()
    search.add(answer, [True, False, True], failures=1)
    assert search.next() is None


def test_an_answer_that_fails_less_is_continued_first() -> None:
    search = Search()
    search.add(pieces(("a", 0.1), ("b", 0.2)), [True] * 2, failures=3)
    first = search.next()
    assert first is not None and first.token == 100
    better = [Piece(100, "z"), Piece(7, "y", 107, 2.0)]
    search.add(better, [True] * 2, failures=1)
    following = search.next()
    assert following is not None and following.token == 107
    assert [p.token for p in following.kept] == [100]


def test_only_what_is_new_behind_a_branch_is_added() -> None:
    search = Search()
    search.add(pieces(("a", 0.1), ("b", 0.2)), [True] * 2, failures=1)
    search.next()
    search.add(pieces(("z", 0.01), ("b", 0.3)), [True] * 2, failures=1)
    left = []
    while branch := search.next():
        left.append(branch.token)
    assert left == [101, 101]  # the old answer's second piece, and the new one's


def test_doubts_add_up_along_an_answer() -> None:
    search = Search()
    search.add(pieces(("a", 1.0)), [True], failures=1)
    search.next()
    search.add(pieces(("z", 0.0), ("b", 0.5)), [True] * 2, failures=1)
    branch = search.next()
    assert branch is not None and branch.cost == 1.5


def test_only_bodies_of_functions_are_worth_another_choice() -> None:
    text = (
        "a.py\n```python\nimport os\n\ndef f(x):\n"
        '    """Add one."""\n    # careful\n    return x\n```\nDone   so.\n'
    )
    answer = [Piece(i, char) for i, char in enumerate(text)]
    flags = inside_code(answer)
    chosen = "".join(p.text for p, flag in zip(answer, flags, strict=True) if flag)
    assert chosen.replace('"', "") == "returnx"
