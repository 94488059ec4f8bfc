"""AGENTS.md: what a project wants every agent to know, from the repository's root downwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.context.entry import within
from tools.text import NotText, decode

NAME = "AGENTS.md"
MOST_BYTES = 1 << 20
SHARE = 1 / 10  # of the window


def instructions(folder: Path, most: int, count: Callable[[str], int]) -> str:
    """The files' texts, the folder's own one last, in at most about `most` tokens; '' for none.

    `count` gives the tokens of a text. A file that cannot be read or is no text is left out, and so
    is a link that leads out of the repository.
    """
    places = _folders(folder)
    found = [(place, text) for place in places if (text := _read(place / NAME, places[0]))]
    if not found:
        return ""
    share = most // len(found)
    parts = [
        f"{_name(place, folder)}:\n{within(text, share, count, f'read {NAME}')}"
        for place, text in found
    ]
    return "\n\n".join(parts)


def _folders(folder: Path) -> list[Path]:
    """From the repository's root, or where there is none from the folder itself, to the folder."""
    folder = folder.resolve()
    chain = [folder, *folder.parents]
    top = next((i for i, place in enumerate(chain) if (place / ".git").exists()), 0)
    return chain[: top + 1][::-1]


def _name(place: Path, folder: Path) -> str:
    return NAME if place == folder.resolve() else f"{NAME} of the folder {place.name}"


def _read(path: Path, top: Path) -> str:
    """The text; '' for a link that leads out of the repository, to a key of the user's perhaps."""
    try:
        if not path.is_file() or not path.resolve().is_relative_to(top):
            return ""
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
        return decode(data).text.strip()
    except NotText:
        return data.decode("utf-8", "replace").strip() if b"\0" not in data else ""
    except OSError:
        return ""
