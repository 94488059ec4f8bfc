"""Which language a file is in, and the grammar of each language."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from tools.code.queries import DEFINITIONS, MASKS

if TYPE_CHECKING:
    from tree_sitter import Language, Query

# Suffix, in lower case -> language.
SUFFIXES: dict[str, str] = {
    ".py": "python",
    ".pyi": "python",
    ".pyw": "python",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".rs": "rust",
    ".go": "go",
    ".java": "java",
    ".c": "c",
    # Of either; the grammar of C++ reads C's too.
    ".h": "cpp",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".hxx": "cpp",
    ".ipp": "cpp",
    ".rb": "ruby",
    ".rake": "ruby",
    ".sh": "bash",
    ".bash": "bash",
    ".cs": "csharp",
    ".php": "php",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".md": "markdown",
    ".markdown": "markdown",
}
# Language -> (module of its wheel, the function in it that gives the grammar).
WHEELS: dict[str, tuple[str, str]] = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "rust": ("tree_sitter_rust", "language"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "bash": ("tree_sitter_bash", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "kotlin": ("tree_sitter_kotlin", "language"),
}


@dataclass(frozen=True)
class Grammar:
    """A loaded grammar with our queries for it.

    ``keywords`` are the language's own words, which are nobody's references.
    """

    language: Language
    definitions: Query
    masks: Query
    keywords: frozenset[str]


def language_of(path: str | PurePath) -> str:
    """The language of a file by its suffix; ``""`` when it is none that is known here."""
    return SUFFIXES.get(PurePath(path).suffix.lower(), "")


# Grammars never change, and compiling the queries of one takes up to 50 ms.
@functools.cache
def load(language: str) -> Grammar:
    """The grammar of a language in :data:`WHEELS`; imports its wheel at the first call.

    Raises:
        KeyError: no such language, or one without a grammar (markdown).
        ImportError: its wheel is not installed.
    """
    from tree_sitter import Language, Query

    module, function = WHEELS[language]
    grammar = Language(getattr(importlib.import_module(module), function)())
    kinds = range(grammar.node_kind_count)
    words = (grammar.node_kind_for_id(i) or "" for i in kinds if not grammar.node_kind_is_named(i))
    plain = (word.removeprefix("#") for word in words)
    return Grammar(
        grammar,
        Query(grammar, DEFINITIONS[language]),
        Query(grammar, MASKS[language]),
        frozenset(word for word in plain if word.isidentifier()) | {"self", "this", "super"},
    )
