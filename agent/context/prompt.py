"""What the model is told: a byte-stable system text, and the task with all that varies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import PurePosixPath

from agent.context.project import MOST_LISTED, MOST_LISTED_CHARS, Shown
from agent.messages import BadCall

_LANGUAGES = {
    "py": "python", "js": "javascript", "ts": "typescript", "rs": "rust", "md": "markdown",
    "sh": "bash", "yml": "yaml", "rb": "ruby", "h": "c", "hpp": "cpp", "cc": "cpp", "kt": "kotlin",
}  # fmt: skip


def prompt_text(name: str) -> str:
    """A prompt file of this package, without the newline at its end."""
    place = resources.files("agent.context") / "prompts" / f"{name}.md"
    return place.read_text("utf-8").rstrip("\n")


def system_text(note: str, instructions: str = "") -> str:
    """The front of every session: our text, the family's note on how to make calls, and what the
    project wants every agent to know."""
    parts = (prompt_text("system"), note.strip(), instructions)
    return "\n\n".join(part for part in parts if part)


def fence_opening(path: str) -> str:
    """What stands before the text of a file in the form in which the model writes it."""
    suffix = PurePosixPath(path).suffix.lstrip(".")
    ticks = "`" * (4 if suffix == "md" else 3)
    return f"{path}\n{ticks}{_LANGUAGES.get(suffix, suffix)}\n"


def block(path: str, text: str) -> str:
    """A file in the same form in which the model is to write files."""
    suffix = PurePosixPath(path).suffix.lstrip(".")
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{path}\n{ticks}{_LANGUAGES.get(suffix, suffix)}\n{text}{end}{ticks}"


def task_text(
    task: str,
    *,
    files: Sequence[str],
    shown: Sequence[Shown],
    check: str,
    failure: str,
    note: str,
    outline: str = "",
    folded: str = "",
) -> str:
    """The user's message: the files, what fails, and the task last.

    `outline` is a map of the project in place of the bare names of its files, `folded` what of the
    session's folded part bears on the task.
    """
    parts = []
    others = [file for file in files if file not in {s.path for s in shown}]
    if outline:
        parts.append(f"Map of the project, with line numbers:\n{outline}")
    elif others:
        parts.append(f"Files in the folder: {listing(others)}")
    parts += [block(s.path, s.text) for s in shown]
    if failure:
        parts.append(failure_text(check, failure))
    if folded:
        parts.append(f"From earlier in this session:\n{folded}")
    parts.append(task)
    if note:
        parts.append(note)
    return "\n\n".join(parts)


def listing(files: Sequence[str]) -> str:
    """The first names, as many as fit, and how many there are besides."""
    shown: list[str] = []
    room = MOST_LISTED_CHARS
    for file in files[:MOST_LISTED]:
        room -= len(file) + 2
        if room < 0:
            break
        shown.append(file)
    left = len(files) - len(shown)
    more = [f"and {left} more" if shown else f"{left}"] if left else []
    return ", ".join([*shown, *more])


def failure_text(check: str, failure: str) -> str:
    return f"`{check}` fails:\n```\n{failure}\n```"


def bad_call_text(bad: BadCall, names: Sequence[str]) -> str:
    """What goes back to the model for a call that could not be read."""
    return f"That call was not run: {bad.reason}. The tools are: {', '.join(names)}."
