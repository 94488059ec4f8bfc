"""Meaning as vectors: with a stand-in of a model that knows which words mean the same, and with a
real llama.cpp context over random weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gguf import PoolingType
from numpy.typing import NDArray

from mcp_servers.code_search.embedding import load_embedder
from mcp_servers.code_search.index import Index
from mcp_servers.code_search.service import CodeSearch, SearchError
from mcp_servers.code_search.vectors import Embedder
from tests.tiny_gguf import build
from tests.unit.mcp_servers.code_search.conftest import Write

MEANINGS = [{"car", "automobile", "vehicle"}, {"dog", "hound", "puppy"}, {"money", "coins"}]


class StandIn:
    """One dimension for each meaning; counts its texts."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        rows = []
        for text in texts:
            words = re.findall(r"[a-z]+", text.lower())
            rows.append([0.01, *(sum(w in meaning for w in words) for meaning in MEANINGS)])
        return np.array(rows, np.float32) * 7  # not of length 1


@pytest.fixture
def model() -> StandIn:
    return StandIn()


@pytest.fixture
def meaning(root: Path, cache: Path, model: StandIn, write: Write) -> CodeSearch:
    write({
        "a.py": "def wash_car():\n    return 'the automobile'\n",
        "b.py": "def walk():\n    return 'the hound and the puppy'\n",
        "c.py": "def pay():\n    return 'some coins'\n",
    })  # fmt: skip
    return CodeSearch(root, cache, lambda: Embedder("stand-in 1", model.embed))


def test_what_means_the_same_is_found_without_a_common_word(
    meaning: CodeSearch, root: Path, cache: Path
) -> None:
    assert [hit.row.name for hit in meaning.search("dog", 1).hits] == ["walk"]
    assert [hit.row.name for hit in meaning.search("vehicle", 1).hits] == ["wash_car"]
    assert CodeSearch(root, cache).search("dog", 1).hits == ()


def test_long_texts_are_not_nearer_than_fitting_ones(meaning: CodeSearch, write: Write) -> None:
    write({"b.py": "def long():\n    return 'hound puppy " + "vehicle " * 9 + "'\n",
           "d.py": "def fits():\n    return 'hound'\n"})  # fmt: skip
    assert meaning.search("dog", 1).hits[0].row.name == "fits"


def test_vectors_are_kept_by_content(
    meaning: CodeSearch, model: StandIn, root: Path, cache: Path, write: Write
) -> None:
    meaning.index()
    assert len(model.texts) == 3
    with Index(root, cache) as index:
        kept = index.store.vectors("stand-in 1")
        assert {len(vector) for _, vector in kept} == {4 * 2}  # float16
    write({"b.py": "\n\ndef walk():\n    return 'the hound and the puppy'\n"})
    meaning.index()
    assert len(model.texts) == 3, "the content only moved"
    write({"b.py": "def walk():\n    return 'coins'\n"})
    assert meaning.search("money", 2).hits[0].row.name in ("pay", "walk")
    assert len(model.texts) == 5, "one content and one question"


def test_vectors_of_another_model_are_not_used(
    meaning: CodeSearch, root: Path, cache: Path
) -> None:
    meaning.index()
    other = StandIn()
    search = CodeSearch(root, cache, lambda: Embedder("stand-in 2", other.embed))
    search.search("dog", 1)
    assert len(other.texts) == 4


def test_a_real_context_makes_vectors(
    root: Path, cache: Path, tmp_path: Path, write: Write
) -> None:
    write({"a.py": "def walrus():\n    return 1\n", "b.py": "def seal():\n    return 2\n"})
    embedder = load_embedder(build(tmp_path / "tiny.gguf"))
    search = CodeSearch(root, cache, lambda: embedder)
    assert {hit.row.name for hit in search.search("walrus", 5).hits} == {"walrus", "seal"}
    one, two, long = embedder.embed(["a", "b", "long text " * 2_000])
    assert one.shape == two.shape == long.shape == (32,)
    assert np.isfinite(long).all() and not np.allclose(one, two)


def test_vectors_are_pooled_as_the_model_says(tmp_path: Path) -> None:
    texts = ["the words of a text", "others"]
    plain, last, mean = (
        load_embedder(build(tmp_path / f"{pooling}.gguf", pooling=pooling)).embed(texts)
        for pooling in (-1, PoolingType.LAST, PoolingType.MEAN)
    )
    assert np.allclose(plain, last, atol=1e-3), "without a word of it: the last token"
    assert not np.allclose(mean, last, atol=1e-1)


def test_a_text_has_the_same_vector_alone_and_among_others(tmp_path: Path) -> None:
    embedder = load_embedder(build(tmp_path / "tiny.gguf", pooling=PoolingType.LAST))
    texts = [f"text number {n} " * n for n in range(1, 20)]
    together = embedder.embed(texts)
    alone = np.vstack([embedder.embed([text]) for text in reversed(texts)])[::-1]
    assert np.allclose(together, alone, atol=1e-4)


def test_kept_vectors_of_a_real_context_have_length_one(
    root: Path, cache: Path, tmp_path: Path, write: Write
) -> None:
    write({"a.py": "def walrus():\n    return 1\n", "b.py": "def seal():\n    return 2\n"})
    embedder = load_embedder(build(tmp_path / "tiny.gguf", pooling=PoolingType.LAST))
    CodeSearch(root, cache, lambda: embedder).index()
    with Index(root, cache) as index:
        kept = [np.frombuffer(v, np.float16) for _, v in index.store.vectors(embedder.name)]
    assert [vector.shape for vector in kept] == [(32,), (32,)]
    assert np.allclose([np.linalg.norm(vector.astype(float)) for vector in kept], 1, atol=1e-2)


def test_only_a_model_that_pools_the_last_token_is_asked_by_an_instruction(tmp_path: Path) -> None:
    last = load_embedder(build(tmp_path / "last.gguf", pooling=PoolingType.LAST))
    mean = load_embedder(build(tmp_path / "mean.gguf", pooling=PoolingType.MEAN))
    assert "Query:" in last.query
    assert mean.query == ""


def test_a_reranking_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reranking"):
        load_embedder(build(tmp_path / "rank.gguf", pooling=PoolingType.RANK))


def test_a_model_that_cannot_be_loaded_is_an_error(root: Path, cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF nothing")
    search = CodeSearch(root, cache, lambda: load_embedder(broken))
    with pytest.raises(SearchError, match=r"broken\.gguf cannot be used"):
        search.search("x", 1)
