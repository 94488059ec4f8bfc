"""Words first: which beginnings are left to the model, and that it is free behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from llguidance import LLMatcher
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.dialects.base import TextPart
from agent.dialects.chatml import ChatmlJson, qwen3
from agent.dialects.opening import WORDS, words_first
from agent.engine import native
from agent.messages import Constrain, Release, ToolCall, ToolSpec
from tests.tiny_gguf import build

CALL = '<tool_call>\n{"name": "shell", "arguments": {"command": "ls"}}\n</tool_call>'


@pytest.fixture(scope="module")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], bool]]:
    native.silence()
    path = build(tmp_path_factory.mktemp("model") / "tiny.gguf")
    model = native.Model(path, progress=lambda _: True, vocab_only=True)
    tokenizer = lltokenizer_from_vocab(model.vocab)

    def check(text: str) -> bool:
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(WORDS))
        tokens = model.tokenize(text, control=True)
        return bool(matcher.validate_tokens(tokens) == len(tokens))

    yield check
    model.free()


@pytest.mark.parametrize("text", ["There are 4117.", "4117", "**No**", "é", "- one\n- two"])
def test_words_may_begin(allowed: Callable[[str], bool], text: str) -> None:
    assert allowed(text)


@pytest.mark.parametrize("text", [CALL, '{"name": "shell"', "[{", "```json\n{", "<tools>", "\n{"])
def test_no_form_of_a_call_may_begin(allowed: Callable[[str], bool], text: str) -> None:
    assert not allowed(text)


def test_behind_the_first_words_all_is_free(specs: tuple[ToolSpec, ...]) -> None:
    parser = words_first(ChatmlJson().parser(specs))
    assert parser.begin() == Constrain(WORDS)
    assert parser.feed("I look: ") == Release()
    assert isinstance(parser.feed("<tool_call>"), Constrain)
    parser.feed(CALL.removeprefix("<tool_call>"))
    parser.finish()
    parts = parser.take()
    assert any(isinstance(part, ToolCall) for part in parts)
    assert "".join(part.text for part in parts if isinstance(part, TextPart)) == "I look: "


def test_a_grammar_of_the_first_words_is_kept(specs: tuple[ToolSpec, ...]) -> None:
    assert isinstance(words_first(ChatmlJson().parser(specs)).feed("Hm <tool_call>"), Constrain)


def test_who_may_think_is_free(specs: tuple[ToolSpec, ...]) -> None:
    assert words_first(qwen3("", blocks=True).parser(specs)).begin() is None
