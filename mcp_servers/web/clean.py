"""What a person would not see is not shown to the model either."""

from __future__ import annotations

import re

# Zero width, bidirectional controls, tags and variation selectors can carry a hidden text, and
# make a text read otherwise than it is written. C0 and C1 are for terminals.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
_STYLE = re.compile(
    r"display:none|visibility:(hidden|collapse)|font-size:0(\.0+)?(px|em|rem|pt|%)?(;|$|!)|"
    r"(text-indent|left|top|right):-\d{3,}|"
    r"(^|;)(max-)?(height|width):0(px)?(;|$|!)|clip:rect\([01](px)?[,01]|content-visibility:hidden|"
    r"transform:scale\(0\)"
)


def visible(text: str) -> str:
    """The text without characters that nobody sees, and with at most one blank line in a row."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n")
    return _BLANK_LINES.sub("\n\n", _INVISIBLE.sub("", text)).strip("\n")


def hides(style: str) -> bool:
    """Whether an element's own style makes it invisible."""
    return bool(_STYLE.search(re.sub(r"\s+", "", re.sub(r"/\*.*?\*/", "", style)).lower()))
