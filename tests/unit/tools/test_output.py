from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.output import LEAST_LIMIT, OutputStore

NOTICE = re.compile(
    r"\[lines (\d+)-(\d+) left out, ([\d,]+) characters; all of it is in (\S+): "
    r"read that path with first_line=(\d+)\]\n"
)
LONG_TEXT = st.text(st.sampled_from("ab\né€𝄞"), min_size=LEAST_LIMIT + 1, max_size=2000)


def test_what_fits_is_unchanged_and_makes_no_file(tmp_path: Path) -> None:
    store = OutputStore(tmp_path / "out", limit=300)
    text = "é" * 300
    assert store.cut(text, "x") == text
    assert not (tmp_path / "out").exists()


@given(LONG_TEXT, st.floats(0.1, 0.9))
def test_head_and_tail_are_exact_and_the_line_between_is_true(text: str, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shown = OutputStore(Path(folder), limit=LEAST_LIMIT).cut(text, "x", share)
        notice = NOTICE.search(shown)
        assert notice is not None
        tail = shown[notice.end() :]
        gap_end = len(text) - len(tail)
        head = text[: gap_end - int(notice[3].replace(",", ""))]
        between = "" if head.endswith("\n") else "\n"
        assert shown == head + between + notice[0] + text[gap_end:]
        assert LEAST_LIMIT // 2 - 2 <= len(head) + len(tail) <= LEAST_LIMIT
        first, last = int(notice[1]), int(notice[2])
        assert first == text.count("\n", 0, len(head)) + 1
        assert last == text.count("\n", 0, gap_end - 1) + 1
        assert Path(notice[4]).read_bytes() == text.encode()
        assert int(notice[5]) == first


@given(LONG_TEXT, st.integers(1, 50))
def test_pieces_of_any_size_give_the_same_as_the_whole(text: str, size: int) -> None:
    data = text.encode()
    store = OutputStore(None, limit=LEAST_LIMIT)
    spool = store.spool("x")
    for start in range(0, len(data), size):
        spool.feed(data[start : start + size])
    assert spool.finish() == store.cut(text, "x")


def test_bytes_that_are_no_text_are_shown_as_such_and_kept_as_they_are(tmp_path: Path) -> None:
    spool = OutputStore(tmp_path, limit=LEAST_LIMIT).spool("x")
    spool.feed(b"\xff\xfe" * 300)
    assert "\ufffd" in spool.finish()
    assert next(tmp_path.iterdir()).read_bytes() == b"\xff\xfe" * 300


def test_a_tail_share_moves_the_cut(tmp_path: Path) -> None:
    lines = "".join(f"{number}\n" for number in range(1000))
    head, tail = NOTICE.split(OutputStore(tmp_path, limit=900).cut(lines, "x", 2 / 3))[0::6]
    assert len(tail) > 1.8 * len(head)


def test_without_a_folder_the_model_is_told_that_nothing_is_kept() -> None:
    assert "not kept: ask for less" in OutputStore(None, limit=300).cut("x" * 400, "x")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = OutputStore(tmp_path / "file/out", limit=300).cut("x" * 400, "x")
    assert "not kept: Not a directory" in shown


def test_the_file_stops_at_the_cap_and_says_so(tmp_path: Path) -> None:
    shown = OutputStore(tmp_path, limit=300, cap=500).cut("x" * 4000, "x")
    assert "has the first 500 bytes" in shown
    assert next(tmp_path.iterdir()).stat().st_size == 500


def test_files_of_one_folder_have_different_names(tmp_path: Path) -> None:
    store = OutputStore(tmp_path, limit=300)
    for _ in range(3):
        store.cut("x" * 400, "shell")
    assert len(list(tmp_path.iterdir())) == 3


def test_only_kept_files_are_located(tmp_path: Path) -> None:
    store = OutputStore(tmp_path / "out", limit=300)
    store.cut("x" * 400, "shell")
    (tmp_path / "secret").write_text("")
    kept = next((tmp_path / "out").iterdir())
    assert store.locate(f" {kept}\n") == kept
    for path in (
        kept.name,
        f"{tmp_path}/out",
        f"{tmp_path}/out/../secret",
        "/etc/passwd",
        "/\0",
        "/\ud800",
    ):
        assert store.locate(path) is None


@pytest.mark.parametrize("limit", [-5, 0, 10])
def test_a_limit_is_never_so_small_that_nothing_is_left(limit: int) -> None:
    assert OutputStore(None).with_limit(limit).limit == LEAST_LIMIT
