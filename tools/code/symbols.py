"""The definitions and references of one file.

:func:`parse` runs a grammar, which can loop for ever on some input or crash: files that are not
known to be harmless go through :mod:`tools.code.parsing`, which does it in a child process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.code.comments import docstring_of
from tools.code.markdown import headings
from tools.code.signatures import body_of, signature_of

if TYPE_CHECKING:
    from tree_sitter import Node

    from tools.code.languages import Grammar

MOST_DEFINITIONS = 20_000  # of one file
MOST_REFERENCES = 200_000
_TYPES = frozenset({"class", "struct", "interface", "enum", "trait", "scope"})
_LEAVES = frozenset({"constant", "variable", "type", "macro", "property"})
_IN_FUNCTIONS = frozenset({"function", "method"})
_NAME = re.compile(rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]+")
_NAMES = {
    "ruby": re.compile(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]+(?:[?!](?!=))?"),
    "bash": re.compile(rb"[A-Za-z_\x80-\xff][\w\x80-\xff-]+"),
}
# A comment above them is about what they hold.
_AROUND = frozenset({"decorated_definition", "template_declaration", "export_statement"})
_BLANK = bytes(10 if byte == 10 else 32 for byte in range(256))


@dataclass(frozen=True)
class Definition:
    """Something that has a name.

    ``qualified`` is the name with those of the definitions around it, joined by dots
    (``Store.get``; headings by `` > ``). ``kind`` is one of function, method, class, struct,
    interface, trait, enum, type, module, property, constant, variable, macro, heading. Lines are
    counted from 1, both inclusive. ``signature`` is one line, without the body; ``docstring`` is
    the text inside of the body (Python) or the comment above, without its marks.
    """

    name: str
    qualified: str
    kind: str
    first_line: int
    last_line: int
    signature: str
    docstring: str = ""


@dataclass(frozen=True)
class Reference:
    """A name that is used, not defined, in a line (counted from 1); once for each line."""

    name: str
    line: int


@dataclass(frozen=True)
class Symbols:
    """What a file defines and uses: definitions in its order, references by line and name."""

    definitions: tuple[Definition, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass
class _Found:
    kind: str
    node: Node
    name: str
    owner: str
    span: tuple[int, int]  # bytes of the name
    qualified: str = ""


def parse(language: str, data: bytes) -> Symbols:
    """The symbols of a text in a language of languages.py; nothing where there is no grammar.

    Any bytes are fine: what is not UTF-8 is replaced, half-written code gives what can be seen.
    """
    from tools.code.languages import WHEELS, load

    if language == "markdown":
        return _markdown(data)
    if language not in WHEELS:
        return Symbols()
    from tree_sitter import Parser, QueryCursor

    grammar = load(language)
    root = Parser(grammar.language).parse(data).root_node
    found = _qualified(_find(grammar, root, data))
    shown = [each for each in found if each.kind != "scope"][:MOST_DEFINITIONS]
    lines = data.split(b"\n")
    starts = [each.node.start_point[0] for each in shown]
    definitions = tuple(
        _definition(each, language, data, lines, alone=before != start)
        for each, start, before in zip(shown, starts, [-1, *starts], strict=False)
    )
    masks = QueryCursor(grammar.masks).captures(root).get("mask", [])
    hidden = [node.byte_range for node in masks] + [each.span for each in shown]
    return Symbols(definitions, _references(language, grammar, data, hidden))


def _find(grammar: Grammar, root: Node, data: bytes) -> list[_Found]:
    """All definitions in the order of the file, outer ones first."""
    from tree_sitter import QueryCursor

    by_name: dict[int, tuple[int, _Found]] = {}
    for pattern, captures in QueryCursor(grammar.definitions).matches(root):
        names, owner = captures.pop("name", []), _text(data, captures.pop("owner", []))
        if not names or not captures:
            continue
        kind, nodes = next(iter(captures.items()))
        span = names[0].byte_range
        name = data[span[0] : span[1]].decode("utf-8", "replace").strip("\"'")
        # C++ and Ruby: the name says where it belongs.
        outside, _, last = re.sub(r"::|\\", ".", name).rpartition(".")
        item = _Found(kind, nodes[0], last, owner or outside, span)
        known = by_name.get(span[0])
        if last and (known is None or pattern < known[0] or (pattern == known[0] and owner)):
            by_name[span[0]] = (pattern, item)
    found = [item for _, item in by_name.values()]
    return sorted(found, key=lambda each: (each.node.start_byte, -each.node.end_byte))


def _text(data: bytes, nodes: list[Node]) -> str:
    return data[nodes[0].start_byte : nodes[0].end_byte].decode("utf-8", "replace") if nodes else ""


def _qualified(found: list[_Found]) -> list[_Found]:
    """Fill in ``qualified`` and the final kind; drop what only looked like a definition."""
    around: list[tuple[int, _Found]] = []
    kept: list[_Found] = []
    constants: set[str] = set()
    for each in found:
        while around and around[-1][0] <= each.node.start_byte:
            around.pop()
        outer = around[-1][1] if around else None
        if each.kind == "prototype":
            if outer is not None and outer.kind in _IN_FUNCTIONS:
                continue
            each.kind = "function"
        if each.kind == "function" and (each.owner or (outer is not None and outer.kind in _TYPES)):
            each.kind = "method"
        parts = (outer.qualified if outer else "", each.owner, each.name)
        each.qualified = ".".join(part for part in parts if part)
        if each.kind in ("constant", "variable"):
            if each.qualified in constants or each.name.startswith("__"):
                continue
            constants.add(each.qualified)
        kept.append(each)
        if each.kind not in _LEAVES:
            around.append((each.node.end_byte, each))
    return kept


def _definition(
    each: _Found, language: str, data: bytes, lines: list[bytes], *, alone: bool
) -> Definition:
    """`alone`: it is the first one in its line, so that a comment above is about it."""
    node = each.node
    first, (last, column) = node.start_point[0] + 1, node.end_point
    body = body_of(node)
    body_byte = -1 if body is None else body.start_byte
    outer = node.parent
    above = outer.start_point[0] + 1 if outer is not None and outer.type in _AROUND else first
    return Definition(
        name=each.name,
        qualified=each.qualified,
        kind=each.kind,
        first_line=first,
        last_line=max(first, last + 1 if column else last),
        signature=signature_of(
            node, each.name, language, data, callable=each.kind in _IN_FUNCTIONS
        ),
        docstring=docstring_of(language, data, lines, above, body_byte) if alone else "",
    )


def _references(
    language: str, grammar: Grammar, data: bytes, hidden: list[tuple[int, int]]
) -> tuple[Reference, ...]:
    """Every other name outside of comments and literals.

    By a regular expression over what is not hidden: a tenth of the time that it takes to hand
    each identifier of the tree to Python, and the same for every language.
    """
    seen = bytearray(data)
    for first, last in hidden:
        seen[first:last] = data[first:last].translate(_BLANK)
    pattern = _NAMES.get(language, _NAME)
    references: list[Reference] = []
    for number, line in enumerate(bytes(seen).split(b"\n"), 1):
        for raw in sorted(set(pattern.findall(line))):
            name = raw.decode("utf-8", "replace")
            if name not in grammar.keywords:
                references.append(Reference(name, number))
        if len(references) > MOST_REFERENCES:
            break
    return tuple(references)


def _markdown(data: bytes) -> Symbols:
    """Headings are definitions; names in backticks are references."""
    text = data.decode("utf-8", "replace")
    definitions = tuple(
        Definition(h.title, h.qualified, "heading", h.first_line, h.last_line, h.line)
        for h in headings(text)[:MOST_DEFINITIONS]
    )
    references = {
        Reference(name, number)
        for number, line in enumerate(text.split("\n"), 1)
        for code in re.findall(r"`([^`]+)`", line)
        for name in re.findall(r"[A-Za-z_]\w+", code)
    }
    ordered = sorted(references, key=lambda each: (each.line, each.name))
    return Symbols(definitions, tuple(ordered[:MOST_REFERENCES]))
