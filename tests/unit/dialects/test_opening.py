"""Words first: which beginnings are left to the model, and that it is free behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from llguidance import LLMatcher
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.dialects.base import TextPart
from agent.dialects.chatml import ChatmlJson, qwen3
from agent.dialects.opening import TALK, WORDS, words_first
from agent.engine import native
from agent.messages import Constrain, Release, ToolCall, ToolSpec
from tests.tiny_gguf import build

Allowed = Callable[[str, str], bool]
CALL = '<tool_call>\n{"name": "shell", "arguments": {"command": "ls"}}\n</tool_call>'


@pytest.fixture(scope="module")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Allowed]:
    native.silence()
    path = build(tmp_path_factory.mktemp("model") / "tiny.gguf")
    model = native.Model(path, progress=lambda _: True, vocab_only=True)
    tokenizer = lltokenizer_from_vocab(model.vocab)

    def check(text: str, grammar: str) -> bool:
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(grammar))
        tokens = model.tokenize(text, control=True)
        return bool(matcher.validate_tokens(tokens) == len(tokens))

    yield check
    model.free()


@pytest.mark.parametrize("text", ["There are 4117.", "4117", "**No**", "é", "- one\n- two"])
def test_words_may_begin(allowed: Allowed, text: str) -> None:
    assert allowed(text, WORDS)


@pytest.mark.parametrize("grammar", [WORDS, TALK])
@pytest.mark.parametrize("text", [CALL, '{"name": "shell"', "[{", "```json\n{", "<tools>", "\n{"])
def test_no_form_of_a_call_may_begin(allowed: Allowed, text: str, grammar: str) -> None:
    assert not allowed(text, grammar)


@pytest.mark.parametrize("text", ["Hello!", "You're welcome. a.py\n```", '"Bonjour"', "**Oui**, é"])
def test_talk_may_begin(allowed: Allowed, text: str) -> None:
    assert allowed(text, TALK)


@pytest.mark.parametrize("text", ["a.py\n```\nx", "src/a\n", "./run", "my_file\n", "Makefile.am "])
def test_no_file_may_begin_a_talk(allowed: Allowed, text: str) -> None:
    assert allowed(text, WORDS) and not allowed(text, TALK)


def test_behind_the_first_words_all_is_free(specs: tuple[ToolSpec, ...]) -> None:
    parser = words_first(ChatmlJson().parser(specs), WORDS)
    assert parser.begin() == Constrain(WORDS)
    assert parser.feed("I") is None
    assert parser.feed(" look: ") == Release()
    assert parser.feed("now") is None
    assert isinstance(parser.feed("<tool_call>"), Constrain)
    parser.feed(CALL.removeprefix("<tool_call>"))
    parser.finish()
    parts = parser.take()
    assert any(isinstance(part, ToolCall) for part in parts)
    assert "".join(part.text for part in parts if isinstance(part, TextPart)) == "I look: now"


def test_a_grammar_of_the_first_words_is_kept(specs: tuple[ToolSpec, ...]) -> None:
    assert isinstance(
        words_first(ChatmlJson().parser(specs), TALK).feed("Hm <tool_call>"), Constrain
    )


def test_who_may_think_is_free(specs: tuple[ToolSpec, ...]) -> None:
    assert words_first(qwen3("", blocks=True).parser(specs), TALK).begin() is None
