"""Small readers of JSON, fences and paths that the dialects share; all linear in their input."""

from __future__ import annotations

import re

LONGEST_LINE = 600  # characters; a longer one is text, whatever is in it


def lines(text: str) -> list[str]:
    """The lines with their newlines; unlike str.splitlines only ``\\n`` ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


class JsonScanner:
    """Finds the end of one JSON value that arrives in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> int:
        """Offset in `text` just behind the closing bracket of the outermost value, or -1."""
        for i, char in enumerate(text):
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif char == "\\":
                    self._escaped = True
                elif char == '"':
                    self._in_string = False
            elif char == '"':
                self._in_string = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    return i + 1
        return -1


LONGEST_HEAD = 256  # characters; an object that has no call's head so far is none
NAME_HEAD = re.compile(r'\{\s*"name"\s*:\s*"(?P<name>[^"\\]*)"')
CALL_HEAD = re.compile(NAME_HEAD.pattern + r'\s*,\s*"(?P<key>arguments|parameters)"\s*:\s*')
_KEYS = ('"arguments"', '"parameters"')


def may_become_call(text: str) -> bool:
    """Whether `text` is a beginning of ``{"name": "…", "arguments": ``."""
    rest = text
    for token in ("{", '"name"', ":", None, ","):
        rest = rest.lstrip()
        if token is None:
            match = re.match(r'"[^"\\]*"', rest)
            if match is None:
                return rest == "" or re.fullmatch(r'"[^"\\]*', rest) is not None
            rest = rest[match.end() :]
        elif rest.startswith(token):
            rest = rest[len(token) :]
        else:
            return token.startswith(rest)
    rest = rest.lstrip()
    for key in _KEYS:
        if rest.startswith(key):
            return rest[len(key) :].strip() in ("", ":")
    return any(key.startswith(rest) for key in _KEYS)


# --- paths ---------------------------------------------------------------------------------------

_PATH = re.compile(r"/?(?:[\w.@+-]+/)*[\w.@+-]+")
_DECORATED = re.compile(
    r"(?:\#{1,6}\s+)?\*{0,2}(?:(?:file|filename|path):\*{0,2}\s*)?\*{0,2}"
    rf"(?P<tick>`?)(?P<path>{_PATH.pattern})(?P=tick):?\*{{0,2}}:?",
    re.I,
)
# Any beginning of the above; it may let more through, the finished line decides.
_DECORATED_START = re.compile(
    r"(?:\#{0,6}|\#{1,6}\s+)\*{0,2}(?:(?:file|filename|path):\*{0,2}\s*)?\*{0,2}`?"
    r"[\w.@+/-]*`?:?\*{0,2}:?\s*",
    re.I,
)
# Files without a suffix that people name; anything else must look like name.suffix.
BARE_NAMES = (
    "Makefile", "Dockerfile", "LICENSE", "README", "CHANGELOG", "Procfile", "Justfile",
    "Gemfile", "Rakefile", "Vagrantfile", "Jenkinsfile", "CODEOWNERS",
)  # fmt: skip
_SUFFIX = re.compile(r"\.[A-Za-z][\w+-]*$")
# In a heading or a comment `os.path` and `str.join` are no files: there the suffix must be known.
_KNOWN = (
    "astro bash bat bib c cc cfg clj cmake cmd cpp cs css csv cxx dart edn el elm env erl ex exs "
    "f90 fish fs gitignore go gql gradle graphql groovy h hbs hcl hh hpp hs htm html ini ipynb "
    "java jinja jl js json jsonc jsx kt kts less lock lua m md mdx mjs mk ml mli mod nim nix php "
    "pl pm proto ps1 pug py pyi pyx r rb rs rst s sass scala scss sh sol sql svelte svg swift tcl "
    "template tex tf toml ts tsv tsx twig txt v vb vue wat xml yaml yml zig zsh"
)
_SUFFIXES = frozenset(_KNOWN.split())
_DOTFILE = re.compile(r"\.(?:\w+(?:ignore|rc|config|attributes)|env)(?:\.\w+)*")
_NOT_FILES = (
    "node.js next.js nuxt.js vue.js react.js express.js three.js d3.js chart.js moment.js "
    "angular.js backbone.js ember.js socket.io asp.net"
)
_PRODUCTS = frozenset(_NOT_FILES.split())


def path_in_line(line: str) -> str:
    """The path that a line consists of, decorations like ``### File: `a.py`:`` taken off, or ''.

    A line that is nothing but the path may have any suffix; a decorated one needs a folder or a
    suffix that files have.
    """
    bare = line.strip()
    if len(bare) > LONGEST_LINE:
        return ""
    if _PATH.fullmatch(bare):
        return bare if _names_file(bare) else ""
    found = _DECORATED.fullmatch(bare)
    return found["path"] if found and _surely_names_file(found["path"]) else ""


_COMMENT = re.compile(r"\s*(?:#|//|--|;|<!--|/\*)\s*(?P<text>.*?)\s*(?:-->|\*/)?\s*")


def path_in_comment(line: str) -> str:
    """The path that a comment like ``# src/a.py`` or ``<!-- a.html -->`` consists of, or ''."""
    if len(line) > LONGEST_LINE:
        return ""
    comment = _COMMENT.fullmatch(line)
    path = path_in_line(comment["text"]) if comment else ""
    return path if _surely_names_file(path) else ""


def may_become_path(line: str) -> bool:
    """Whether a line that is still being written could turn out to be only a path."""
    bare = line.lstrip()
    words = ("file:", "filename:", "path:")
    unmarked = bare.lstrip("#").lstrip().lstrip("*").lower()
    return _DECORATED_START.fullmatch(bare) is not None or any(
        word.startswith(unmarked) for word in words
    )


def _names_file(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return _SUFFIX.search(name) is not None or name in BARE_NAMES


def _surely_names_file(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    if not path or not _names_file(path) or path.lower() in _PRODUCTS:
        return False
    if "/" in path or name in BARE_NAMES or _DOTFILE.fullmatch(name):
        return True
    return not name.startswith(".") and name.rsplit(".", 1)[-1].lower() in _SUFFIXES


# --- fences --------------------------------------------------------------------------------------

_FENCE = re.compile(r"(?P<ticks>`{3,})(?P<language>[^\s`]*)[^`]*")
_FENCE_START = re.compile(r"`{1,2}|`{3,}[^`]*")


def fence(line: str) -> tuple[str, str] | None:
    """Backticks and language of a line that opens (or, without a language, closes) a block."""
    match = _FENCE.fullmatch(line.strip())
    return (match["ticks"], match["language"].lower()) if match else None


def may_become_fence(line: str) -> bool:
    """Whether a line that is still being written could turn out to be a fence."""
    return _FENCE_START.fullmatch(line.lstrip()) is not None
