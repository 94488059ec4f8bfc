"""The read tool: lines of one text file."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from tools.base import Arguments, Tool, ToolContext, ToolResult, failed
from tools.text import NotText, decode, split_lines
from tools.workspace import PathRefused, Workspace

if TYPE_CHECKING:
    from tools.code.symbols import Definition

LARGEST_FILE = 128 * 1024 * 1024
NAMES_LOOKED_AT = 5_000
FOR_LIST = 0.3  # of the limit, for what a long file defines further down


class ReadArguments(Arguments):
    path: str
    first_line: int = Field(default=1, ge=1)
    last_line: int | None = Field(default=None, ge=1)


def read_tool() -> Tool[ReadArguments]:
    """The tool as an object."""
    return Tool("read", "Read a text file.", ReadArguments, run_read, existing="file")


async def run_read(arguments: ReadArguments, context: ToolContext) -> ToolResult:
    """The lines that were asked for, as many as fit, under a line that says which they are."""
    try:
        kept = context.output.locate(arguments.path)
        path = kept or context.workspace.resolve(arguments.path)
        trouble = why_unreadable(path, context.workspace)
        if trouble:
            return failed(trouble)
        data = path.read_bytes()
        # Output of programs may have any bytes in it, and is never edited: show what can be shown.
        text = data.decode("utf-8", "replace") if kept else decode(data).text
    except PathRefused as error:
        return failed(str(error))
    except NotText as error:
        size = path.stat().st_size
        return failed(f"{context.workspace.name(path)} is {error} ({size:,} bytes)")
    except OSError as error:
        return failed(f"{arguments.path}: {error.strerror}")
    context.workspace.remember(path, data)
    name = context.workspace.name(path)
    limit = context.output.limit
    lines = split_lines(text)
    whole = arguments.first_line == 1 and arguments.last_line is None
    if kept is None and whole and len(text) > limit:
        from tools.code.window import definitions_of

        # In a thread: it waits for a child process.
        definitions = await asyncio.to_thread(definitions_of, name, text)
        return _window(name, lines, arguments, limit, definitions)
    return _window(name, lines, arguments, limit)


def why_unreadable(path: Path, workspace: Workspace) -> str:
    """Why a path cannot be read as a file, with what to try instead; ``""`` when it can."""
    name = workspace.name(path)
    if path.is_dir():
        return f"{name} is a folder: use list"
    if not path.exists():
        near = nearest_names(path, workspace)
        return f"{name} does not exist" + (f": did you mean {', '.join(near)}?" if near else "")
    if not path.is_file():
        return f"{name} is no regular file"
    if path.stat().st_size > LARGEST_FILE:
        return f"{name} has {path.stat().st_size:,} bytes: use grep, or shell with sed -n"
    return ""


def nearest_names(path: Path, workspace: Workspace) -> list[str]:
    """Up to three existing files that a wrong path may have meant, the same name first."""
    names: list[str] = []
    for folder, folders, files in os.walk(workspace.root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "node_modules")
        names += [workspace.name(Path(folder) / file) for file in sorted(files)]
        if len(names) > NAMES_LOOKED_AT:
            break
    same = [name for name in names if name.rpartition("/")[2] == path.name]
    close = difflib.get_close_matches(workspace.name(path), names, n=3, cutoff=0.7)
    return list(dict.fromkeys([*same, *close]))[:3]


def _window(
    name: str,
    lines: list[str],
    wanted: ReadArguments,
    limit: int,
    definitions: Sequence[Definition] = (),
) -> ToolResult:
    """As many of the wanted lines as have at most `limit` characters together.

    With `definitions` of the file those below the shown lines are listed, within the limit too.
    """
    for_list = int(limit * FOR_LIST) if definitions else 0
    limit -= for_list
    total = len(lines)
    if total == 0:
        return ToolResult(f"{name} is empty")
    first, last = wanted.first_line, min(wanted.last_line or total, total)
    if first > total:
        return failed(f"{name} has only {total} lines")
    if last < first:
        return failed(f"last_line {last} is before first_line {first}")
    shown: list[str] = []
    room = limit
    for line in lines[first - 1 : last]:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    notes = ""
    if not shown:
        shown = [lines[first - 1][:limit]]
        notes = f"\n[line {first} has {len(lines[first - 1]):,} characters and is cut]"
    end = first + len(shown) - 1
    notes += _further_down([each for each in definitions if each.first_line > end], for_list)
    if end < last:
        notes += f"\n[read on with first_line={end + 1}]"
    body = "\n".join(shown)
    return ToolResult(f"{name} lines {first}-{end} of {total}\n{body}{notes}")


def _further_down(definitions: Sequence[Definition], room: int) -> str:
    if not definitions:
        return ""
    from tools.code.window import listing

    return "\n".join(["\n[further down:", *listing(definitions, room), "]"])
