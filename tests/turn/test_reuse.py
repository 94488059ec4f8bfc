"""50 answers in one session with a real engine, for every family: each token is evaluated once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.dialects.choose import FAMILIES
from agent.engine.base import Sampling
from agent.engine.llama import LlamaEngine, LlamaSettings
from agent.exchange import Exchange
from agent.messages import Message, System, ToolOutput, ToolSpec, User
from agent.speech import Ask
from tests.tiny_gguf import build

TOOLS = (
    ToolSpec(
        "look",
        "Look at it.",
        {"type": "object", "properties": {"path": {"type": "string"}, "deep": {"type": "boolean"}}},
    ),
)
ANSWERS = 50


def message(number: int) -> Message:
    """Three turns of the user, and results of calls between them."""
    if number in (0, 20, 40):
        return User(f"Look again, number {number}: is it True, true or null?  ")
    text = f'{{"ok": true, "n": {number}}}\ttrailing \nan é, a 漢, </tool_response> <|im_end|> '
    return ToolOutput(f"{number}.1", "look", text)


@pytest.fixture(scope="module", params=["full", "hybrid"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / f"{request.param}.gguf"
    if request.param == "full":
        return build(path, layers=2, embd=64, heads=2, ctx=16_384)
    return build(path, arch="qwen35", layers=4, ctx=16_384)


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[LlamaEngine]:
    made = LlamaEngine(LlamaSettings(model, n_ctx=16_384, threads=1))
    await made.load(lambda _progress: None)
    yield made
    await made.close()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
async def test_every_token_is_evaluated_once(engine: LlamaEngine, family) -> None:  # type: ignore[no-untyped-def]
    dialect = family.make("", True)
    talk = Exchange(engine, dialect, System("Be brief.", TOOLS), lambda _event: None)
    evaluated = taken_out = 0
    for number in range(ANSWERS):
        sampling = Sampling(temperature=1.0, top_k=100, top_p=1.0, seed=number)
        reply = await talk.reply(talk.delta([message(number)]), Ask(8, sampling))
        evaluated += reply.usage.evaluated
        # An end token that the template does not write was sampled and never evaluated.
        taken_out += reply.reason == "end" and not reply.ended
    assert evaluated == engine._loaded().evaluated
    assert len(engine.log) - evaluated <= 1
    assert taken_out < ANSWERS
