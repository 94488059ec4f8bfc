"""How important files and names are: PageRank over who uses whose names.

A file that uses a name gives weight to the files that define it, in proportion to its own. A name
that several files define is shared between them, and one that is defined nearly everywhere (`run`,
`main`) says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.code.languages import language_of
from tools.code.naming import is_test

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAMPING = 0.85
ROUNDS = 30
MOST_DEFINERS = 20
_PRIVATE = 0.1  # a name that starts with an underscore is rarely meant for others
_TESTS = 0.3  # of the weight that another file begins with
_PLAIN = 0.2  # `name` and `text` are mostly somebody's variables
_UNLINKED = 0.1  # the user does not mention the file's name, so it hardly imports it
_ENTRIES = frozenset({"__init__", "__main__", "index", "mod", "lib", "main"})
# There a folder is a module.
_BY_FOLDER = frozenset({"go", "java", "kotlin", "csharp", "php"})


@dataclass(frozen=True)
class Names:
    """What one file defines and uses; the names in any order."""

    path: str
    defined: Iterable[str]
    used: Iterable[str]


@dataclass(frozen=True)
class Ranks:
    """``files``: path -> share of all weight (sums up to 1). ``names``: (path, name) -> the weight
    that comes in through this name; 0 for names that nobody else uses."""

    files: dict[str, float]
    names: dict[tuple[str, str], float]

    def weight(self, path: str, name: str) -> float:
        """Of a definition, above 0: without references it has a part of its file's."""
        return self.names.get((path, name), 0.0) + 0.01 * self.files.get(path, 0.0)


def rank(files: Sequence[Names]) -> Ranks:
    """Ranks of files, and of the names that they define. Deterministic for equal files."""
    import numpy as np

    if not files:
        return Ranks({}, {})
    files = sorted(files, key=lambda each: each.path)
    edges = _edges(files)
    count = len(files)
    source, target = (np.array(column, np.int64) for column in edges[:2])
    weight = np.array(edges[2], np.float64)
    # A file whose names say little keeps most of its weight for all.
    out = np.maximum(np.bincount(source, weight, count), 1.0)
    share = weight / out[source]
    start = np.array([_TESTS if is_test(each.path) else 1.0 for each in files])
    ranks = _converge(source, target, share, start / start.sum())
    flow = ranks[source] * share
    names: dict[tuple[str, str], float] = {}
    for index, name, amount in zip(edges[1], edges[3], flow.tolist(), strict=True):
        key = (files[index].path, name)
        names[key] = names.get(key, 0.0) + amount
    return Ranks({each.path: float(r) for each, r in zip(files, ranks, strict=True)}, names)


def _edges(files: Sequence[Names]) -> tuple[list[int], list[int], list[float], list[str]]:
    """Columns: who uses, who defines, how much it says, the name."""
    definers: dict[str, list[int]] = {}
    for index, each in enumerate(files):
        for name in set(each.defined):
            definers.setdefault(name, []).append(index)
    weights = {
        name: _telling(name) / len(where)
        for name, where in definers.items()
        if len(where) <= MOST_DEFINERS
    }
    known = weights.keys()
    places = [_Place.of(each.path) for each in files]
    users, targets, amounts, names = [], [], [], []
    for index, each in enumerate(files):
        used, here = set(each.used), places[index]
        for name in sorted(known & used):
            for target in definers[name]:
                there = places[target]
                if target == index or (there.test and not here.test):
                    continue
                linked = not used.isdisjoint(there.stems) or here.folder == there.package
                users.append(index)
                targets.append(target)
                amounts.append(weights[name] * (1.0 if linked else _UNLINKED))
                names.append(name)
    return users, targets, amounts, names


def _telling(name: str) -> float:
    """How likely a name means a definition elsewhere, by its shape."""
    if name.startswith("_"):
        return _PRIVATE
    plain = name.islower() and "_" not in name and len(name) < 8
    return _PLAIN if plain else 1.0


@dataclass(frozen=True)
class _Place:
    """Where a file is: who uses it has one of `stems` in it, or is in the same `package`."""

    folder: str
    package: str
    stems: frozenset[str]
    test: bool

    @staticmethod
    def of(path: str) -> _Place:
        folder, _, name = path.rpartition("/")
        stem = name.partition(".")[0]
        stems = {folder.rpartition("/")[2] if stem in _ENTRIES else stem}
        shared = language_of(path) in _BY_FOLDER
        if shared:
            stems.add(folder.rpartition("/")[2])
        return _Place(folder, folder if shared else "/", frozenset(stems), is_test(path))


def _converge(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    share: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    import numpy as np

    ranks = start
    for _ in range(ROUNDS):
        came = np.bincount(target, ranks[source] * share, len(start))
        # What is not given to anybody goes back to all.
        ranks = DAMPING * came + (1.0 - DAMPING * float(came.sum())) * start
    return ranks
