"""The grammars of calls between tags, on real merges: what is a call is accepted, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.dialects.base import Dialect
from agent.dialects.glm import glm45, glm47
from agent.dialects.qwen_xml import qwen3_coder, qwen35
from agent.dialects.xml_grammar import (
    GLM_LINES,
    GLM_PLAIN,
    QWEN,
    Tags,
    xml_call_grammar,
    xml_copied_grammar,
)
from agent.engine import native
from agent.messages import (
    Assistant,
    Message,
    System,
    ToolCall,
    ToolOutput,
    ToolSpec,
    User,
    Values,
)
from tests.unit.dialects.tagged_vocabulary import build_tagged

FORMS: dict[str, tuple[Dialect, Tags]] = {
    "qwen": (qwen3_coder("", False), QWEN),
    "glm-4.6": (glm45("", False), GLM_LINES),
    "glm-4.7": (glm47("", False), GLM_PLAIN),
}
Check = Callable[[str, str], bool]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[native.Model]:
    native.silence()
    path = build_tagged(tmp_path_factory.mktemp("model") / "tagged.gguf")
    loaded = native.Model(path, progress=lambda _: True, vocab_only=True)
    yield loaded
    loaded.free()


@pytest.fixture(scope="module")
def accepts(model: native.Model) -> Check:
    """Whether a text is complete under a grammar: all of it may be written, and no more need be."""
    tokenizer: LLTokenizer = lltokenizer_from_vocab(model.vocab)
    compiled: dict[str, LLMatcher] = {}

    def check(lark: str, text: str) -> bool:
        if lark not in compiled:
            compiled[lark] = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(lark))
        matcher = compiled[lark].deep_copy()
        assert not matcher.is_error(), matcher.get_error()
        tokens = model.tokenize(text, control=True)
        if matcher.validate_tokens(tokens) < len(tokens):
            return False
        matcher.consume_tokens(tokens)
        assert not matcher.is_error(), matcher.get_error()
        return bool(matcher.is_accepting() and matcher.is_stopped())

    return check


def written(form: str, name: str, arguments: dict[str, Any]) -> str:
    """The call as the family's template writes it, behind ``<tool_call>``."""
    call = Assistant("", (ToolCall("1", name, arguments),))
    segments = FORMS[form][0].delta([call], first=True, ended=True)
    text = "".join(segment.text for segment in segments)
    end = "</function>" if form == "qwen" else "</tool_call>"
    return text.partition("<tool_call>")[2].partition(end)[0] + end


ANY = ToolSpec(
    "any",
    "",
    {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer", "minimum": 1},
            "either": {"type": ["string", "null"]},
            "free": {},
            "names": {"type": "array", "items": {"type": "string"}},
            "point": {"$ref": "#/$defs/point"},
            "kind": {"enum": ["red", "grün"]},
            "flag": {"type": "boolean"},
        },
        "required": ["count", "text"],
        "$defs": {
            "point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
        },
    },
)
CODE = "if a < b and c</d:\n\tprint('</parameter')  # é 🎉 </arg_valu\n\n</p>\n"
RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("read", {"path": "a.py"}),
    ("read", {"first_line": 3, "path": "a.py"}),
    ("write", {"path": "a.py", "content": CODE}),
    ("write", {"content": "", "path": "a.py"}),
    ("edit", {"path": "ä b.py", "old": "\n", "new": CODE * 3}),
    ("list", {}),
    ("list", {"glob": "*.py", "path": "src"}),
    ("shell", {"command": "ls -l | wc <<< x", "timeout_s": 5}),
    ("any", {"text": "", "count": 1}),
    ("any", {"kind": "grün", "point": {"x": 1.5}, "names": ["ü", '"'], "text": "3", "count": 2}),
    ("any", {"count": 7, "text": "<tool>", "either": "null", "free": "{x", "names": []}),
]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("read", {}),
    ("read", {"path": "a.py", "why": "so"}),
    ("read", {"path": "a.py", "first_line": "x"}),
    ("read", {"path": "a.py", "first_line": 0}),
    ("write", {"path": "a.py"}),
    ("run", {"command": "ls"}),
    ("reader", {"path": "a.py"}),
    ("any", {"text": "x"}),
    ("any", {"count": 1, "text": "x", "kind": "blue"}),
    ("any", {"count": 1, "text": "x", "names": "a"}),
    ("any", {"count": 1, "text": "x", "point": {}}),
    ("any", {"count": 1, "text": "x", "names": [1]}),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "arguments"), RIGHT)
def test_right_calls_are_accepted(
    accepts: Check, specs: tuple[ToolSpec, ...], form: str, name: str, arguments: dict[str, Any]
) -> None:
    lark = xml_call_grammar((*specs, ANY), FORMS[form][1])
    call = written(form, name, arguments)
    assert accepts(lark, call)
    assert accepts(lark, call.lstrip("\n"))
    assert not accepts(lark, call + "\n")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_calls_are_refused(
    accepts: Check, specs: tuple[ToolSpec, ...], form: str, name: str, arguments: dict[str, Any]
) -> None:
    lark = xml_call_grammar((*specs, ANY), FORMS[form][1])
    assert not accepts(lark, written(form, name, arguments))


@pytest.mark.parametrize("form", FORMS)
def test_what_is_half_a_call_is_refused(
    accepts: Check, specs: tuple[ToolSpec, ...], form: str
) -> None:
    lark = xml_call_grammar(specs, FORMS[form][1])
    call = written(form, "shell", {"command": "ls\n", "timeout_s": 12})
    for at in range(len(call)):
        assert not accepts(lark, call[:at])
    for text in ("Sure!", '{"name": "list", "arguments": {}}', ""):
        assert not accepts(lark, text)


@pytest.mark.parametrize("form", FORMS)
def test_a_parameter_comes_once(accepts: Check, specs: tuple[ToolSpec, ...], form: str) -> None:
    one = written(form, "list", {"path": "a"})
    two = written(form, "list", {"path": "a", "glob": "a"})
    lark = xml_call_grammar(specs, FORMS[form][1])
    assert accepts(lark, one) and accepts(lark, two)
    assert not accepts(lark, two.replace("glob", "path"))


@pytest.mark.parametrize("form", FORMS)
def test_a_tool_may_have_more_parameters_than_a_rule_has_bits(accepts: Check, form: str) -> None:
    names = [f"p{i}" for i in range(70)]
    schema = {"properties": {n: {"type": "string"} for n in names}, "required": names[:66]}
    lark = xml_call_grammar([ToolSpec("f", "", schema)], FORMS[form][1])
    assert accepts(lark, written(form, "f", dict.fromkeys(names, "x")))
    assert not accepts(lark, written(form, "f", dict.fromkeys(names[1:], "x")))


CLOSERS = {"qwen": "</parameter>", "glm-4.6": "</arg_value>", "glm-4.7": "</arg_value>"}


@pytest.mark.parametrize("form", FORMS)
@given(text=st.lists(st.sampled_from([*"<>/= \n", "é", "x", "arg_", "</para", "meter>", "</"])))
@settings(max_examples=80)
def test_text_may_be_anything_but_its_closing_tag(
    accepts: Check, specs: tuple[ToolSpec, ...], form: str, text: list[str]
) -> None:
    code = "".join(text)
    lark = xml_call_grammar(specs, FORMS[form][1])
    call = written(form, "shell", {"command": code})
    assert accepts(lark, call) == (CLOSERS[form] not in code)


def test_a_closing_tag_that_is_spelled_out_is_refused(
    model: native.Model, specs: tuple[ToolSpec, ...]
) -> None:
    """In tokens that are not the tag's own; a reader sees only the text."""
    tokenizer = lltokenizer_from_vocab(model.vocab)
    lark = xml_call_grammar(specs, GLM_PLAIN)
    start = "shell<arg_key>command</arg_key><arg_value>x </arg_"
    for end, fits in (("values", True), ("value", True), ("value>", False)):
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(lark))
        tokens = [*model.tokenize(start, control=True), *model.tokenize(end, control=True)]
        assert (matcher.validate_tokens(tokens) == len(tokens)) == fits


# --- what the files say -------------------------------------------------------------------------

FILE = "def f(x):\n    return x < 1\n\ndef g(x):\n    return x < 2\n"
EDIT_VALUES = Values(paths=lambda: ["a.py", "b<c>.py"], copied="old", text=lambda _path: FILE)


@pytest.mark.parametrize("form", FORMS)
def test_a_path_is_one_that_exists(accepts: Check, form: str) -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tool = ToolSpec("read", "", schema, values=Values(paths=lambda: ["a.py", "src/b.py"]))
    lark = xml_call_grammar([tool], FORMS[form][1])
    assert accepts(lark, written(form, "read", {"path": "src/b.py"}))
    assert not accepts(lark, written(form, "read", {"path": "c.py"}))
    assert accepts(
        xml_call_grammar([replace(tool, values=None)], FORMS[form][1]),
        written(form, "read", {"path": "c.py"}),
    )


@pytest.mark.parametrize("form", FORMS)
def test_what_is_copied_is_a_piece_of_the_file(
    accepts: Check, specs: tuple[ToolSpec, ...], form: str
) -> None:
    edit = replace(next(s for s in specs if s.name == "edit"), values=EDIT_VALUES)
    tags = FORMS[form][1]
    lark = xml_copied_grammar(edit, tags, {"path"}, "a.py")
    closer = CLOSERS[form]
    for old, fits in [
        ("    return x < 1", True),
        ("    return x < 1\n", True),
        ("return x < 1\n\ndef g", True),
        ("def g(x):\n    return x < 2\n", True),
        ("return x", False),
        ("return x < 3", False),
        ("", False),
    ]:
        call = written(form, "edit", {"path": "a.py", "old": old, "new": CODE})
        behind = call.partition(closer)[2]
        assert accepts(lark, behind) == fits, old
        swapped = written(form, "edit", {"path": "a.py", "new": CODE, "old": old})
        assert accepts(lark, swapped.partition(closer)[2]) == fits, old
    assert not accepts(lark, written(form, "edit", {"path": "a.py", "old": "x < 1"}))
    assert xml_copied_grammar(edit, tags, {"path", "old"}, "a.py") == ""
    assert xml_copied_grammar(replace(edit, values=None), tags, {"path"}, "a.py") == ""
    empty = replace(edit, values=replace(EDIT_VALUES, text=lambda _path: ""))
    assert xml_copied_grammar(empty, tags, {"path"}, "a.py") == ""


# --- segments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [qwen3_coder, qwen35, glm45, glm47])
@pytest.mark.parametrize("system", ["", "You are a test.", "Sure:\n"])
def test_the_tokens_are_those_of_the_text_in_one_piece(
    model: native.Model,
    specs: tuple[ToolSpec, ...],
    make: Callable[[str, bool], Dialect],
    system: str,
) -> None:
    dialect = make("", False)
    messages: list[Message] = [
        User("\n\n Hello.\n"),
        Assistant("I look.\n", (ToolCall("1", "read", {"path": "\na.py\n", "n": 3}),), "hm\n"),
        ToolOutput("1", "read", "\n    x = 1\n\n"),
        ToolOutput("1", "read", "y"),
        Assistant("Done.\n\n"),
        Assistant("", (ToolCall("1", "list", {}), ToolCall("2", "list", {}))),
    ]
    for tools in ((), specs):
        segments = [
            *dialect.front(System(system, tools)),
            *dialect.delta(messages, first=True, ended=True),
            *dialect.delta([User("more")], first=False, ended=False),
        ]
        pieces = [t for s in segments for t in model.tokenize(s.text, control=s.control)]
        assert pieces == model.tokenize("".join(s.text for s in segments), control=True)
