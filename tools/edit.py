"""The edit tool: one piece of a file replaced by another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.base import Arguments, Tool, ToolContext, ToolResult, failed
from tools.match import Refusal, plan_edit
from tools.read import why_unreadable
from tools.text import NotText, TextFile, changed_lines, decode, unified_diff
from tools.workspace import PathRefused

SHOWN_DIFF = 2_000


class EditArguments(Arguments):
    path: str
    old: str
    new: str


def edit_tool() -> Tool[EditArguments]:
    """The tool as an object."""
    description = (
        "Replace old by new in a file that you have read. old is copied from the file, whole "
        "lines, enough of them to be unique. An empty new deletes."
    )
    return Tool(
        "edit", description, EditArguments, run_edit, raw=("old", "new"), writes=True,
        existing="file", copied="old", preview=preview_edit,
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """An edit that is ready: the file, its text before and after, and what the model is told."""

    path: Path
    name: str
    before: TextFile
    after: str
    note: str


async def run_edit(arguments: EditArguments, context: ToolContext) -> ToolResult:
    """Replace one place; the model gets to see the diff of what was done."""
    change = plan_change(arguments, context)
    if isinstance(change, ToolResult):
        return change
    try:
        return _apply(change, context)
    except OSError as error:
        return failed(f"{arguments.path} was not changed: {error.strerror}")


def preview_edit(arguments: EditArguments, context: ToolContext) -> str | ToolResult:
    """The unified diff that the edit would make, or the result with which it would be refused."""
    change = plan_change(arguments, context)
    if isinstance(change, ToolResult):
        return change
    return unified_diff(change.name, change.before.text, change.after)


def plan_change(arguments: EditArguments, context: ToolContext) -> Change | ToolResult:
    """What the edit would do, or why it cannot be done; nothing is written."""
    if arguments.old == arguments.new:
        return failed("old and new are the same: nothing to do")
    try:
        path = context.workspace.resolve_for_writing(arguments.path)
        trouble = why_unreadable(path, context.workspace)
        if trouble:
            return failed(trouble if path.exists() else f"{trouble}\nTo create a file use write.")
        refusal = context.workspace.overwrite_refusal(path)
        if refusal:
            return failed(refusal)
        return _plan(path, arguments, context)
    except PathRefused as error:
        return failed(str(error))
    except NotText as error:
        return failed(f"{arguments.path} was not changed: {error}")
    except OSError as error:
        return failed(f"{arguments.path} was not changed: {error.strerror}")


def _plan(path: Path, arguments: EditArguments, context: ToolContext) -> Change | ToolResult:
    name = context.workspace.name(path)
    before = decode(path.read_bytes())
    old, new = arguments.old, arguments.new
    if before.newline == "\r\n":
        old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    plan = plan_edit(before.text, old, new)
    if isinstance(plan, Refusal):
        return failed(f"{name} was not changed: {plan.reason}")
    after = before.text[: plan.start] + plan.replacement + before.text[plan.end :]
    if after == before.text:
        return failed(f"{name} was not changed: it already reads so")
    return Change(path, name, before, after, plan.note)


def _apply(change: Change, context: ToolContext) -> ToolResult:
    name, before, after = change.name, change.before, change.after
    context.workspace.write(change.path, before.encode(after))
    diff = unified_diff(name, before.text, after)
    added, removed = changed_lines(diff)
    head = f"edited {name}: +{added} -{removed}{change.note}"
    small = unified_diff(name, before.text, after, context=1).split("\n", 2)[2].rstrip("\n")
    if len(small) > SHOWN_DIFF:
        small = small[:SHOWN_DIFF] + "\n[the rest of the diff is left out]"
    return ToolResult(f"{head}\n{small}", diff=diff, changed=(name,))
