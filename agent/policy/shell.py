"""A bash command line as a list of simple commands, as far as it is certain what bash will run.

The parser is tree-sitter-bash, which is not bash: so nothing is taken on trust. Every byte has to
be in a node of a kind that is known here, and each word is read again by the rules below; whatever
else there is (substitutions, expansions, here-documents, functions, loops, control characters, line
continuations, odd comments) is `trouble`, and a line with trouble is never allowed by itself.
`tests/unit/policy/test_shell.py` compares the words with those that bash passes on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MOST_BYTES = 16_384
MOST_NODES = 8_000
MOST_DEPTH = 60
PARSE_S = 0.5  # a usual line takes less than a thousandth of it

# Nodes that only hold others; between their children stand the operators below.
STRUCTURE = frozenset(
    {"program", "list", "pipeline", "redirected_statement", "negated_command", "subshell"}
)
OPERATORS = frozenset({";", "&&", "||", "|", "|&", "&", "\n", "!", "(", ")"})
REDIRECTIONS = frozenset({"<", ">", ">>", "&>", "&>>", ">&", "<&", ">|"})
# Unquoted text that bash leaves as it is: no brace, tilde, history or parameter expansion.
_PLAIN = re.compile(r"(?:[\w@%+=:,./^*?\[\]#~!-]|\\[^\n])+")
_TILDE = re.compile(r"(?:^|[=:])~")
_GLOB = re.compile(r"[*?\[\]]")
# Behind a blank it ends a word, as the grammar has it; elsewhere bash reads on in the same one.
_GLUED = re.compile(r"(?:^|[^ \t])\\\n")
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]|\\\n")
# Where a comment may stand; elsewhere it could be none to bash.
_AROUND_COMMENTS = frozenset(
    {"program", "list", "pipeline", "subshell", "compound_statement", "do_group", "if_statement",
     "elif_clause", "else_clause", "while_statement", "for_statement", "case_statement",
     "case_item", "command_substitution", "function_definition", "redirected_statement"}
)  # fmt: skip
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_COMMENT = re.compile(r"(?:^|\n)[ \t]*$")


@dataclass(frozen=True)
class Word:
    """One word of a command: its text, or None where only bash will know it.

    `glob`: file names take its place, which begin with `text` up to the first wildcard.
    """

    text: str | None
    glob: bool = False


@dataclass(frozen=True)
class Redirect:
    """`operator` as written, such as '>' or '2>&'; the target's word."""

    operator: str
    target: Word


@dataclass(frozen=True)
class Simple:
    """One simple command: its words, the first is the program; assignments before it are apart."""

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()
    assignments: tuple[str, ...] = ()

    @property
    def argv(self) -> list[str | None]:
        return [word.text for word in self.words]


@dataclass(frozen=True)
class Line:
    """All simple commands in a line, also those in loops and substitutions.

    `trouble` is '' when the commands are exactly what bash would run; else what was not understood.
    `lost` says that the line could not be read at all, so that there may be others.
    """

    commands: tuple[Simple, ...]
    trouble: str = ""
    lost: bool = False


@dataclass
class _Reading:
    source: bytes
    commands: list[Simple] = field(default_factory=list)
    trouble: str = ""
    lost: bool = False

    def doubt(self, what: str) -> None:
        self.trouble = self.trouble or what

    def text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def parse(command: str) -> Line:
    """The simple commands of a bash command line. Never raises; bounded in size and time."""
    source = command.encode("utf-8", "surrogatepass")
    if len(source) > MOST_BYTES:
        return Line((), f"it is longer than {MOST_BYTES:,} bytes", lost=True)
    # The grammar asks the C library's isalpha() about what follows a brace, which reads beyond its
    # table for most characters: the process would die of a word. To bash they are parts of words.
    root = _tree(_NOT_ASCII.sub(b"%", source))
    if root is None:
        return Line((), "it takes too long to read", lost=True)
    reading = _Reading(source)
    if root.has_error:
        reading.doubt("it is no valid bash, or none that is understood here")
    if odd := set(_ODD.findall(command)):
        reading.doubt("it has control characters or a line continuation in it")
        # A continuation in front of a # makes a comment of what is none to bash.
        is_plain = odd <= {"\\\n", "\r"} and not _GLUED.search(command)
        reading.lost = "#" in command or not is_plain
    if root.descendant_count > MOST_NODES:
        return Line((), "it has too many parts", lost=True)
    _collect(root, reading)
    if not reading.trouble:
        _cover(root, reading)
    return Line(tuple(reading.commands), reading.trouble, lost=reading.lost or root.has_error)


def _tree(source: bytes) -> Node | None:
    from tree_sitter import Language, Parser
    from tree_sitter_bash import language

    parser: Parser = Parser(Language(language()))
    until = time.monotonic() + PARSE_S

    def piece(offset: int, _point: object) -> bytes:
        return source[offset:]

    def late(_offset: int, _error: bool) -> bool:
        return time.monotonic() > until

    try:
        tree = parser.parse(piece, progress_callback=late)
    except ValueError:
        return None
    return tree.root_node


def _collect(root: Node, reading: _Reading) -> None:
    """Note all simple commands below `root`."""
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > MOST_DEPTH:
            reading.doubt("it is nested too deeply")
            reading.lost = True
            return
        if node.type == "command":
            reading.commands.append(_command(node, reading, _outer_redirects(node, reading)))
        elif node.type in ("declaration_command", "unset_command", "test_command"):
            reading.commands.append(_builtin(node, reading))
            reading.doubt(f"{reading.text(node).split()[0][:20]!r} is not looked into")
        elif node.type == "redirected_statement" and not _holds_command(node):
            # A redirection without a command, or of a whole group, still opens its file.
            reading.commands.append(Simple((), _redirects(node, reading)))
            if not any(child.type in STRUCTURE for child in node.named_children):
                reading.doubt("it has a redirection without a command")
        elif node.type == "comment":
            _comment(node, reading)
        # Reversed, so that commands come in the order in which they stand.
        stack += [(child, depth + 1) for child in reversed(node.children)]


def _comment(node: Node, reading: _Reading) -> None:
    before = reading.source[: node.start_byte].decode("utf-8", "replace")
    if not _COMMENT.search(before):
        reading.doubt("it has a comment behind a command")
    if (
        node.parent is None
        or node.parent.type not in _AROUND_COMMENTS
        or (before and before[-1] not in " \t\n;&|()")
    ):
        reading.doubt("it has a comment where bash may see none")
        reading.lost = True


def _holds_command(node: Node) -> bool:
    body = node.child_by_field_name("body")
    return body is not None and body.type == "command"


def _outer_redirects(node: Node, reading: _Reading) -> tuple[Redirect, ...]:
    parent = node.parent
    if parent is None or parent.type != "redirected_statement":
        return ()
    return _redirects(parent, reading)


def _redirects(node: Node, reading: _Reading) -> tuple[Redirect, ...]:
    found = []
    for child in node.children:
        if child.type == "file_redirect":
            found.append(_redirect(child, reading))
        elif child.type in ("heredoc_redirect", "herestring_redirect"):
            reading.doubt("it has a here-document or a here-string")
    return tuple(found)


def _redirect(node: Node, reading: _Reading) -> Redirect:
    parts = list(node.children)
    operator = "".join(reading.text(p) for p in parts if not p.is_named)
    targets = [p for p in parts if p.is_named and p.type != "file_descriptor"]
    numbers = [reading.text(p) for p in parts if p.type == "file_descriptor"]
    odd = any(not re.fullmatch(r"[0-9]{1,3}", number) for number in numbers)
    if odd or operator not in REDIRECTIONS or len(targets) != 1 or "\n" in reading.text(node):
        reading.doubt("it has a redirection that is not understood")
        return Redirect(operator, Word(None))
    target = _word(targets[0], reading)
    if target.glob:
        reading.doubt("it redirects to a pattern")
    return Redirect(operator, target)


def _command(node: Node, reading: _Reading, outer: tuple[Redirect, ...]) -> Simple:
    words: list[Word] = []
    redirects = list(outer)
    assignments: list[str] = []
    for child in node.children:
        if child.type == "command_name":
            inner = child.children
            words.append(_word(inner[0], reading) if len(inner) == 1 else Word(None))
        elif child.type == "variable_assignment":
            assignments.append(reading.text(child))
            reading.doubt("it sets a variable for a command")
        elif child.type == "file_redirect":
            redirects.append(_redirect(child, reading))
        elif child.type in ("heredoc_redirect", "herestring_redirect"):
            reading.doubt("it has a here-document or a here-string")
        else:
            words.append(_word(child, reading))
    if not words or words[0].text is None or words[0].glob:
        reading.doubt("which program it runs is only known when it runs")
    return Simple(tuple(words), tuple(redirects), tuple(assignments))


def _builtin(node: Node, reading: _Reading) -> Simple:
    """`export A=b`, `unset A`, `[ -f x ]`: words for rules only."""
    return Simple(tuple(Word(word) for word in reading.text(node).split()[:64]))


def _word(node: Node, reading: _Reading) -> Word:
    text, glob = _literal(node, reading)
    if text is None:
        reading.doubt(f"{reading.text(node)[:40]!r} is only known when it runs")
        return Word(None)
    return Word(text, glob)


def _literal(node: Node, reading: _Reading) -> tuple[str | None, bool]:
    """What bash makes of a word, and whether it is a pattern; None where that is not certain."""
    text = reading.text(node)
    if node.type in ("word", "number") and not node.named_children:
        if not _PLAIN.fullmatch(text) or _TILDE.search(text):
            return None, False
        plain = re.sub(r"\\.", "", text)
        return re.sub(r"\\(.)", r"\1", text), bool(_GLOB.search(plain))
    if node.type == "raw_string":
        return text[1:-1], False
    if node.type == "string":
        return _quoted(node, text), False
    if node.type == "concatenation":
        return _joined(node, reading)
    return None, False


def _quoted(node: Node, text: str) -> str | None:
    simple = all(child.type == "string_content" for child in node.named_children)
    if not simple or not text.startswith('"') or not text.endswith('"') or len(text) < 2:
        return None
    inner = text[1:-1]
    if re.search(r"(?<!\\)(?:\\\\)*[$`\"]", inner):
        return None
    return re.sub(r"\\([$`\"\\])", r"\1", inner)


def _joined(node: Node, reading: _Reading) -> tuple[str | None, bool]:
    whole = reading.text(node)
    if whole == "{}":
        return whole, False
    parts, glob, end = [], False, node.start_byte
    for child in node.children:
        text, pattern = _literal(child, reading)
        if text is None or child.start_byte != end:
            return None, False
        if pattern and len(node.children) > 1 and child.type != "word":
            return None, False
        parts.append(text)
        glob, end = glob or pattern, child.end_byte
    if end != node.end_byte or not parts or _TILDE.search(whole):
        return None, False
    return "".join(parts), glob


def _cover(root: Node, reading: _Reading) -> None:
    """Doubt the line where a byte is in no node of a known kind."""
    end, last = root.start_byte, b""
    if reading.source[:end].strip(b" \t\n"):
        reading.doubt("it begins with something that is not understood")
    for start, stop, inside in _leaves(root, reading):
        gap = reading.source[end:start]
        if gap.strip(b" \t\n") or (inside and b"\n" in gap):
            reading.doubt(f"{gap[:20].decode('utf-8', 'replace')!r} is not understood")
        behind_word = start > root.start_byte and end == start and last not in b"<>&;|()!\n"
        if behind_word and reading.source[start : start + 1] not in b"<>&;|()\n":
            reading.doubt("two words stand together")  # one word to bash
        end = max(end, stop)
        last = reading.source[end - 1 : end]
    if reading.source[end:].strip(b" \t\n"):
        reading.doubt("its end is not understood")


def _leaves(root: Node, reading: _Reading) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each part that was read, and whether it goes on with a command."""
    stack = [(root, False)]
    while stack:
        node, inside = stack.pop()
        if node.type in STRUCTURE or node.type == "command":
            first = True
            found = []
            for child in node.children:
                found.append((child, node.type == "command" and not first))
                first = False
            stack += reversed(found)
        elif node.type in ("command_name", "word", "number", "string", "raw_string",
                           "concatenation", "file_redirect", "comment"):  # fmt: skip
            yield node.start_byte, node.end_byte, inside
        elif not node.is_named and node.type in OPERATORS:
            yield node.start_byte, node.end_byte, False
        else:
            reading.doubt(f"{reading.text(node)[:40]!r} is not understood")
