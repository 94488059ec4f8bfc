"""What a question names and says: a few words, a sentence, or the whole text of a bug report."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mcp_servers.code_search.stopwords import COMMON, OF_CODE
from mcp_servers.code_search.words import LONGEST, WORD, parts

MOST = 20_000  # characters of a question
LONGEST_LINE = 1_000
# How much a word says, by where it stands.
TITLE, PROSE, MESSAGE, CODE, TRACE = 1.5, 1.0, 1.5, 0.6, 0.2
IDENTIFIER = 1.6  # times that, for what can only be a name
PART = 0.5  # of a name, for each word that it is made of
FEW = 5  # words: who writes no more than that, and no sentence, writes names
AGAIN = 0.25  # of the first time, for each further time up to four

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_URL = re.compile(r"\b[a-z][a-z0-9+]{1,10}://[^\s<>\"')\]]+|\bwww\.[^\s<>\"')\]]+")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}(?:#{1,6}[ \t]+|\*\*)([^\n]+)")
_MACHINE = re.compile(
    r"(?i)\b(?:system info|environment|versions?|platform|installed packages|your setup"
    r"|additional context)\b"
)
_FRAMES = (
    re.compile(r'File "(?P<path>[^"]+)", line \d+, in (?P<name>[\w<>.]+)'),  # Python
    # JavaScript, Java
    re.compile(r"^\s*at (?:async )?(?P<name>[\w$.<>]+) ?\((?P<path>[^():]+):\d+"),
    re.compile(r"^\s*from (?P<path>\S+):\d+:in [`'](?P<name>[^']+)'"),  # Ruby
    re.compile(r"^(?P<path>\S+\.\w+):\d+: in (?P<name>\w+)"),  # pytest
)
_ERROR = re.compile(
    r"^\s*(?P<name>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Failure))\b:?"
)
_PATH = re.compile(r"[\w.\-/\\]*[\w\-]\.(?:[a-z]{1,4}|[A-Z])\b(?![(\w])")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::|->|#)[A-Za-z_]\w*)+")
_CALL = re.compile(r"([A-Za-z_]\w*)\s?\(")
_QUOTED = re.compile(r"`([^`\n]{2,80})`")
_MESSAGE = re.compile(r"[\"“]([^\"”\n]{8,200})[\"”]|'([^'\n]{12,200})'")
_ARGUMENT = re.compile(r"[(,]\s?([A-Za-z_]\w+)=(?!=)")
_IMPORT = re.compile(r"^\s*(?:>>> )?(?:from \S+ )?(?:import|require|use|using|#include)\b")


@dataclass(frozen=True)
class Frame:
    """A line of a traceback, as it was printed."""

    path: str
    name: str


@dataclass
class Query:
    """``terms``: words in lower case with their weights. ``names``: what is named as code, as
    written, with weights; dotted ones are whole; in a ``short`` question every word may be a name.
    ``frames`` from the outermost to the innermost call. ``phrases`` are messages that may stand
    in the code word for word. A ``report`` has a text below its first line.
    """

    title: str = ""
    terms: dict[str, float] = field(default_factory=dict)
    in_title: dict[str, float] = field(default_factory=dict)
    names: dict[str, float] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    short: bool = False
    report: bool = False


def read_query(text: str) -> Query:
    """Take a question apart; nothing of it is an error."""
    text = _COMMENT.sub(" ", text[:MOST].replace("\r\n", "\n")).strip()
    lines = [_URL.sub(" ", line[:LONGEST_LINE]) for line in text.split("\n")]
    query = Query(title=lines[0].strip(), report=len(lines) > 1)
    _prose(query, lines[0], TITLE)
    query.in_title = dict(query.terms)
    asked = WORD.findall(lines[0])
    if len(lines) == 1 and len(asked) <= FEW and not any(w.lower() in COMMON for w in asked):
        query.short = True
        for word in asked:
            _name(query, word, TITLE)
    fence, machine, trace = "", False, False
    for line in lines[1:]:
        if mark := _FENCE.match(line):
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
            trace = False
            continue
        if not fence and (heading := _HEADING.match(line)):
            # A table of versions names everything that is installed.
            machine = bool(_MACHINE.search(heading[1]))
        if machine:
            continue
        if frame := _frame(line):
            query.frames.append(frame)
            trace = True
        elif error := _ERROR.match(line):
            trace = False
            _name(query, error["name"], MESSAGE)
            message = line[error.end() :].strip(" :")
            query.phrases.append(message)
            _words(query, message, MESSAGE)
        elif trace and line[:1].isspace():
            _words(query, line, TRACE)
        elif fence or line.startswith(("    ", "\t", ">>> ", "... ")):
            if not _IMPORT.match(line):
                _code(query, line, CODE)
        else:
            _prose(query, line, PROSE)
    return query


def is_identifier(word: str) -> bool:
    """Whether a word can only be a name of code, by its shape."""
    if len(word) > LONGEST or not word.isascii():
        return False
    inner = word.strip("_")
    mixed = any(c.isupper() for c in inner[1:]) and any(c.islower() for c in inner[1:])
    return mixed or "_" in inner or (word.startswith("_") and len(inner) > 1)


def _frame(line: str) -> Frame | None:
    for pattern in _FRAMES:
        if found := pattern.search(line):
            return Frame(found["path"].replace("\\", "/"), found["name"].rpartition(".")[2])
    return None


def _prose(query: Query, line: str, weight: float) -> None:
    for quoted in _QUOTED.findall(line):
        if WORD.fullmatch(quoted):
            _name(query, quoted, weight)
    for pair in _MESSAGE.findall(line):
        query.phrases.append(pair[0] or pair[1])
    _code(query, line, weight)


def _code(query: Query, line: str, weight: float) -> None:
    """Names in a line by their form, and its words."""
    for path in _PATH.findall(line):
        query.paths.append(path.replace("\\", "/"))
    for dotted in _DOTTED.findall(line):
        _name(query, re.sub(r"::|->|#", ".", dotted), weight)
    for called in _CALL.findall(line):
        _name(query, called, weight)
    for word in WORD.findall(line):
        if is_identifier(word):
            _name(query, word, weight)
    _words(query, line, weight)


def _name(query: Query, name: str, weight: float) -> None:
    last = name.rpartition(".")[2]
    if len(last) < 2 or last.lower() in OF_CODE:
        return
    query.names[name] = max(query.names.get(name, 0.0), weight)


def _words(query: Query, text: str, weight: float) -> None:
    silent = COMMON | OF_CODE if weight in (CODE, TRACE) else COMMON
    for word in WORD.findall(text):
        lower = word.lower()
        if len(word) < 2 or len(word) > LONGEST or word.isdigit() or lower in silent:
            continue
        sure = is_identifier(word)
        whole = weight * (IDENTIFIER if sure else 1.0)
        _add(query, lower, whole)
        pieces = parts(word)
        if sure or len(pieces) > 1:
            for piece in pieces:
                if piece not in silent:
                    _add(query, piece, whole * PART)


def _add(query: Query, term: str, weight: float) -> None:
    count = query.counts.get(term, 0)
    query.counts[term] = count + 1
    known = query.terms.get(term, 0.0)
    if weight > known:
        query.terms[term] = weight
    elif count < 4:
        query.terms[term] = known + AGAIN * weight
