"""What the user has typed, made into a message: pastes, files named with @, commands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import UsageError
from agent.ui.repl.host import Message, Paste

# A paste that is longer than this is shown by its size.
MOST_CHARS = 1_500
MOST_LINES = 12
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tiff", ".heic", ".ico"})
NO_EYES = "models here read text only: say in words what the image shows"
_AT = re.compile(r'(?<![\w@/])@("(?P<quoted>[^"\n]+)"|(?P<plain>[^\s"@]+))')
_LABEL = re.compile(r"\[pasted [^\]\n]*\]")
_TRAILING = ".,;:!?)]}'"
_OF_SERVER = re.compile(r"[A-Za-z0-9][\w-]*:")  # @server:uri


@dataclass
class Pastes:
    """The long pastes of this draft, by the label that stands for each."""

    kept: dict[str, str] = field(default_factory=dict)

    def add(self, text: str) -> str:
        """What to insert for a pasted `text`: itself, or the label of a long one."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
        if len(text) <= MOST_CHARS and text.count("\n") < MOST_LINES:
            return text
        lines = text.count("\n") + (not text.endswith("\n"))
        size = f"{lines:,} line{'' if lines == 1 else 's'}"
        label, number = f"[pasted {size}]", 2
        while label in self.kept and self.kept[label] != text:
            label, number = f"[pasted {size}, {number}]", number + 1
        self.kept[label] = text
        return label

    def used(self, draft: str) -> tuple[Paste, ...]:
        """Those whose label stands in the draft, in its order."""
        labels = dict.fromkeys(m[0] for m in _LABEL.finditer(draft) if m[0] in self.kept)
        return tuple(Paste(label, self.kept[label]) for label in labels)


def message(draft: str, pastes: Pastes, root: Path) -> Message:
    """The message of a draft.

    Raises:
        UsageError: a file that it names with @ cannot be attached; the draft stays.
    """
    files = [attached(name, root) for name in names(draft)]
    found = tuple(dict.fromkeys(path for path in files if path is not None))
    return Message(draft.strip(), found, pastes.used(draft))


def names(draft: str) -> list[str]:
    """What stands behind each @."""
    return [m["quoted"] or m["plain"] for m in _AT.finditer(draft)]


def attached(name: str, root: Path) -> Path | None:
    """The file that @name means; None where it is a folder, or no path at all like @property.

    Raises:
        UsageError: it is missing, binary or an image.
    """
    place = root / Path(name).expanduser()
    if not place.exists() and name[-1] in _TRAILING:
        name = name.rstrip(_TRAILING)
        place = root / Path(name).expanduser()
    if _OF_SERVER.match(name) and not place.exists():
        return None  # the session knows the servers
    if place.suffix.lower() in IMAGES:
        raise UsageError(f"@{name} is an image, and {NO_EYES}")
    if place.is_dir():
        return None
    if not place.exists():
        if "/" in name or "." in name.strip("."):
            raise UsageError(f"@{name} does not exist: type @ and a part of the name")
        return None
    if not place.is_file():
        raise UsageError(f"@{name} is no regular file")
    try:
        with place.open("rb") as file:
            start = file.read(8192)
    except OSError as error:
        raise UsageError(f"@{name} cannot be read: {error.strerror}") from error
    if b"\0" in start:
        raise UsageError(f"@{name} is a binary file: attach text")
    return place


def split_command(draft: str) -> tuple[str, str] | None:
    """(name, argument) of a slash command; None for anything else, a path included."""
    match = re.fullmatch(r"/([A-Za-z][\w:-]*)(?:\s+(.*))?", draft.strip(), re.DOTALL)
    return (match[1], (match[2] or "").strip()) if match else None
