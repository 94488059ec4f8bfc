"""What is searched for: definitions of code, sections of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tools.code.symbols import Definition, Symbols
from tools.text import split_lines

MOST_BODY = 20_000  # characters of one chunk that are indexed
MOST_DOCSTRING = 2_000
MOST_USES = 400
FUNCTIONS = frozenset({"function", "method"})
TYPES = frozenset({"class", "struct", "interface", "trait", "enum", "module"})
DOCUMENTS = frozenset({"heading", "text", "page"})


@dataclass(frozen=True)
class Chunk:
    """A piece of a file; lines are counted from 1, both inclusive (of a PDF: pages).

    ``kind`` is that of a definition, "file" for what stands in no definition, "heading", "text"
    or "page" in documents. ``body`` is its text without the pieces in it that are chunks
    themselves; ``uses`` are the names that it uses. ``inner``: it stands in a function.
    """

    path: str
    name: str
    qualified: str
    kind: str
    first_line: int
    last_line: int
    signature: str
    docstring: str
    body: str
    uses: tuple[str, ...] = ()
    inner: bool = False


def code_chunks(path: str, text: str, symbols: Symbols) -> list[Chunk]:
    """The definitions of a file, and what is left of it."""
    lines = split_lines(text)
    used = _names_by_line(symbols, len(lines))
    chunks = [_chunk(path, lines, used, each, own) for each, own in _with_rest(symbols)]
    chunks = _inner(chunks)
    taken = {n for d in symbols.definitions for n in range(d.first_line, d.last_line + 1)}
    rest = [n for n in range(1, len(lines) + 1) if n not in taken and lines[n - 1].strip()]
    if rest:
        stem = path.rpartition("/")[2].partition(".")[0]
        body = _body(lines, rest)
        chunks.append(
            Chunk(path, stem, stem, "file", rest[0], rest[-1], "", "", body, _uses(used, rest))
        )
    return chunks


def markdown_chunks(path: str, text: str, symbols: Symbols) -> list[Chunk]:
    """The sections under headings, without their subsections; their texts stand in ``docstring``
    for what they are: written for people."""
    return [
        replace(each, docstring=each.body[:MOST_DOCSTRING]) if each.kind == "heading" else each
        for each in code_chunks(path, text, symbols)
    ]


def _inner(chunks: list[Chunk]) -> list[Chunk]:
    """Mark what stands in a function; chunks in the order of the file."""
    end, marked = 0, []
    for each in chunks:
        marked.append(replace(each, inner=True) if each.last_line <= end else each)
        if each.kind in FUNCTIONS:
            end = max(end, each.last_line)
    return marked


def _with_rest(symbols: Symbols) -> list[tuple[Definition, list[int]]]:
    """Definitions, and the lines of each that count as its own.

    Those of types and headings exclude what stands in them; a function has its whole text, since
    what stands in it is nobody else's.
    """
    result: list[tuple[Definition, list[int]]] = []
    ordered = sorted(symbols.definitions, key=lambda d: (d.first_line, -d.last_line))
    for index, each in enumerate(ordered):
        lines = range(each.first_line, each.last_line + 1)
        if each.kind in FUNCTIONS:
            result.append((each, list(lines)))
            continue
        inner: set[int] = set()
        for other in ordered[index + 1 :]:
            if other.first_line > each.last_line:
                break
            if other.first_line > each.first_line and other.kind in FUNCTIONS | TYPES | DOCUMENTS:
                inner.update(range(other.first_line, other.last_line + 1))
        result.append((each, [n for n in lines if n not in inner]))
    return result


def _chunk(
    path: str, lines: Sequence[str], used: list[list[str]], each: Definition, own: list[int]
) -> Chunk:
    return Chunk(
        path,
        each.name,
        each.qualified,
        each.kind,
        each.first_line,
        each.last_line,
        each.signature,
        each.docstring[:MOST_DOCSTRING],
        _body(lines, own),
        _uses(used, own) if each.kind in FUNCTIONS | TYPES else (),
    )


def _body(lines: Sequence[str], numbers: Sequence[int]) -> str:
    room, kept = MOST_BODY, []
    for number in numbers:
        if number > len(lines) or room <= 0:
            break
        kept.append(lines[number - 1][:room])
        room -= len(kept[-1]) + 1
    return "\n".join(kept)


def _names_by_line(symbols: Symbols, count: int) -> list[list[str]]:
    names: list[list[str]] = [[] for _ in range(count + 2)]
    for reference in symbols.references:
        if reference.line <= count and len(reference.name) > 2:
            names[reference.line].append(reference.name)
    return names


def _uses(used: list[list[str]], numbers: Sequence[int]) -> tuple[str, ...]:
    names = dict.fromkeys(name for n in numbers if n < len(used) for name in used[n])
    return tuple(names)[:MOST_USES]
