"""The write tool: a whole file at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic.json_schema import SkipJsonSchema

from tools.base import Arguments, Tool, ToolContext, ToolResult, failed
from tools.keep import keep_rest
from tools.text import NotText, TextFile, changed_lines, decode, split_lines, unified_diff
from tools.workspace import PathRefused


class WriteArguments(Arguments):
    path: str
    content: str
    # Set for content that came as a block, never by the model: see tools/keep.py.
    keep_rest: SkipJsonSchema[bool] = False


def write_tool() -> Tool[WriteArguments]:
    """The tool as an object."""
    description = "Create a file or replace all of it. For a small change use edit."
    return Tool(
        "write", description, WriteArguments, run_write, raw=("content",), writes=True,
        preview=preview_write,
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A file that is ready to be written; `kept` says what was put back into it."""

    path: Path
    name: str
    before: TextFile
    data: bytes
    kept: str


async def run_write(arguments: WriteArguments, context: ToolContext) -> ToolResult:
    """Write the file; refuses to overwrite what the model has not seen as it is now."""
    change = plan_change(arguments, context)
    if isinstance(change, ToolResult):
        return change
    try:
        context.workspace.write(change.path, change.data)
    except OSError as error:
        return failed(f"{arguments.path} was not written: {error.strerror}")
    after = _known_text(change.data).text
    diff = unified_diff(change.name, change.before.text, after)
    added, removed = changed_lines(diff)
    lines = len(split_lines(after))
    size = f"{lines} line{'' if lines == 1 else 's'}"
    text = f"wrote {change.name}: {size}, +{added} -{removed}{change.kept}"
    return ToolResult(text, diff=diff, changed=(change.name,))


def preview_write(arguments: WriteArguments, context: ToolContext) -> str | ToolResult:
    """The unified diff that the call would make, or the result with which it would be refused."""
    change = plan_change(arguments, context)
    if isinstance(change, ToolResult):
        return change
    return unified_diff(change.name, change.before.text, _known_text(change.data).text)


def plan_change(arguments: WriteArguments, context: ToolContext) -> Change | ToolResult:
    """What the call would write, or why it cannot; nothing is written."""
    try:
        path = context.workspace.resolve_for_writing(arguments.path)
        if path.is_dir() or arguments.path.strip().endswith("/"):
            return failed(f"{arguments.path} is a folder: give the path of a file")
        if path.exists() and not path.is_file():
            return failed(f"{arguments.path} is no regular file")
        return _plan(path, arguments, context)
    except PathRefused as error:
        return failed(str(error))
    except NotText as error:
        return failed(f"nothing written: {error}")
    except OSError as error:
        return failed(f"{arguments.path} was not written: {error.strerror}")


def _plan(path: Path, arguments: WriteArguments, context: ToolContext) -> Change | ToolResult:
    workspace = context.workspace
    name = workspace.name(path)
    existed = path.exists()
    before = _known_text(path.read_bytes()) if existed else TextFile("")
    content, kept = arguments.content, ""
    if arguments.keep_rest and path.suffix == ".py":
        whole = keep_rest(before.text, content)
        content = whole.text
        kept = f"; kept {', '.join(whole.names)}, which the block left out" if whole.names else ""
    data = before.encode(content)
    if existed:
        if path.read_bytes() == data:
            workspace.remember(path, data)
            text = "no change: the file already has exactly this content"
            return ToolResult(text, ok=False, same=True)
        refusal = workspace.overwrite_refusal(path)
        if refusal:
            return failed(refusal)
    return Change(path, name, before, data, kept)


def _known_text(data: bytes) -> TextFile:
    """The text of a file; what cannot be decoded shows as empty in the diff."""
    try:
        return decode(data)
    except NotText:
        return TextFile("")
