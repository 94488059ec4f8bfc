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


@pytest.fixture
async def engine(tiny_model: Path) -> AsyncIterator[LlamaEngine]:
    made = LlamaEngine(LlamaSettings(tiny_model, n_ctx=2048, threads=2, name="tiny"))
    await made.load(lambda _progress: None)
    yield made
    await made.close()
