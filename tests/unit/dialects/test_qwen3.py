"""Qwen3: Qwen2.5's calls, and thinking before the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.dialects.base import CallPart, TextPart, ThinkingPart
from agent.dialects.chatml import ChatmlJson, declaration, is_qwen3, is_qwen25, qwen3
from agent.dialects.choose import choose_dialect
from agent.engine import native
from agent.messages import (
    Assistant,
    Constrain,
    Message,
    System,
    ToolCall,
    ToolOutput,
    ToolSpec,
    User,
)
from tests.tiny_gguf import build
from tests.unit.dialects.conftest import Reader
from tests.unit.dialects.rendering import SYSTEMS, as_dict, conversations, rendered, text
from tests.unit.dialects.templates import template, vocabulary

QWEN3, QWQ = "Qwen-Qwen3-0.6B", "Qwen-QwQ-32B"
LIST = ToolCall("1", "list", {"path": "ä", "all": True, "depth": None})


def starts_well(messages: list[Message]) -> bool:
    """The templates take a system message at the beginning for the front."""
    return not isinstance(messages[0], System)


@given(messages=conversations(SYSTEMS).filter(starts_well))
@settings(max_examples=200)
@example(messages=[User("a"), Assistant("b", (), "old"), User("c"), Assistant("d", (LIST,), "new")])
@example(
    messages=[User("<tool_response>a</tool_response>"), Assistant("b", (LIST, LIST), "\nnew\n")]
)
@example(messages=[User("a"), Assistant("\n\nb", (), "")])
@example(
    messages=[Assistant("b", (), "hm"), ToolOutput("1", "list", ""), Assistant("", (LIST,), "hm")]
)
@pytest.mark.parametrize("system", ["", "Be kind. "])
@pytest.mark.parametrize("with_tools", [False, True])
def test_a_conversation_equals_the_template(
    specs: tuple[ToolSpec, ...], messages: list[Message], system: str, with_tools: bool
) -> None:
    """As one delta: of what is known at once, both keep the thinking behind the last question."""
    tools = specs if with_tools else ()
    dialect = choose_dialect(template(QWEN3), blocks=False)
    ours = text(dialect.front(System(system, tools)))
    ours += text(dialect.delta(messages, first=True, ended=True))
    first = [{"role": "system", "content": system}] if system else []
    whole = first + [as_dict(message) for message in messages]
    assert ours == rendered(template(QWEN3), whole, [declaration(t) for t in tools])


def test_qwq_drops_all_thinking_and_opens_the_next_one_itself() -> None:
    dialect = choose_dialect(template(QWQ), blocks=False)
    messages: list[Message] = [
        User("go"),
        Assistant("I look. ", (LIST,), "Hm."),
        ToolOutput("1", "list", "a.py"),
        Assistant("", (LIST, LIST), "Hm."),
        ToolOutput("1", "list", ""),
        Assistant("Done.", (), "Hm."),
        User("thanks"),
    ]
    ours = text(dialect.front(System("S")))
    ours += text(dialect.delta(messages, first=True, ended=True))
    whole = list(map(as_dict, [System("S"), *messages]))
    assert ours == rendered(template(QWQ), whole, [], enable_thinking=True)
    assert ours.count("<think>") == 1 and ours.endswith("assistant\n<think>\n")


@pytest.mark.parametrize("ended", [False, True])
def test_deltas_add_up_to_the_whole(specs: tuple[ToolSpec, ...], ended: bool) -> None:
    """What the model wrote stays as its own tokens, thinking included.

    The template shows the same while one question is worked at. With the next question it would
    drop the thinking before; the log is not rendered again, so it stays there.
    """
    dialect = choose_dialect(template(QWEN3), blocks=False)
    thought = "<think>\nI look.\n</think>\n\n"
    call = '<tool_call>\n{"name": "list", "arguments": {}}\n</tool_call>'
    turns: list[list[Message]] = [
        [User("go")],
        [ToolOutput("1", "list", "a.py"), ToolOutput("2", "list", "b.py")],
        [ToolOutput("3", "list", "")],
    ]
    said = [f"{thought}{call}\n{call}", f"{thought}So.\n{call}", f"{thought}Done. "]
    log = text(dialect.front(System("S", specs)))
    for i, (messages, words) in enumerate(zip(turns, said, strict=True)):
        log += text(dialect.delta(messages, first=i == 0, ended=ended))
        log += words + ("<|im_end|>" if ended else "")
    none = ToolCall("1", "list", {})
    whole: list[Message] = [
        System("S"),
        *turns[0],
        Assistant("", (none, none), "I look."),
        *turns[1],
        Assistant("So.", (none,), "I look."),
        *turns[2],
        Assistant("Done. ", (), "I look."),
    ]
    declared = [declaration(t) for t in specs]
    theirs = rendered(template(QWEN3), list(map(as_dict, whole)), declared)
    assert log + ("\n" if ended else "<|im_end|>\n") + "<|im_start|>assistant\n" == theirs
    later = log + text(dialect.delta([User("and?")], first=False, ended=ended))
    assert later.count(thought) == 3
    assert later.endswith("<|im_end|>\n<|im_start|>user\nand?<|im_end|>\n<|im_start|>assistant\n")


def test_what_an_earlier_delta_asked_keeps_the_thinking_of_a_later_one() -> None:
    dialect = qwen3("", blocks=False)
    messages = [Assistant("Yes.", (), "Hm."), ToolOutput("1", "list", "")]
    assert "<think>\nHm.\n</think>\n\nYes." in text(
        dialect.delta(messages, first=False, ended=True)
    )


@pytest.fixture(params=["without the tags", "with the tags"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[native.Model]:
    """A real vocabulary that lacks Qwen3's tags, and a tiny one that has them as tokens."""
    native.silence()
    path = vocabulary("qwen2") if "out" in request.param else build(tmp_path / "tiny.gguf")
    loaded = native.Model(path, progress=lambda _: True, vocab_only=True)
    yield loaded
    loaded.free()


def test_the_tokens_are_those_of_the_text_in_one_piece(
    model: native.Model, specs: tuple[ToolSpec, ...]
) -> None:
    messages: list[Message] = [
        User("Grüße\n\n"),
        Assistant("So. \n", (LIST, LIST), "  Hm.\n\n日本語 🎉"),
        ToolOutput("1", "list", "\n a\n"),
        ToolOutput("1", "list", ""),
        Assistant("", (LIST,), "Again"),
    ]
    dialect = qwen3("", blocks=False)
    segments = [
        *dialect.front(System("S", specs)),
        *dialect.delta(messages, first=True, ended=True),
    ]
    pieces = [t for s in segments for t in model.tokenize(s.text, control=s.control)]
    assert pieces == model.tokenize(text(segments), control=True)
    think = model.tokenize("<think>", control=True)
    assert pieces.count(think[0]) == 2 or len(think) > 1


def test_the_family_is_read_off_the_template() -> None:
    assert choose_dialect(template(QWEN3), blocks=True) == ChatmlJson(
        default_system="", thinks=True, keeps_thinking=True
    )
    assert choose_dialect(template(QWQ), blocks=True) == ChatmlJson(
        default_system="", thinks=True, opens_thinking=True
    )
    assert qwen3("", blocks=True) == qwen3(template(QWEN3), blocks=True)
    for name, found in ((QWEN3, (False, True)), ("Qwen-Qwen2.5-7B-Instruct", (True, False))):
        assert (is_qwen25(template(name)), is_qwen3(template(name))) == found
    for name in ("Qwen3-Coder", "Qwen3.5-4B", "GLM-4.7-Flash", "deepseek-ai-DeepSeek-V3.1"):
        assert not is_qwen25(template(name)) and not is_qwen3(template(name))


# --- reading ------------------------------------------------------------------------------------

SHELL = '<tool_call>\n{"name": "shell", "arguments": {"command": "pytest"}}\n</tool_call>'
RUN = ("shell", {"command": "pytest"})
ANSWER = "Here:\n\na.py\n```python\nx = '<think>'\n```\n\nDone."


@pytest.mark.parametrize("opened", [False, True])
def test_an_answer_behind_a_thinking(read: Reader, opened: bool) -> None:
    dialect = ChatmlJson(thinks=True, opens_thinking=opened)
    for answer in (ANSWER, f"I run it.\n{SHELL}\n{SHELL}", SHELL, "Yes.", ""):
        message = f"\nThe file a.py\n```\nis it\n```\n</think>\n\n{answer}"
        message = message if opened else f"<think>{message}"
        result = read(message, dialect=dialect)
        alone = read(answer)
        assert result.thinking == "The file a.py\n```\nis it\n```"
        assert (result.text, result.calls, result.files) == (alone.text, alone.calls, alone.files)
        assert not result.bad and not result.unplaced
        for at in range(len(message)):
            assert read([message[:at], message[at:]], dialect=dialect).parts == result.parts
        assert read(list(message), dialect=dialect).parts == result.parts


def test_without_thinking_it_is_the_answer_alone(read: Reader) -> None:
    result = read(f"Yes.\n{SHELL}", dialect=qwen3("", blocks=True))
    assert (result.thinking, result.text, result.calls) == ("", "Yes.\n", [RUN])


def test_thinking_parts_come_first(read: Reader) -> None:
    parts = read(f"<think>a</think>b\n{SHELL}", dialect=qwen3("", blocks=True)).parts
    assert [type(part) for part in parts] == [ThinkingPart, TextPart, CallPart, ToolCall]


@given(st.text(alphabet="<think>/ \n{}", max_size=40), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_no_input_raises(read: Reader, text: str, opened: bool, complete: bool) -> None:
    dialect = ChatmlJson(thinks=True, opens_thinking=opened)
    read(text, dialect=dialect, complete=complete)
    read(list(text), dialect=dialect, complete=complete)


def test_who_must_act_thinks_first(specs: tuple[ToolSpec, ...]) -> None:
    opens = ChatmlJson(thinks=True, opens_thinking=True).parser(specs, must_act=True)
    assert opens.begin() is None
    assert isinstance(opens.feed("</think>"), Constrain)
    first = qwen3("", blocks=True).parser(specs, must_act=True).begin()
    assert isinstance(first, Constrain) and first.lark.startswith("start: thinking |")
    assert "\nthinking: <think>\n" in first.lark
    assert qwen3("", blocks=True).parser((), must_act=True).begin() is None
