"""Which files to show with the task, so that a slow model spends no turns on reading.

A file is shown when the task or the check's output names it, or when the project is so small that
all of it fits. Ranking is a pure function; reading goes through the workspace, which remembers
what was shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.code.naming import is_test
from tools.ripgrep import SearchFailed, run_rg
from tools.text import NotText, decode
from tools.workspace import PathRefused, Workspace

MOST_FILES = 2000
MOST_LISTED = 40
MOST_LISTED_CHARS = 1_200
# A rough number of characters a token of code has; only used to choose, never to fit.
MOST_CHARS = 100_000  # of a file that is read to look into it
CHARS_PER_TOKEN = 3.2


@dataclass(frozen=True)
class Shown:
    """A file as it is shown: path relative to the workspace, and its whole text."""

    path: str
    text: str


async def list_files(root: Path) -> list[str]:
    """Paths of the project's files, ignored ones left out; at most :data:`MOST_FILES`."""
    try:
        found = await run_rg(["--files", "--glob=!.git", "--", "."], root, MOST_FILES)
    except SearchFailed:
        return []
    return sorted(line.removeprefix("./") for line in found.kept)


def rank(files: Sequence[str], task: str, failure: str) -> list[tuple[int, str]]:
    """Files with a score, best first: named in the task 4, in the failure 3, related by name 1."""
    words = set(re.findall(r"[\w./-]+\w", task))
    failed = set(re.findall(r"[\w./-]+\w", failure))
    stems = {Path(w).name.rsplit(".", 1)[0] for w in words | failed}
    scored = []
    for file in files:
        name = Path(file).name
        stem = name.rsplit(".", 1)[0]
        score = 0
        if file in words or name in words:
            score = 4
        elif file in failed or name in failed or any(w.endswith("/" + file) for w in failed):
            score = 3
        elif stem in stems or stem.removeprefix("test_") in stems or f"test_{stem}" in stems:
            score = 1
        scored.append((score, file))
    return sorted(scored, key=lambda item: (-item[0], item[1].count("/"), item[1]))


def own_tests(files: Sequence[str], task: str) -> tuple[str, ...]:
    """Beginnings of the paths of test files that the task does not name.

    A check is not passed by changing the check. Beginnings, since a model that is refused only at
    the end of test_a.py writes test_a.py.js; as short as they can be without touching other files.
    """
    words = set(re.findall(r"[\w./-]+\w", task))
    tests = [
        file
        for file in files
        if is_test(file) and file not in words and Path(file).name not in words
    ]
    others = set(files) - set(tests)
    return tuple(sorted({_beginning(file, others) for file in tests}))


def _beginning(path: str, others: Collection[str]) -> str:
    for length in range(min(4, len(path)), len(path)):
        if not any(other.startswith(path[:length]) for other in others):
            return path[:length]
    return path


def read_shown(workspace: Workspace, path: str, most_chars: int) -> Shown | None:
    """The file's text, remembered as read; None when it is too long, binary or unreadable."""
    try:
        place = workspace.resolve(path)
        # A pipe would be waited on for ever.
        if not place.is_file() or place.stat().st_size > most_chars * 4:
            return None
        data = place.read_bytes()
        text = decode(data).text
    except (OSError, PathRefused, NotText):
        return None
    if len(text) > most_chars:
        return None
    workspace.remember(place, data)
    return Shown(path, text)


def read_texts(workspace: Workspace, paths: Iterable[str]) -> dict[str, str]:
    """The texts of these files, as far as they are readable and not huge."""
    shown = [read_shown(workspace, path, MOST_CHARS) for path in paths]
    return {each.path: each.text for each in shown if each is not None}


def choose(
    workspace: Workspace, files: Sequence[str], task: str, failure: str, tokens: int
) -> list[Shown]:
    """The files to show within a budget of about `tokens`."""
    room = int(tokens * CHARS_PER_TOKEN)
    ranked = rank(files, task, failure)
    total = sum(_size(workspace.root / file) for _, file in ranked[:200])
    small = len(files) <= 12 and total <= room
    shown: list[Shown] = []
    for score, file in ranked[:200]:
        if score == 0 and not small:
            break
        found = read_shown(workspace, file, room)
        if found and found.text.strip():
            shown.append(found)
            room -= len(found.text)
    # The files that matter most come last, next to where the model begins to write.
    return shown[::-1]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
