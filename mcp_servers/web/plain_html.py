"""All of a page's text with its lines and links: for pages that are no article."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

_BLOCKS = frozenset(
    (
        "address", "article", "aside", "blockquote", "body", "br", "dd", "details", "div",
        "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3",
        "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section",
        "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    )
)  # fmt: skip
_UNREAD = frozenset(
    (
        "script", "style", "template", "noscript", "svg", "head", "iframe", "object",
        "select",
    )
)  # fmt: skip
_BEFORE = {f"h{n}": "#" * n + " " for n in range(1, 7)} | {"li": "- "}


def plain(tree: Any, url: str, most: int) -> str:
    """The text of an lxml tree, at most about `most` characters; links as Markdown."""
    parts: list[str] = []
    size = 0
    # Not recursive: a page may be nested deeper than Python's stack.
    work: list[tuple[Any, bool]] = [(tree, False)]
    in_pre = 0
    while work and size < most:
        element, left = work.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        said = _leave(element, tag, url) if left else _enter(element, tag)
        if tag == "pre":
            in_pre += -1 if left else 1
        text = (element.tail if left else element.text) or ""
        if not left and (tag in _UNREAD or not tag):
            said, text = "", element.tail or ""
        elif not left:
            work.append((element, True))
            work.extend((child, False) for child in reversed(element))
        parts += [said, text if in_pre else _flat(text)]
        size += len(text)
    lines = "".join(parts).split("\n")
    kept = [line.rstrip() for line in lines if line.strip(" -#\t")]
    return "\n".join(kept)


def _enter(element: Any, tag: str) -> str:
    start = "\n" if tag in _BLOCKS else ""
    return start + _BEFORE.get(tag, "") + ("[" if tag == "a" and element.get("href") else "")


def _leave(element: Any, tag: str, url: str) -> str:
    href = element.get("href") if tag == "a" else None
    if href:
        target = _join(url, href)
        return f"]({target})" if target else "]"
    return "\n" if tag in _BLOCKS else ""


def _join(url: str, href: str) -> str:
    try:
        target = urljoin(url, href.strip())
    except ValueError:
        return ""
    return target if target.startswith(("http://", "https://")) else ""


def _flat(text: str) -> str:
    """White space of HTML source as one space."""
    words = " ".join(text.split())
    if not words:
        return " " if text else ""
    return f"{' ' * text[0].isspace()}{words}{' ' * text[-1].isspace()}"
