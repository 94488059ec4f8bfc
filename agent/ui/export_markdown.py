"""A session as a Markdown document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.ui.story import FAILED, UNKNOWN, Block, Story

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|])")
_STATES = {FAILED: "failed", UNKNOWN: "its outcome is not known"}


def to_markdown(told: Story) -> Iterator[str]:
    """Lines without their line ends."""
    yield f"# {_plain(told.title)}"
    yield ""
    yield from (f"- {name}: {_plain(value)}" for name, value in told.facts)
    turn = 0
    for block in told.blocks:
        if block.kind == "task":
            turn += 1
            yield from ("", f"## {turn}", "")
        else:
            yield ""
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block.kind:
        case "task":
            yield from (f"> {_plain(line)}".rstrip() for line in block.text.split("\n"))
            if block.aside:
                yield from (">", f"> with {_plain(block.aside)}")
        case "answer":
            # It is Markdown already; what is HTML in it must not become a part of a page.
            yield from _without_html(block.text)
        case "thinking":
            yield from ("*thinking*", "")
            yield from (f"> {_plain(line)}".rstrip() for line in block.text.split("\n"))
        case "end":
            yield f"*{_plain(block.head)}*"
        case "note":
            yield f"- {_plain(block.head)}"
            yield from (f"  > {_plain(line)}".rstrip() for line in block.text.split("\n") if line)
        case _:
            yield _head(block)
            for name, text in (("", block.given), ("diff", block.diff), ("", block.text)):
                yield from _fenced(name, text)


def _head(block: Block) -> str:
    about = ", ".join(part for part in (_STATES.get(block.state, ""), block.aside) if part)
    kind = "check " if block.kind == "check" else ""
    return f"{kind}{_code(block.head)}" + (f" ({about})" if about else "")


def _fenced(name: str, text: str) -> Iterator[str]:
    if not text:
        return
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    yield from ("", f"{fence}{name}", *text.split("\n"), fence)


def _code(text: str) -> str:
    """A span of code; a longer fence where there are backquotes in it."""
    fence = "`" * (1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _without_html(text: str) -> Iterator[str]:
    """The lines, with < as text outside of blocks of code."""
    fence = ""
    for line in text.split("\n"):
        mark = re.match(r"\s{0,3}(`{3,}|~{3,})", line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            yield line
            continue
        fence = mark[1] if mark else ""
        pieces = re.split(r"(`+[^`]*`+)", line)
        yield "".join(p if p.startswith("`") else p.replace("<", "&lt;") for p in pieces)
