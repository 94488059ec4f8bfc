from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.engine.llama import LlamaEngine, LlamaSettings
from tests.tiny_gguf import build


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, a real vocabulary layout: for mechanics, not for meaning."""
    return build(
        tmp_path_factory.mktemp("tiny") / "tiny.gguf", layers=2, embd=64, heads=2, ctx=4096
    )


@pytest.fixture(scope="session")
def tiny_hybrid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As tiny_model, with a recurrent state: it cannot forget a tail."""
    return build(tmp_path_factory.mktemp("tiny") / "hybrid.gguf", arch="qwen35", layers=4, ctx=4096)


@pytest.fixture(params=["full", "hybrid"])
def either_model(request: pytest.FixtureRequest, tiny_model: Path, tiny_hybrid: Path) -> Path:
    return tiny_model if request.param == "full" else tiny_hybrid


@pytest.fixture
async def either(either_model: Path) -> AsyncIterator[LlamaEngine]:
    """An engine with full attention, and one with a recurrent state."""
    made = LlamaEngine(LlamaSettings(either_model, n_ctx=2048, threads=1, name="tiny"))
    await made.load(lambda _progress: None)
    yield made
    await made.close()


@pytest.fixture
async def engine(tiny_model: Path) -> AsyncIterator[LlamaEngine]:
    made = LlamaEngine(LlamaSettings(tiny_model, n_ctx=2048, threads=1, name="tiny"))
    await made.load(lambda _progress: None)
    yield made
    await made.close()
