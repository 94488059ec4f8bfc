"""The grammars accept what a model should write, on a real vocabulary, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.dialects.chatml import ChatmlJson
from agent.dialects.fenced import act_grammar
from agent.dialects.grammar import arguments_grammar, call_grammar
from agent.engine import native
from agent.messages import ToolCall, ToolSpec
from tests.tiny_gguf import build


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[native.Model]:
    native.silence()
    path = build(tmp_path_factory.mktemp("model") / "tiny.gguf")
    loaded = native.Model(path, progress=lambda _: True, vocab_only=True)
    yield loaded
    loaded.free()


Check = Callable[[str, str], bool]


@pytest.fixture(scope="module")
def accepts(model: native.Model) -> Check:
    """Whether a text is complete under a grammar: all of it may be written, and no more need be."""
    tokenizer: LLTokenizer = lltokenizer_from_vocab(model.vocab)

    def check(lark: str, text: str) -> bool:
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(lark))
        assert not matcher.is_error(), matcher.get_error()
        tokens = model.tokenize(text, control=True)
        return matcher.validate_tokens(tokens) == len(tokens) and (
            matcher.consume_tokens(tokens) and matcher.is_accepting()
        )

    return check


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("read", {"path": "a.py"}),
    ("read", {"path": 'ä/"b"\\.py', "first_line": 3}),
    ("write", {"path": "a.py", "content": "x = '{}'\n\ty\n"}),
    ("edit", {"path": "a.py", "old": "a", "new": ""}),
    ("list", {}),
    ("list", {"path": "src"}),
    ("grep", {"pattern": "def \\w+"}),
    ("shell", {"command": "ls -l | wc", "timeout_s": 5}),
]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("read", {}),
    ("read", {"path": 3}),
    ("read", {"path": "a.py", "why": "so"}),
    ("read", {"path": "a.py", "first_line": "3"}),
    ("write", {"path": "a.py"}),
    ("write", {"path": "a.py", "content": "", "keep_rest": True}),
    ("shell", {"command": None}),
    ("shell", {"command": ["ls"]}),
]


def dumped(value: object) -> list[str]:
    return [json.dumps(value, ensure_ascii=False, indent=indent) for indent in (None, 2)]


@pytest.mark.parametrize(("name", "arguments"), RIGHT)
def test_right_calls_are_accepted(
    accepts: Check, specs: tuple[ToolSpec, ...], name: str, arguments: dict[str, Any]
) -> None:
    for text in dumped({"name": name, "arguments": arguments}):
        assert accepts(call_grammar(specs), f"\n{text}")
        assert accepts(call_grammar(specs), text)
    tool = next(tool for tool in specs if tool.name == name)
    for text in dumped(arguments):
        assert accepts(arguments_grammar(tool), text + "}")
        assert accepts(arguments_grammar(tool), f" {text}\n}}")
        assert not accepts(arguments_grammar(tool), text)


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_arguments_are_refused(
    accepts: Check, specs: tuple[ToolSpec, ...], name: str, arguments: dict[str, Any]
) -> None:
    text = json.dumps({"name": name, "arguments": arguments})
    assert not accepts(call_grammar(specs), text)
    tool = next(tool for tool in specs if tool.name == name)
    assert not accepts(arguments_grammar(tool), json.dumps(arguments) + "}")


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "run", "arguments": {"command": "ls"}}',
        '{"name": "list"}',
        '{"arguments": {}}',
        '{"name": "list", "arguments": {}, "id": 1}',
        '{"name": "list", "arguments": "{}"}',
        '{"name": "list", "arguments": {}',
        "",
        "Sure!",
    ],
)
def test_what_is_no_call_is_refused(accepts: Check, specs: tuple[ToolSpec, ...], text: str) -> None:
    assert not accepts(call_grammar(specs), text)


ACTS = [
    "stats.py\n```python\n",
    "src/app/my-mod_2.test.tsx\n```tsx\n",
    ".github/workflows/ci.yml\n```yaml\n",
    "Makefile\n```makefile\n",
    "docker/Dockerfile\n```dockerfile\n",
    ".gitignore\n```\n",
    "new.cpp\n```c++\n",
    "prüfung.py\n```python3\n",
    "README.md\n````markdown\n",
    "x.f90\n```f90\n",
]
IDLE = [
    "The `median` sorts its argument.\nSo a < b:\n\nstats.py\n```\n",
    "The sum is wrong.\n\nstats.py\n```python\n",
    "Here is the file:\n```python\n",
    "```python\n",
    "stats.py\n\n```python\n",
    "the file stats.py\n```python\n",
    "word\n```python\n",
    "../a.py\n```python\n",
    "stats.py\n",
    "stats.py\n```python\nx = 1\n",
    "Done.",
    "Line\n" * 5 + "stats.py\n```\n",
    "./a.py\n```python\n",
    "<tool_response>\nstats.py\n```\n",
]


@pytest.mark.parametrize("text", ACTS)
def test_who_must_act_may_open_a_file(
    accepts: Check, specs: tuple[ToolSpec, ...], text: str
) -> None:
    assert accepts(act_grammar(), text)
    parser = ChatmlJson().parser(specs, must_act=True)
    parser.feed(f"{text}x\n{'````' if '````' in text else '```'}\n")
    (call,) = [part for part in parser.take() if isinstance(part, ToolCall)]
    assert call.name == "write" and f"{call.arguments['path']}\n```" in text
    assert not accepts(act_grammar(blocks=False), text)


@pytest.mark.parametrize("text", IDLE)
def test_who_must_act_may_do_nothing_else(accepts: Check, text: str) -> None:
    assert not accepts(act_grammar(), text)


@pytest.mark.parametrize("blocks", [True, False])
def test_who_must_act_may_call(accepts: Check, blocks: bool) -> None:
    lark = act_grammar(blocks=blocks)
    assert accepts(lark, "<tool_call>")
    assert not accepts(lark, "I read it first.\n\nThen:\n<tool_call>")


def test_some_paths_may_be_forbidden(accepts: Check) -> None:
    lark = act_grammar(("test_a.py", "src/x.py", "c++/t.cc"))
    for path in ("a.py", "atest_a.py", "lib/test_a.py", "Makefile", "src/y.py"):
        assert accepts(lark, f"{path}\n```\n")
    for path in ("test_a.py", "test_a.py.js", "src/x.py", "./test_a.py", "c++/t.cc"):
        assert not accepts(lark, f"{path}\n```\n")
    assert accepts(lark, "<tool_call>")


@pytest.mark.parametrize("behind", ["\n", "\n\n", ",\n", "]", "],\n"])
def test_the_token_that_ends_a_call_may_be_the_usual_one(
    accepts: Check, specs: tuple[ToolSpec, ...], behind: str
) -> None:
    """With another token in its place a model ends its message, though more calls were to come."""
    shell = next(tool for tool in specs if tool.name == "shell")
    arguments = '{"command": "ls"}}'
    assert accepts(arguments_grammar(shell), arguments + behind)
    assert accepts(call_grammar(specs), f'{{"name": "shell", "arguments": {arguments}{behind}')
    assert not accepts(call_grammar(specs), f'{{"name": "shell", "arguments": {arguments}.')


@pytest.mark.model
def test_the_grammars_hold_on_the_real_vocabulary(
    small_model: Path, specs: tuple[ToolSpec, ...]
) -> None:
    native.silence()
    real = native.Model(small_model, progress=lambda _: True, vocab_only=True)
    try:
        tokenizer = lltokenizer_from_vocab(real.vocab)
        for lark, right, wrong in [
            (act_grammar(), "stats.py\n```python\n", "So:\n```python\n"),
            (call_grammar(specs), '{"name": "list", "arguments": {}}', '{"name": "lust"'),
        ]:
            for text, fits in ((right, True), (wrong, False)):
                matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(lark))
                tokens = real.tokenize(text, control=True)
                assert (matcher.validate_tokens(tokens) == len(tokens)) == fits
    finally:
        real.free()
