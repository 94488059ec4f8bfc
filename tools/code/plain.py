"""Symbols as plain data (JSON), for pipes and for the store."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from tools.code.symbols import Definition, Reference, Symbols


def to_plain(symbols: Symbols) -> dict[str, Any]:
    """``{"d": [[name, qualified, kind, ...], ...], "r": {name: [line, ...]}}``."""
    lines: dict[str, list[int]] = {}
    for reference in symbols.references:
        lines.setdefault(reference.name, []).append(reference.line)
    return {"d": [astuple(definition) for definition in symbols.definitions], "r": lines}


def from_plain(found: Any) -> Symbols:
    """The opposite.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is something else.
    """
    definitions = tuple(
        Definition(str(a), str(b), str(c), int(d), int(e), str(f), str(g))
        for a, b, c, d, e, f, g in found["d"]
    )
    references = [Reference(str(name), int(n)) for name, lines in found["r"].items() for n in lines]
    references.sort(key=lambda each: (each.line, each.name))
    return Symbols(definitions, tuple(references))
