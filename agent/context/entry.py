"""What is too long for the window is cut where it enters, with a word on where the rest is."""

from __future__ import annotations

from collections.abc import Callable

HEAD_SHARE = 0.6  # what stands first says mostly what the rest is


def within(text: str, most: int, count: Callable[[str], int], where: str) -> str:
    """`text` in at most about `most` tokens: its head and its tail, at line ends where they are.

    `count` gives the tokens of a text, `where` says how the rest can be read.
    """
    tokens = count(text)
    if tokens <= most:
        return text
    note = "\n[... {left:,} characters left out{where} ...]\n"
    share = max(0.0, (most - count(note) - 8) / tokens)
    while True:
        chars = int(len(text) * share)
        head = _to_line_end(text[: int(chars * HEAD_SHARE)])
        tail = _from_line_start(text[len(text) - (chars - int(chars * HEAD_SHARE)) :])
        left = len(text) - len(head) - len(tail)
        cut = head + note.format(left=left, where=f": {where}" if where else "") + tail
        # The middle may have had longer tokens than the ends.
        if count(cut) <= most or share < 0.01:
            return cut
        share *= 0.9


def _to_line_end(head: str) -> str:
    cut = head.rfind("\n") + 1
    return head[:cut] if cut > len(head) * 3 // 4 else head


def _from_line_start(tail: str) -> str:
    cut = tail.find("\n") + 1
    return tail[cut:] if 0 < cut < len(tail) // 4 else tail
