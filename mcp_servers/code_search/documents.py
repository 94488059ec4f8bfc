"""Documents that are no code: plain text, reStructuredText, PDF."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

from mcp_servers.code_search.chunks import MOST_BODY, MOST_DOCSTRING, Chunk
from tools.text import split_lines

SUFFIXES = frozenset({".txt", ".rst", ".adoc", ".org", ".tex", ".pdf"})
NAMES = frozenset({"README", "CHANGELOG", "CHANGES", "NEWS", "HISTORY", "CONTRIBUTING", "INSTALL"})
LARGEST_TEXT = 2 * 2**20  # bytes
LARGEST_PDF = 20 * 2**20
MOST_PAGES = 200
MOST_TEXT = 1_000_000  # characters of a PDF
PDF_CPU_S = 15.0
PDF_S = 60.0
WINDOW = 40  # lines of a piece without headings
_UNDERLINE = re.compile(r"([=\-~^\"'#*+])\1{2,}\s*$")


def is_document(path: str) -> bool:
    """Whether a path that is no code is read as a document."""
    name = PurePosixPath(path)
    return name.suffix.lower() in SUFFIXES or name.name in NAMES


def document_chunks(path: str, data: bytes) -> list[Chunk]:
    """The sections of a document; nothing where there is no text in it. Never raises."""
    if path.lower().endswith(".pdf"):
        return [
            _piece(path, "page", f"page {number}", number, number, text)
            for number, text in enumerate(pdf_pages(data), 1)
            if text.strip()
        ]
    return _sections(path, split_lines(data.decode("utf-8", "replace")))


def _sections(path: str, lines: list[str]) -> list[Chunk]:
    """Under underlined headings, and by windows where there are none."""
    starts = {0: ""}
    for number in range(1, len(lines)):
        title = lines[number - 1].strip()
        if title and not _UNDERLINE.match(title) and _UNDERLINE.match(lines[number]):
            starts[number - 1] = title[:200]
    chunks = []
    order = sorted(starts)
    for begin, end in zip(order, [*order[1:], len(lines)], strict=True):
        for first in range(begin, end, WINDOW):
            last = min(first + WINDOW, end)
            text = "\n".join(line[:2_000] for line in lines[first:last])
            if text.strip():
                chunks.append(_piece(path, "text", starts[begin], first + 1, last, text))
    return chunks


def _piece(path: str, kind: str, title: str, first: int, last: int, text: str) -> Chunk:
    name = title or PurePosixPath(path).name
    text = text[:MOST_BODY]
    return Chunk(path, name, name, kind, first, last, "", text[:MOST_DOCSTRING], text)


def pdf_pages(data: bytes) -> list[str]:
    """The text of each page, as far as it can be read within bounds of time and memory.

    In a process of its own (the one that reads PDFs of the web), which has no file and no child.
    """
    from mcp_servers.web.extract import CHILD, MEMORY

    # The current folder is not asked: it may hold a pypdf.py of a stranger.
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    order = {
        "path": path, "memory": MEMORY, "cpu": PDF_CPU_S, "kind": "pdf", "url": "",
        "pages": MOST_PAGES, "text": MOST_TEXT,
    }  # fmt: skip
    command = [sys.executable, "-I", "-S", "-B", str(CHILD)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(order).encode() + b"\n" + data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PDF_S,
            check=False,
        )
        said = done.stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    pages = []
    for line in said.split(b"\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if "text" in found:
            pages.append(str(found["text"]))
    return pages
