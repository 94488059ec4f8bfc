"""A definition's signature: one line, without its body, annotations and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

LONGEST = 200  # characters
MOST_BYTES = 2_000  # of the text that a signature is made of
DEEPEST = 4  # levels below a definition in which its braces are looked for
_COMMENTS = frozenset({"comment", "line_comment", "block_comment", "multiline_comment"})
_ANNOTATIONS = frozenset(
    {"decorator", "annotation", "marker_annotation", "attribute_list", "attribute_declaration"}
)
# What stands between a signature and its body.
_AFTER = frozenset({"field_initializer_list", "constructor_initializer", "arrow_expression_clause"})
# What the node of a definition does not say itself.
_PREFIXES = {
    ("go", "type_spec"): "type ",
    ("go", "type_alias"): "type ",
    ("go", "const_spec"): "const ",
    ("go", "var_spec"): "var ",
    ("php", "const_element"): "const ",
}
_OPENED = re.compile(r"([(\[<])\s*\n\s*")
_CLOSED = re.compile(r",?\s*\n\s*([)\]>])")


def body_of(node: Node) -> Node | None:
    """The part of a definition that its signature leaves out."""
    body = node.child_by_field_name("body")
    if body is None:
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        body = value.child_by_field_name("body") if value is not None else None
    if body is None:  # Kotlin's have no field
        body = next((child for child in node.children if child.type.endswith("_body")), None)
    # What a tuple struct of Rust has in its parentheses is its signature.
    return None if body is not None and body.type == "ordered_field_declaration_list" else body


def signature_of(node: Node, name: str, language: str, data: bytes, *, callable: bool) -> str:
    """At most :data:`LONGEST` characters; `callable` is what has parameters."""
    end = min(_end(node, language, callable), node.start_byte + MOST_BYTES)
    text = _visible(node, data, end).decode("utf-8", "replace").strip()
    if not callable and body_of(node) is None:  # a value that may be long
        text = text.partition("\n")[0]
        if name not in text:
            text += f" … {name}"
    text = _CLOSED.sub(r"\1", _OPENED.sub(r"\1", text))
    text = " ".join(text.split()).rstrip(" :{;,").removesuffix(" =")
    text = _before(node, language, data) + text
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _before(node: Node, language: str, data: bytes) -> str:
    outer = node.parent
    if outer is not None and outer.type == "template_declaration":
        parameters = outer.child_by_field_name("parameters")
        if parameters is not None:
            text = data[parameters.start_byte : parameters.end_byte].decode("utf-8", "replace")
            return f"template {' '.join(text.split())} "
    return _PREFIXES.get((language, node.type), "")


def _end(node: Node, language: str, callable: bool) -> int:
    """The byte at which the signature is over."""
    if language == "ruby":  # nothing marks where a body begins
        parts = (node.child_by_field_name(f) for f in ("parameters", "superclass", "name"))
        last = next((part for part in parts if part is not None), node)
        return last.end_byte
    body = body_of(node)
    if language == "python" and body is not None:  # comments may stand before the body
        return max(
            (child.start_byte for child in node.children if child.type == ":"),
            default=body.start_byte,
        )
    for child in node.children:
        if child.type in _AFTER:
            return child.start_byte
    if node.type == "preproc_function_def":
        body = node.child_by_field_name("value")
    if body is None and not callable:
        body = _braces(node, DEEPEST)
    return node.end_byte if body is None else body.start_byte


def _braces(node: Node, deepest: int) -> Node | None:
    """The first part in braces that is in no parentheses."""
    for child in node.children:
        text = child.text or b""
        if text.startswith(b"{"):
            return child
        if deepest and not text.startswith((b"(", b"[", b"<")):
            found = _braces(child, deepest - 1)
            if found is not None:
                return found
    return None


def _visible(node: Node, data: bytes, end: int) -> bytes:
    """The text of a node up to `end` without comments and annotations."""
    source = data[node.start_byte : end]
    hidden = list(_annotations(node))
    if b"/*" in source or b"//" in source or b"#" in source:
        hidden += _comments(node, end)
    kept, begin = b"", node.start_byte
    for part in sorted(hidden, key=lambda each: each.start_byte):
        kept += data[begin : min(part.start_byte, end)].rstrip(b" \t")
        begin = max(begin, part.end_byte)
        if data[begin - 1 : begin] == b"\n":  # some grammars count it to a line's comment
            begin -= 1
        if begin < end and data[begin : begin + 1].isalnum():
            kept += b" "
    return kept + data[begin:end]


def _annotations(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.type in _ANNOTATIONS:
            yield child
        elif child.type == "modifiers":
            yield from _annotations(child)


def _comments(node: Node, end: int) -> Iterator[Node]:
    for child in node.children:
        if child.start_byte >= end:
            break
        if child.type in _COMMENTS:
            yield child
        else:
            yield from _comments(child, end)
