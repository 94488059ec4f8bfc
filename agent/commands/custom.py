"""Commands that the user writes: Markdown files, and skills (folders with a SKILL.md).

Only their names and descriptions are read when they are listed; the text goes to the model when
one is used. `$ARGUMENTS` in it stands for what was typed behind the name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.commands.base import Actions, Command, Outcome
from agent.errors import UsageError
from agent.ui.repl.host import Message

MOST_COMMANDS = 200
MOST_BYTES = 100_000
_HEAD = 2_000  # bytes in which a description has to stand
_NAME = re.compile(r"[A-Za-z][\w-]{0,40}")


@dataclass(frozen=True)
class Source:
    """Folders of commands and of skills, and what of their names is said to the user."""

    commands: Path
    skills: Path
    origin: str


def custom_commands(sources: Sequence[Source], taken: Sequence[str]) -> list[Command]:
    """What is there, without those whose name is `taken` already; earlier sources win."""
    found: dict[str, Command] = {}
    for source in sources:
        for name, path in [*_markdown(source.commands), *_skills(source.skills)]:
            if name not in taken and name not in found and len(found) < MOST_COMMANDS:
                found[name] = _command(name, path, source.origin)
    return list(found.values())


def _markdown(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _listed(folder):
        if path.suffix == ".md" and _NAME.fullmatch(path.stem):
            yield path.stem, path


def _skills(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _listed(folder):
        if _NAME.fullmatch(path.name) and (path / "SKILL.md").is_file():
            yield path.name, path / "SKILL.md"


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[: 10 * MOST_COMMANDS]
    except OSError:
        return []


def _command(name: str, path: Path, origin: str) -> Command:
    async def run(_chat: Actions, argument: str) -> Outcome:
        return Message(await asyncio.to_thread(prompt_of, path, argument))

    return Command(name, "[text]", f"{description(path)} ({origin})", run, origin=str(path))


def description(path: Path) -> str:
    """What the file says about itself: `description:` in its front matter, else its first line."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    matter, text = _split(head)
    match = re.search(r"^description:\s*(.+)$", matter, re.MULTILINE)
    line = match[1] if match else next((x for x in text.splitlines() if x.strip()), "")
    return line.strip().strip("#\"' ")[:120]


def prompt_of(path: Path, argument: str) -> str:
    """The message that the command sends.

    Raises:
        UsageError: the file cannot be read, or is too long.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is too long for a prompt: at most {MOST_BYTES:,} bytes")
        _, text = _split(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    if path.name == "SKILL.md":
        text = f"{text.strip()}\n\n(The files of this skill are in {path.parent}.)"
    if "$ARGUMENTS" in text:
        return text.replace("$ARGUMENTS", argument).strip()
    return f"{text.strip()}\n\n{argument}".strip()


def _split(text: str) -> tuple[str, str]:
    """Front matter between two lines of `---`, and the rest."""
    match = re.match(r"---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    return (match[1], text[match.end() :]) if match else ("", text)
