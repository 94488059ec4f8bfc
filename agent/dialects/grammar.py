"""Call grammars in llguidance's Lark, from the tools' JSON Schemas and from what the files say."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agent.dialects import scan
from agent.dialects.repeats import repeated
from agent.messages import ToolSpec

PATH = "path"  # the argument that names a file or folder, in every tool that has one
# Without it `\u00e9` is refused wherever `é` can be written as it is.
OPTIONS = {"json_allow_general_unicode_escapes": True}
WHITE_SPACE = r"[ \n]{1,40}"
# What the token that closes a call may hold besides. A model that may not write its usual `}\n`
# writes a `}` that it has seen at the very end only, and ends its message with its fence open.
TAIL = r"TAIL: /[ \n,\]]{1,9}/"
# The beginning of the arguments, where the path comes first.
PATH_HEAD = re.compile(r'\{\s*"path"\s*:\s*(?P<path>"(?:[^"\\]|\\.)*")')
# Bytes of text in the automata that tell what is a piece of a file, and what of it is there once
# only. 24 KB take 60 ms to compile, a token's time; at 60 KB llguidance's limits come
# (`bench.run schemas` measures it).
LARGEST = 48_000
LARGEST_UNIQUE = 24_000


def token(rule: str, text: str) -> str:
    """A rule for one control token; the engine puts its number there (`constrain.numbered`).

    Lark of llguidance knows tokens by name only where they look like ``<this>``. A text in quotes
    is spelled out.
    """
    return f"{rule}: {text}\n" if text[:1] in '<"' else f"{rule}: @{text}\n"


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without room for properties that it does not name, unless it says otherwise."""
    return {"additionalProperties": False, **schema}


def filled(tool: ToolSpec) -> ToolSpec:
    """The tool with the paths that exist now as the only values of its `path`.

    For grammars; what the model is told of a tool must not change with the files.
    """
    declared = tool.parameters.get("properties", {})
    paths = tool.values.paths() if tool.values and PATH in declared else []
    if not paths:
        return tool
    properties = {**declared, PATH: {"enum": list(paths)}}
    return replace(tool, parameters={**tool.parameters, "properties": properties})


def arguments_grammar(tool: ToolSpec) -> str:
    """The value of ``"arguments"`` of a call of this tool, and the brace that ends the call."""
    schema = _json(closed(filled(tool).parameters))
    start = f'start: WS? arguments WS? "}}" TAIL?\nWS: /{WHITE_SPACE}/\n{TAIL}\n'
    return f"{start}arguments: {schema}\n"


def call_grammar(tools: Sequence[ToolSpec]) -> str:
    """A whole call object of one of the tools, behind its opening tag."""
    choices = [
        {
            "type": "object",
            "properties": {"name": {"const": t.name}, "arguments": closed(t.parameters)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for t in map(filled, tools)
    ]
    return f"start: NL? call TAIL?\nNL: /\\n/\n{TAIL}\ncall: {_json({'anyOf': choices})}\n"


def copied_grammar(tool: ToolSpec, path: str, *, braces: int = 2) -> str:
    """The rest of a call behind the value of its `path`, given as the JSON that was written.

    `braces` end it: that of the arguments, and that of the call around them. The argument that is
    copied from that file has to be a piece of it. '' where that cannot be said: there is no such
    file, it is too long, or the arguments are others than this knows.
    """
    declared = list(tool.parameters.get("properties", {}))
    copied = tool.values.copied if tool.values else ""
    behind = declared[declared.index(PATH) + 1 :] if PATH in declared else []
    if copied not in behind or set(behind) - set(tool.parameters.get("required", ())):
        return ""
    terminals = piece_terminals(_escaped(_text(tool, path)))
    members, rules = "", ""
    for i, name in enumerate(behind):
        value = r'"\"" PIECE "\""' if name == copied else f"value{i}"
        members += f' WS? "," WS? {json.dumps(json.dumps(name))} WS? ":" WS? {value}'
        if name != copied:
            rules += f"value{i}: {_json(tool.parameters['properties'][name])}\n"
    closing = ' WS? "}"' * braces + (" TAIL?" if braces > 1 else "")
    start = f"start:{members}{closing}\nWS: /{WHITE_SPACE}/\n{TAIL}\n"
    return f"{start}{rules}{terminals}" if terminals else ""


def _text(tool: ToolSpec, path: str) -> str:
    try:
        name = json.loads(path, strict=False)
    except ValueError:
        return ""
    return tool.values.text(name) if tool.values else ""


def search_grammar(text: str) -> str:
    """The old lines of a SEARCH section and the mark behind them: lines of the file `text`.

    They stand there in a row, and as a text at one place only, as far as that can be said. '' where
    nothing can: the file is too long, or empty.
    """
    if text and not text.endswith("\n"):
        text += "\n"  # a block has no line without it
    terminals = piece_terminals(list(text), chunks=scan.lines(text))
    return f"start: OLD\nOLD: PIECE /={{5,9}}\\n/\n{terminals}" if terminals else ""


def piece_terminals(characters: Sequence[str], *, chunks: Sequence[str] = ()) -> str:
    """The Lark terminal PIECE: some of the characters in a row, as they are written in a call.

    They have to stand at one place only (so they are not nothing), unless telling that takes too
    much; '' where even the rest does, or there is nothing to copy. `chunks`: the same text in
    pieces of which only whole ones count.
    """
    size = _bytes(characters)
    if not 0 < size <= LARGEST:
        return ""
    pieces = _substring(chunks or characters)
    again = [char for piece in repeated(characters) for char in (*piece, SEPARATOR)]
    if size + _bytes(again) > LARGEST_UNIQUE:
        return f"PIECE: ALL & /(?s:.+)/\nALL: {pieces}\n"
    return f"PIECE: ALL & ~AGAIN\nALL: {pieces}\nAGAIN: {_substring(again)}\n"


SEPARATOR = "\0"  # in no text that a tool shows


def _bytes(characters: Sequence[str]) -> int:
    return len("".join(characters).encode("utf-8", "replace"))


def _substring(characters: Sequence[str]) -> str:
    return f"%regex {json.dumps({'substring_chunks': list(characters)})}"


def _escaped(text: str) -> list[str]:
    """The characters as a JSON string has them: one may be two or six of them there."""
    return [json.dumps(char, ensure_ascii=False)[1:-1] for char in text]


def _json(schema: dict[str, Any]) -> str:
    return f"%json {json.dumps({**schema, 'x-guidance': OPTIONS})}"
