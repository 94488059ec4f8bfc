"""Text of models, tools and files, made safe for a terminal.

A file that the model reads may hold sequences that retitle the window, write to the clipboard,
hide text, or show it in another order than it has. All of them become visible escapes; what can
be seen stays as it is.
"""

from __future__ import annotations

import re

# Joiners are part of how Persian and Hindi are written and of many emoji. Elsewhere, and above
# all in code, they make two different names look the same.
_JOINABLE = (
    r"[^\x00-\u02ff\u2000-\u206f\u3164\ufe00-\ufeff\uffa0\ud800-\udfff\U000e0000-\U000e0fff]"
)

_DANGEROUS = re.compile(
    r"\r\n"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # controls: C0 without tab and newline, DEL, C1
    r"|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f]"  # invisible
    r"|[\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f]"  # zero width, line ends, direction
    rf"|(?<!{_JOINABLE})[\u200c\u200d]|[\u200c\u200d](?!{_JOINABLE})"
    r"|[\u3164\ufeff\uffa0\ufff0-\ufffb]"
    r"|[\ud800-\udfff]"  # halves of a pair, which no encoding can write
    r"|[\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # tags, selectors
)

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")

_BREAKS = re.compile(r"[ \t]*[\n\t][ \t\n]*")


def safe(text: str) -> str:
    """`text` with everything that is no visible character escaped, except newline and tab.

    A line end of Windows becomes a newline. Applying it twice changes nothing.
    """
    return _DANGEROUS.sub(_visible, text)


def safe_line(text: str) -> str:
    """`text` on one line: line breaks and tabs become one space."""
    return _BREAKS.sub(" ", safe(text)).strip()


def safe_output(text: str) -> str:
    """`text` of a program that may have coloured it: the colours go, the rest is made safe."""
    return safe(_COLOURS.sub("", text))


def _visible(match: re.Match[str]) -> str:
    if match[0] == "\r\n":
        return "\n"
    code = ord(match[0])
    if code == 0x0D:
        return "\\r"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
