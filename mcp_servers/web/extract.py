"""From a page's bytes to text: plain text here, HTML and PDF in a process of their own.

The parsers have had their share of endless loops and of memory that nobody expected. That process
has bounds on its time and memory, no file and no child, and what it has read when it dies counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_servers.web.clean import visible
from mcp_servers.web.decoding import to_text
from mcp_servers.web.errors import WebError
from mcp_servers.web.settings import Limits

CHILD = Path(__file__).with_name("extract_child.py")
MEMORY = 1 * 2**30  # bytes of address space
_PLAIN = (
    "json", "xml", "javascript", "ecmascript", "yaml", "x-yaml", "toml", "csv", "graphql", "sql",
    "x-sh", "x-httpd-php", "x-python", "x-ndjson", "rtf", "x-tex", "typescript",
)  # fmt: skip


@dataclass(frozen=True)
class Extracted:
    """`text` is Markdown for HTML. `note` says what is missing, "" when nothing is."""

    text: str
    title: str = ""
    date: str = ""
    note: str = ""


def kind_of(media_type: str, data: bytes) -> str:
    """'html', 'pdf' or 'plain', by what the server says and how the bytes begin.

    Raises:
        WebError: it is nothing that can be read as text.
    """
    if media_type in ("text/html", "application/xhtml+xml"):
        return "html"
    if media_type == "application/pdf" or data.startswith(b"%PDF-"):
        return "pdf"
    name = media_type.partition("/")[2]
    if media_type in ("", "application/octet-stream", "text/plain", "binary/octet-stream"):
        start = data[:1024].lstrip().lower()
        if media_type != "text/plain" and start.startswith((b"<!doctype html", b"<html")):
            return "html"
        if b"\0" not in data[:8192] or data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "plain"
    elif media_type.startswith("text/") or name in _PLAIN or name.endswith(("+json", "+xml")):
        return "plain"
    raise WebError(
        f"the page is {media_type or 'binary data'}, which is not read: "
        "text, HTML, JSON and PDF are"
    )


async def extract(
    data: bytes, media_type: str, charset: str, url: str, limits: Limits
) -> Extracted:
    """The text of a page. Raises WebError where there is none."""
    kind = kind_of(media_type, data)
    if kind == "plain":
        text = visible(to_text(data, charset))
        note = "its end is cut off" if len(text) > limits.text else ""
        return Extracted(text[: limits.text], note=note)
    if kind == "html":
        data = to_text(data, charset, html=True).encode("utf-8", "replace")
    lines, trouble = await _ask_child(data, kind, url, limits)
    head = lines[0] if lines else {}
    texts = [visible(str(line["text"])) for line in lines if "text" in line]
    pages = int(head.get("pages", 0))
    text = "\n\n".join(texts).strip()
    if not text:
        raise WebError(_why_empty(kind, trouble))
    note = ""
    if len(texts) < pages:
        note = f"only the first {len(texts)} of its {pages} pages could be read"
    elif len(text) >= limits.text:
        note = "its end is cut off"
    title = " ".join(visible(str(head.get("title", ""))).split())
    return Extracted(text, title, str(head.get("date", "")), note)


def _why_empty(kind: str, trouble: str) -> str:
    if trouble:
        return f"the page could not be read: {trouble}"
    if kind == "pdf":
        return "the PDF has no text in it: it may be a scan"
    return "the page has no text in it: it may be made by JavaScript, which is not run"


async def _ask_child(
    data: bytes, kind: str, url: str, limits: Limits
) -> tuple[list[dict[str, Any]], str]:
    """What the child said, and why it ended early ("" where it did not)."""
    # The current folder is not asked: it may hold a lxml.py of a stranger.
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    order = {
        "path": path, "memory": MEMORY, "cpu": limits.extract_cpu_s, "kind": kind, "url": url,
        "pages": limits.pdf_pages, "text": limits.text,
    }  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-B", str(CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=limits.text * 12 + 10_000,  # each character is at most 12 bytes of JSON
    )  # fmt: skip
    lines: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(limits.extract_s):
            await _send(child, json.dumps(order).encode() + b"\n" + data)
            return await _hear(child, lines)
    except TimeoutError:
        return lines, f"it takes longer than {limits.extract_s:g} seconds"
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await asyncio.shield(child.wait())


async def _send(child: asyncio.subprocess.Process, data: bytes) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(data)
        await child.stdin.drain()
        child.stdin.close()


async def _hear(
    child: asyncio.subprocess.Process, lines: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], str]:
    assert child.stdout is not None
    while True:
        try:
            line = await child.stdout.readline()
            found = json.loads(line)
        except ValueError:  # longer than it may be, or cut by its death
            return lines, "reading it takes too much time or memory"
        if "end" in found:
            return lines, ""
        if "error" in found:
            return lines, str(found["error"])
        lines.append(found)
