"""Reads one page, as HTML or PDF; a program of its own, since the page is a stranger's.

Whoever starts it may kill it at any time, and takes what it has said until then. stdin is one line
of JSON, then the page's bytes (HTML as UTF-8):

    {"path": [...], "memory": bytes, "cpu": seconds, "kind": "html" or "pdf", "url": text,
     "pages": most pages of a PDF, "text": most characters}

stdout is lines of JSON: {"title": ..., "date": ..., "pages": n} first, {"text": ...} for each
page, {"error": text} where it could not go on, {"end": true} at the end.
Run with ``python -I -S``: it imports only from the `path` that it is told.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from typing import Any

Line = dict[str, Any]


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever prints cannot be taken for an answer
    order = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    sys.path[:] = order["path"]
    read = _html if order["kind"] == "html" else _pdf
    _limit(order["memory"], order["cpu"])
    try:
        for line in read(data, order):
            answers.write(json.dumps(line).encode() + b"\n")
            answers.flush()
        last: Line = {"end": True}
    except (Exception, RecursionError) as error:  # noqa: BLE001 - whatever a page does wrong
        last = {"error": f"{type(error).__name__}: {error}"[:300]}
    answers.write(json.dumps(last).encode() + b"\n")
    answers.flush()


def _limit(memory: int, cpu: float) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 1))


def _html(data: bytes, order: Line) -> Iterator[Line]:
    from lxml import html as parser  # type: ignore[import-untyped]
    from trafilatura import extract, extract_metadata

    from mcp_servers.web.clean import hides
    from mcp_servers.web.plain_html import plain

    encoded = parser.HTMLParser(encoding="utf-8", remove_comments=True, huge_tree=True)
    tree = parser.document_fromstring(data, parser=encoded)
    title = " ".join((tree.findtext(".//title") or "").split())
    for element in tree.xpath(
        "//template | //script | //style | //noscript | //*[@hidden or @style or @aria-hidden]"
    ):
        unseen = (
            element.tag in ("template", "script", "style", "noscript")
            or "hidden" in element.attrib
            or element.get("aria-hidden") == "true"
            or hides(element.get("style", ""))
        )
        if unseen and element.getparent() is not None and element.tag != "body":
            element.drop_tree()
    for anchor in tree.xpath("//a[starts-with(@href, '#')]"):
        anchor.drop_tag()  # leads nowhere from here
    everything = plain(tree, order["url"], order["text"])
    date = text = ""
    with contextlib.suppress(Exception):  # all of the text is better than an error
        date = extract_metadata(tree, default_url=order["url"], extensive=False).date or ""
        text = extract(
            tree, url=order["url"], output_format="markdown", include_comments=False,
            include_formatting=True, include_links=True, include_tables=True, favor_recall=True,
        ) or ""  # fmt: skip
    if not _is_article(text, everything):
        text = everything
    yield {"title": title[:300], "date": date, "pages": 1}
    yield {"text": text[: order["text"]]}


def _is_article(text: str, everything: str) -> bool:
    """Whether the extractor of articles found one; it takes lists of links for navigation."""
    anchors = "".join(re.findall(r"\[([^\]\n]*)\]\(", everything))
    size = _letters(re.sub(r"\]\([^)\n]*\)", "]", everything))
    if _letters(anchors) > 0.6 * size:
        return text.count("](") * 2 > everything.count("](")
    return len(text) * 20 >= size and (len(text) >= 200 or len(text) * 4 >= size)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _pdf(data: bytes, order: Line) -> Iterator[Line]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("it is encrypted")
    total = len(reader.pages)
    title = ""
    with contextlib.suppress(Exception):
        title = str(reader.metadata.title or "") if reader.metadata else ""
    yield {"title": title[:300], "date": "", "pages": total}
    room = order["text"]
    for number in range(min(total, order["pages"])):
        text = reader.pages[number].extract_text()[:room]
        room -= len(text)
        yield {"text": text}
        if room <= 0:
            return


if __name__ == "__main__":
    main()
