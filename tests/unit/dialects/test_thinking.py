"""Thinking is told apart from the answer, in whatever pieces it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.dialects.base import CallPart, Part, TextPart, ThinkingPart
from agent.dialects.chatml_parser import ChatmlParser
from agent.dialects.thinking import ThinkingParser
from agent.engine import native
from agent.messages import Constrain, Directive, Stop, ToolCall, ToolSpec
from tests.tiny_gguf import build
from tests.unit.dialects.conftest import WorkOf, merged

SHELL = '<tool_call>\n{"name": "shell", "arguments": {"command": "pytest"}}\n</tool_call>'
# What is written, what of it is thinking and what is text; `opened` is for a generation prompt
# that ends in <think>.
CLOSED = {
    "<think>\nHm, a < b.\n</think>\n\nYes.": ("Hm, a < b.", "Yes."),
    "<think>one\n\ntwo\n\n\n</think>Yes.": ("one\n\ntwo", "Yes."),
    "<think>\n\n</think>\n\nYes.": ("", "Yes."),
    "<think></think>": ("", ""),
    "\n <think>\n  indented\n</think>\n  Yes.\n": ("  indented", "  Yes.\n"),
    "<think></thin out </ think> it</think>Yes.": ("</thin out </ think> it", "Yes."),
    "<think>a <think> in it</think>Yes.</think>": ("a <think> in it", "Yes.</think>"),
    "<think>日本語 🎉\u2028</think>é": ("日本語 🎉\u2028", "é"),
    "<think>cut off": ("cut off", ""),
    "<think>cut off\n\n</thi": ("cut off\n\n</thi", ""),
    "<think>\n": ("", ""),
    "Yes. <think>no</think>": ("", "Yes. <think>no</think>"),
    "\n\n <thin lines": ("", "\n\n <thin lines"),
    "<thi": ("", "<thi"),
    " " * 65 + "<think>": ("", " " * 65 + "<think>"),
    "": ("", ""),
}  # fmt: skip
OPENED = {
    "Hm.\n</think>\n\nYes.": ("Hm.", "Yes."),
    "\nHm.</think>Yes.": ("Hm.", "Yes."),
    "</think>Yes.": ("", "Yes."),
    "<think>\nHm.\n</think>\n\nYes.": ("Hm.", "Yes."),
    " <thin lines": (" <thin lines", ""),
    "cut off": ("cut off", ""),
    "<thi": ("<thi", ""),
    "": ("", ""),
}
CASES = [(text, False, want) for text, want in CLOSED.items()]
CASES += [(text, True, want) for text, want in OPENED.items()]


def read(
    specs: tuple[ToolSpec, ...], pieces: list[str], *, opened: bool, complete: bool = True
) -> list[Part]:
    then = ChatmlParser(specs, blocks=True, must_act=False)
    parser = ThinkingParser(then, thinking=opened)
    for piece in pieces:
        if isinstance(parser.feed(piece), Stop):
            break
    parser.finish(complete)
    return merged(parser.take())


def said(parts: list[Part]) -> tuple[str, str]:
    thinking = "".join(part.text for part in parts if isinstance(part, ThinkingPart))
    return thinking, "".join(part.text for part in parts if isinstance(part, TextPart))


@pytest.mark.parametrize(("text", "opened", "want"), CASES)
@pytest.mark.parametrize("complete", [True, False])
def test_thinking_and_text(
    specs: tuple[ToolSpec, ...], text: str, opened: bool, want: tuple[str, str], complete: bool
) -> None:
    parts = read(specs, [text], opened=opened, complete=complete)
    assert said(parts) == want
    assert all(isinstance(part, ThinkingPart | TextPart) for part in parts)


@pytest.mark.parametrize(("text", "opened", "_want"), CASES)
def test_pieces_do_not_matter(
    specs: tuple[ToolSpec, ...], text: str, opened: bool, _want: object
) -> None:
    text += f"\n{SHELL}"
    whole = read(specs, [text], opened=opened)
    assert read(specs, list(text), opened=opened) == whole
    for at in range(len(text)):
        assert read(specs, [text[:at], text[at:]], opened=opened) == whole


FRAGMENTS = [
    "<think>",
    "</think>",
    "\n",
    "\n\n",
    " ",
    "<",
    "</",
    "think>",
    "é",
    "Hm",
    "a.py\n",
    SHELL,
]
MESSAGES = st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join)


@given(
    text=MESSAGES,
    cuts=st.lists(st.integers(0, 200), max_size=3),
    opened=st.booleans(),
    complete=st.booleans(),
)
@settings(max_examples=150)
def test_pieces_of_anything_do_not_matter(
    specs: tuple[ToolSpec, ...], text: str, cuts: list[int], opened: bool, complete: bool
) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    whole = read(specs, [text], opened=opened, complete=complete)
    assert read(specs, pieces, opened=opened, complete=complete) == whole
    assert read(specs, list(text), opened=opened, complete=complete) == whole


def test_a_call_that_is_only_thought_of_is_none(specs: tuple[ToolSpec, ...]) -> None:
    text = f"<think>I could do\n{SHELL}\nor write\na.py\n```\nx\n```\n</think>\n\n{SHELL}"
    kinds = [type(part) for part in read(specs, [text], opened=False)]
    assert kinds == [ThinkingPart, CallPart, ToolCall]


def test_thinking_is_shown_at_once(specs: tuple[ToolSpec, ...]) -> None:
    parser = ThinkingParser(ChatmlParser(specs, blocks=True, must_act=False))
    shown = []
    for piece in (
        "<think>",
        "\n",
        "Hm",
        ", a",
        " </",
        "b\n",
        "c",
        "\n",
        "</think>",
        "\n\n",
        "So it ",
    ):
        parser.feed(piece)
        shown.append(parser.take())
    assert shown == [
        [], [], [ThinkingPart("Hm")], [ThinkingPart(", a")], [ThinkingPart(" ")],
        [ThinkingPart("</b")], [ThinkingPart("\nc")], [], [], [], [TextPart("So it ")],
    ]  # fmt: skip


# --- who must act -------------------------------------------------------------------------------


Accepts = Callable[[Directive, str], bool]


@pytest.fixture(scope="module")
def accepts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accepts]:
    """Whether a text is complete under the grammar that a parser asked for."""
    native.silence()
    path = build(tmp_path_factory.mktemp("model") / "tiny.gguf")
    model = native.Model(path, progress=lambda _: True, vocab_only=True)
    tokenizer: LLTokenizer = lltokenizer_from_vocab(model.vocab)

    def check(directive: Directive, text: str) -> bool:
        assert isinstance(directive, Constrain)
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(directive.lark))
        assert not matcher.is_error(), matcher.get_error()
        tokens = model.tokenize(directive.seen + text, control=True)
        return matcher.validate_tokens(tokens) == len(tokens) and (
            matcher.consume_tokens(tokens) and matcher.is_accepting()
        )

    yield check
    model.free()


def acting(specs: tuple[ToolSpec, ...], *, opened: bool) -> ThinkingParser:
    then = ChatmlParser(specs, blocks=True, must_act=True, not_paths=("test_",))
    return ThinkingParser(then, thinking=opened)


ACTS = ("a.py\n```python\n", "<tool_call>")
IDLE = ("I see. ", "test_a.py\n```\n", "```\n")


def test_who_must_act_may_think_first(specs: tuple[ToolSpec, ...], accepts: Accepts) -> None:
    first = acting(specs, opened=False).begin()
    assert accepts(first, "<think>")
    assert all(accepts(first, text) for text in ACTS)
    assert not any(accepts(first, text) for text in (*IDLE, "<think>I see", "\n\na.py\n```\n"))


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("behind", ["", "\n", "\n\n"])
def test_the_act_is_due_behind_the_thinking(
    specs: tuple[ToolSpec, ...], accepts: Accepts, opened: bool, behind: str
) -> None:
    parser = acting(specs, opened=opened)
    if opened:
        assert parser.begin() is None
    else:
        assert parser.feed("<think>") is None
    assert [parser.feed(piece) for piece in ("\n", "Hm, a.py\n", "</th", "ink ")] == [None] * 4
    act = parser.feed(f"</think>{behind}")
    assert isinstance(act, Constrain) and act.seen == behind
    assert all(accepts(act, text) for text in ACTS)
    assert not any(accepts(act, text) for text in (*IDLE, "<think>", "\n\n\n\na.py\n```\n"))
    assert parser.feed("a.py\n") is None


def test_who_need_not_act_is_free(specs: tuple[ToolSpec, ...]) -> None:
    parser = ThinkingParser(ChatmlParser(specs, blocks=True, must_act=False))
    assert parser.begin() is None
    assert [parser.feed(piece) for piece in ("<think>", "Hm", "</think>", "\n\n")] == [None] * 4


def test_the_answer_steers_as_it_does_without_thinking(specs: tuple[ToolSpec, ...]) -> None:
    plain = ChatmlParser(specs, blocks=True, must_act=False)
    parser = ThinkingParser(ChatmlParser(specs, blocks=True, must_act=False))
    parser.feed("<think>Hm</think>")
    pieces = [
        "So ",
        "<tool_call>",
        "\n{",
        '"name": "list", "arguments": {}}',
        "\n</tool_call>",
        "x",
    ]
    assert [parser.feed(piece) for piece in pieces] == [plain.feed(piece) for piece in pieces]


def test_a_message_that_begins_at_once_must_still_act(
    specs: tuple[ToolSpec, ...], accepts: Accepts
) -> None:
    """The grammar from the beginning holds: nothing replaces it."""
    parser = acting(specs, opened=False)
    assert accepts(parser.begin(), "a.py\n```\n")
    assert [parser.feed(piece) for piece in ("a.py", "\n```", "\n")] == [None] * 3


@pytest.mark.parametrize("more", ["Hm. ", "\n", "</thin", "<think>", " "])
@pytest.mark.parametrize("start", ["<think>", "", "<think></think>"])
def test_reading_is_linear(
    specs: tuple[ToolSpec, ...], start: str, more: str, work_of: WorkOf
) -> None:
    """Counted in characters that are held, never in seconds."""

    def read_all(size: int) -> None:
        parser = ThinkingParser(ChatmlParser(specs, blocks=True, must_act=False))
        for piece in [start, *(more * (size // len(more)))]:
            parser.feed(piece)
            parser.take()
        parser.finish()

    small, large = work_of(lambda: read_all(4_000)), work_of(lambda: read_all(16_000))
    assert large <= 6 * small + 20_000
