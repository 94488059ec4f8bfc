"""The meaning of chunks as vectors: made by a model, kept by content, compared by numpy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.code_search.source import source_of
from mcp_servers.code_search.store import IndexStore, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 16  # texts for one call of the model
MOST_CHARS = 2_000  # of a chunk, about 500 tokens
NEAREST = 100


class EmbeddingFailed(Exception):
    """The model makes no vectors; the text says why."""


@dataclass(frozen=True)
class Embedder:
    """A model that turns texts into vectors.

    ``embed`` takes texts and gives a float array (texts, dimensions) of rows of any length above
    0; it raises EmbeddingFailed. ``name`` says which model it is: vectors of another one are not
    used. ``query`` is what is written before a question.
    """

    name: str
    embed: Callable[[Sequence[str]], NDArray[np.float32]]
    query: str = ""


def embed_missing(
    store: IndexStore,
    root: Path,
    embedder: Embedder,
    seconds: float = float("inf"),
    tell: Callable[[int, int], None] | None = None,
) -> int:
    """Make the vectors of contents that have none, what is used most first; how many are left.

    `tell` hears how many are done, and of how many.
    """
    end = time.monotonic() + seconds
    missing = store.without_vector(embedder.name)
    done = 0
    while done < len(missing) and time.monotonic() < end:
        batch = missing[done : done + AT_ONCE]
        rows = store.rows([number for _, number in batch])
        kept = [(key, rows[number]) for key, number in batch if number in rows]
        texts = [_text(root, row) for _, row in kept]
        if texts:
            vectors = _units(embedder.embed(texts)).astype("float16")
            store.save_vectors(
                embedder.name,
                [(key, v.tobytes()) for (key, _), v in zip(kept, vectors, strict=True)],
            )
        done += len(batch)
        if tell:
            tell(done, len(missing))
    return len(missing) - done


def nearest(store: IndexStore, embedder: Embedder, question: str) -> list[tuple[int, float]]:
    """The chunks whose vectors are most like that of a question, with the cosine, best first."""
    import numpy as np

    kept = store.vectors(embedder.name)
    if not kept:
        return []
    wanted = _units(embedder.embed([embedder.query + question[:MOST_CHARS]]))[0]
    size = wanted.shape[0] * 2
    kept = [(number, vector) for number, vector in kept if len(vector) == size]
    matrix = np.frombuffer(b"".join(vector for _, vector in kept), np.float16)
    likeness = matrix.reshape(len(kept), -1).astype(np.float32) @ wanted
    order = np.argsort(-likeness, kind="stable")[:NEAREST]
    return [(kept[i][0], float(likeness[i])) for i in order]


def _text(root: Path, row: Row) -> str:
    """What is embedded: where it is, what it is, its text."""
    head = f"{row.path} {row.qualified}\n{row.docstring[:300]}\n"
    return (head + source_of(root, row))[:MOST_CHARS]


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    array = np.asarray(vectors, np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.maximum(lengths, 1e-9)).astype(np.float32)
