"""What an outline is asked for: paths and words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# What is named outweighs any importance; paths more than words.
_NAMED_PATH = 1_000.0
_NAMED_WORD = 30.0
_SHORTEST = 3
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+")
# In a sentence they say nothing about which code is meant.
_COMMON = frozenset(
    {
        *("the", "and", "for", "with", "from", "that", "this", "not", "are", "was", "has", "have"),
        *(
            "does",
            "when",
            "what",
            "where",
            "which",
            "who",
            "why",
            "how",
            "add",
            "all",
            "any",
            "can",
        ),
        *("can", "fix", "get", "make", "new", "set", "should", "use", "into", "its", "but"),
    }
)


def words(text: str) -> frozenset[str]:
    """The words of names and prose in lower case: ``readFile_2`` has read, file and 2."""
    return frozenset(word.lower() for word in _WORD.findall(text))


class Focus:
    """Says how much more a file or a name is wanted, as a factor of at least 1."""

    def __init__(self, wanted: Sequence[str], paths: Collection[str]):
        """`wanted` are paths of files or folders among `paths`, all else is taken as words."""
        folders = {path[:i] for path in paths for i, c in enumerate(path) if c == "/"}
        places = [each.strip().removeprefix("./").rstrip("/") for each in wanted]
        known = folders | set(paths)
        self._places = tuple(place for place in places if place in known)
        prose = " ".join(
            each for each, place in zip(wanted, places, strict=True) if place not in known
        )
        self._words = {w for w in words(prose) - _COMMON if len(w) >= _SHORTEST}

    def __bool__(self) -> bool:
        return bool(self._places or self._words)

    def of_path(self, path: str) -> float:
        """For a file that is named, or in a folder that is."""
        named = any(path == place or path.startswith(f"{place}/") for place in self._places)
        factor = _NAMED_PATH if named else 1.0
        # Half of what a definition's own name counts.
        return (
            factor * (_NAMED_WORD / 2) ** len(self._words & words(path)) if self._words else factor
        )

    def of_name(self, name: str) -> float:
        """For a name that has words in it that were asked for."""
        return _NAMED_WORD ** len(self._words & words(name)) if self._words else 1.0
