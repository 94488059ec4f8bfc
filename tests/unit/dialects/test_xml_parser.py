"""Reading calls between tags, in whatever pieces they arrive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialects.base import CallPart, Dialect, TextPart
from agent.dialects.glm import glm45, glm47
from agent.dialects.grammar import call_grammar
from agent.dialects.qwen_xml import QwenXml, qwen3_coder, qwen35
from agent.dialects.xml_grammar import (
    GLM_LINES,
    GLM_PLAIN,
    QWEN,
    xml_call_grammar,
    xml_copied_grammar,
)
from agent.messages import (
    Assistant,
    BadCall,
    Constrain,
    Directive,
    Release,
    Stop,
    ToolCall,
    ToolSpec,
    Values,
)
from tests.unit.dialects.conftest import Read, WorkOf, merged

# Behind the thinking, where the generation prompt opens that.
FAMILIES: dict[str, tuple[Dialect, str]] = {
    "qwen3-coder": (qwen3_coder("", True), ""),
    "qwen3.5": (qwen35("", True), "so\n</think>\n\n"),
    "glm-4.6": (glm45("", True), "\n<think>so</think>\n"),
    "glm-4.7": (glm47("", True), "so</think>"),
}
TAGS = {"qwen3-coder": QWEN, "qwen3.5": QWEN, "glm-4.6": GLM_LINES, "glm-4.7": GLM_PLAIN}
ANY = ToolSpec(
    "any",
    "",
    {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "amount": {"type": "number"},
            "either": {"type": ["string", "null", "number"]},
            "free": {},
            "names": {"type": "array", "items": {"type": "string"}},
            "point": {"$ref": "#/$defs/point"},
            "kind": {"enum": ["red", "1"]},
            "flag": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        },
        "$defs": {"point": {"type": "object"}},
    },
)
SHELL = '{"name": "shell", "arguments": {"command": "pytest"}}'
CODE = "if a < b and c</d:\n\tprint('</parameter')  # é 🎉 </arg_valu\n\n</p>\n```\n{}\n"


def read(
    dialect: Dialect, specs: tuple[ToolSpec, ...], pieces: Iterable[str], *, complete: bool = True
) -> Read:
    """Read pieces as the engine does: after a Stop nothing more comes."""
    parser = dialect.parser((*specs, ANY))
    done = Read()
    for piece in [pieces] if isinstance(pieces, str) else pieces:
        done.directives.append(parser.feed(piece))
        if isinstance(done.directives[-1], Stop):
            break
    parser.finish(complete)
    done.parts = merged(parser.take())
    return done


def written(family: str, *calls: tuple[str, dict[str, Any]], text: str = "") -> str:
    """An answer as the family's template writes it, behind the generation prompt."""
    dialect, opening = FAMILIES[family]
    made = tuple(ToolCall(str(i), name, arguments) for i, (name, arguments) in enumerate(calls))
    message = Assistant(text, made, "so")
    whole = "".join(s.text for s in dialect.delta([message], first=True, ended=True))
    prompt = "".join(s.text for s in dialect.delta([], first=True, ended=True))
    body = whole.removesuffix(prompt).removesuffix("<|im_end|>\n").removeprefix(prompt)
    assert body.startswith(opening)
    return body


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("shell", {"command": "pytest"}),
    ("list", {}),
    ("read", {"path": "ä/b c.py", "first_line": 12}),
    ("write", {"path": "a.py", "content": CODE}),
    ("write", {"content": "\n\n x\n\n", "path": "a.py"}),
    ("edit", {"path": "a.py", "old": "", "new": "\n"}),
    ("grep", {"pattern": "<tool_call>", "ignore_case": True}),
    ("any", {"text": "true", "count": -3, "amount": 1.5, "kind": "1"}),
    ("any", {"names": ["ü", "</x>"], "point": {"x": {"y": [1, None, False]}}, "flag": None}),
    ("any", {"text": "{}", "either": "x", "free": "abc", "flag": False}),
    ("any", {"either": None, "free": {"a": 1}}),
    ("any", {"either": 5, "amount": 3}),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_call_reads_as_it_was_written(
    specs: tuple[ToolSpec, ...], family: str, name: str, arguments: dict[str, Any]
) -> None:
    for pieces in ([text := written(family, (name, arguments))], list(text)):
        result = read(FAMILIES[family][0], specs, pieces)
        assert result.calls == [(name, arguments)]
        assert result.text.strip() == "" and not result.bad and not result.stopped
        assert result.thinking == ("so" if FAMILIES[family][1] else "")


VALUES = st.lists(
    st.sampled_from([*"<>/= \n{}", "é", "x", "arg_value", "parameter", "</", "tool_call", "True"])
).map("".join)


@pytest.mark.parametrize("family", FAMILIES)
@given(old=VALUES, new=VALUES, count=st.none() | st.integers())
@settings(max_examples=60)
def test_strings_are_raw(
    specs: tuple[ToolSpec, ...], family: str, old: str, new: str, count: int | None
) -> None:
    closer = "</parameter>" if "qwen" in family else "</arg_value>"
    if closer in old + new:
        return
    calls: list[tuple[str, dict[str, Any]]] = [
        ("edit", {"path": "a.py", "new": new, "old": old}),
        ("any", {"free": [count], "text": new}),
    ]
    text = written(family, *calls)
    result = read(FAMILIES[family][0], specs, text)
    assert result.calls == calls
    assert substance(read(FAMILIES[family][0], specs, list(text))) == substance(result)


def test_newlines_around_a_value_belong_to_the_tags(specs: tuple[ToolSpec, ...]) -> None:
    for value, meant in [("x", "x"), ("\nx\n", "x"), ("\n\nx\n\n", "\nx\n"), ("\n", ""), ("", "")]:
        text = f"<function=shell><parameter=command>{value}</parameter></function>"
        result = read(qwen3_coder("", True), specs, f"<tool_call>{text}</tool_call>")
        assert result.calls == [("shell", {"command": meant})]
        text = f"shell<arg_key>command</arg_key><arg_value>{value}</arg_value>"
        result = read(glm47("", True), specs, f"</think><tool_call>{text}</tool_call>")
        assert result.calls == [("shell", {"command": value})]


def test_words_of_python_are_understood(specs: tuple[ToolSpec, ...]) -> None:
    """The templates of Qwen show them in the calls of the past."""
    arguments = {"names": [True], "flag": True, "text": "True", "either": None, "free": False}
    text = written("qwen3-coder", ("any", arguments))
    assert "\nFalse\n" in text and "\nNone\n" in text
    assert read(qwen3_coder("", True), specs, text).calls == [("any", arguments)]


LOOSE = {
    "qwen3-coder": [
        "<function=shell>\n<parameter=command>\npytest\n</parameter>\n</function>",
        "I run it.\n<function=shell>\n<parameter=command>\npytest\n</parameter>\n</function>\n"
        "</tool_call>",
        "<tool_call><function=shell><parameter=command>pytest</parameter></function></tool_call>",
        "<tool_call>\n\n<function=shell >\n\n  <parameter=command>\npytest\n</parameter>\n\n"
        "</function>",
        '<tool_call>\n<function="shell">\n<parameter="command">\npytest\n</parameter>\n'
        "</tool_call>",
    ],
    "glm-4.7": [
        "</think><tool_call>shell\n<arg_key>command</arg_key>\n<arg_value>pytest</arg_value>\n"
        "</tool_call>",
        "</think><tool_call>\nshell <arg_key> command </arg_key><arg_value>pytest</arg_value>"
        "</tool_call>",
    ],
}


@pytest.mark.parametrize(("family", "text"), [(f, t) for f in LOOSE for t in LOOSE[f]])
def test_loose_forms_are_read(specs: tuple[ToolSpec, ...], family: str, text: str) -> None:
    for pieces in ([text], list(text)):
        result = read(FAMILIES[family][0], specs, pieces)
        assert result.calls == [("shell", {"command": "pytest"})] and not result.bad


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "form",
    [
        f"<tool_call>\n{SHELL}\n</tool_call>",
        f"<tool_call>{SHELL}",
        SHELL,
        f"```json\n{SHELL}\n```",
        f"<tools>\n{SHELL}\n</tools>",
    ],
)
def test_json_calls_are_read_too(specs: tuple[ToolSpec, ...], family: str, form: str) -> None:
    dialect, opening = FAMILIES[family]
    for pieces in ([opening + form], list(opening + form)):
        result = read(dialect, specs, pieces)
        assert result.calls == [("shell", {"command": "pytest"})]
        assert not result.bad and not result.text.strip()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("blocks", [True, False])
def test_files_as_blocks(specs: tuple[ToolSpec, ...], family: str, blocks: bool) -> None:
    dialect, opening = FAMILIES[family]
    assert isinstance(dialect, QwenXml) or opening
    text = f"{opening}Here:\n\na.py\n```python\nx = '<tool_call>'\n```\n"
    result = read(replace(dialect, blocks=blocks), specs, text)  # type: ignore[type-var]
    assert result.files == ({"a.py": "x = '<tool_call>'\n"} if blocks else {})
    assert result.unplaced == ([] if blocks else ["python"])
    more = written(family, ("list", {})).removeprefix(opening)
    both = read(dialect, specs, text + more)
    assert [name for name, _ in both.calls] == ["write", "list"]


@pytest.mark.parametrize("family", FAMILIES)
def test_several_calls_and_text(specs: tuple[ToolSpec, ...], family: str) -> None:
    calls = [CALLS[0], CALLS[3], CALLS[1]]
    text = written(family, *calls, text="I look: a < b.")
    result = read(FAMILIES[family][0], specs, text)
    assert result.calls == calls and result.text.strip() == "I look: a < b."
    assert len({p.id for p in result.parts if isinstance(p, ToolCall)}) == 3
    for behind in ("\nAll tests pass.", "\n<tool_response>\nok"):
        result = read(FAMILIES[family][0], specs, [text, behind, written(family, *calls)])
        assert result.calls == calls and result.stopped and "pass" not in result.text


# --- what is wrong ------------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("run", {"command": "ls"}, "there is no tool 'run'"),
    ("read", {"path": "a.py", "why": "so"}, "read has no parameter 'why'; it has path, first_line"),
    ("edit", {"path": "a.py"}, "edit needs old, new too"),
    ("any", {"count": "three"}, "the value of 'count' is no JSON integer (Expecting value)"),
    ("any", {"flag": "yes"}, "the value of 'flag' is no JSON boolean or null (Expecting value)"),
    ("any", {"names": "[1"}, "the value of 'names' is no JSON array"),
    ("any", {"names": '["\\ud800"]'}, "surrogates not allowed"),
    ("any", {"count": "9" * 5000}, "integer"),
    ("any", {"names": "[" * 60_000}, "recursion"),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("name", "arguments", "reason"), WRONG)
def test_a_wrong_call_is_a_bad_one(
    specs: tuple[ToolSpec, ...], family: str, name: str, arguments: dict[str, Any], reason: str
) -> None:
    text = written(family, (name, arguments))
    result = read(FAMILIES[family][0], specs, text)
    (bad,) = result.bad
    assert reason in bad.reason and not result.calls and not result.stopped
    assert name in bad.text and all(str(value) in bad.text for value in arguments.values())


def test_a_parameter_comes_once(specs: tuple[ToolSpec, ...]) -> None:
    one = "<parameter=path>\na\n</parameter>\n"
    text = f"<tool_call>\n<function=list>\n{one}{one}</function>\n</tool_call>"
    (bad,) = read(qwen3_coder("", True), specs, text).bad
    assert bad.reason == "the parameter 'path' is given twice"


JUNK = {
    "qwen3-coder": [
        "<tool_call>\n<function=list>\npath: a\n</function>\n</tool_call>",
        "<tool_call>\n<function=shell>\n<parameter=command>\nls</function>\n</tool_call>\n"
        "</parameter>x</function>",
        f"<tool_call>\n<function=list>\n{'x' * 3000}</function>",
        '<tool_call>\n<function=list>\n{"path": "a"}\n</tool_call>',
    ],
    "glm-4.6": [
        "<tool_call>list\n<arg_value>a</arg_value>\n</tool_call>",
        "<tool_call>list\n<arg_key>path</arg_key>\na\n</tool_call>",
        f"<tool_call>list\n<{'x' * 3000}\n</tool_call>",
    ],
}


@pytest.mark.parametrize(("family", "text"), [(f, t) for f in JUNK for t in JUNK[f]])
def test_wrong_tags_make_a_bad_call(specs: tuple[ToolSpec, ...], family: str, text: str) -> None:
    for pieces in ([text], list(text), [text[:30], text[30:]]):
        result = read(FAMILIES[family][0], specs, pieces)
        (bad,) = result.bad
        assert "the tags of this call are wrong" in bad.reason and not result.calls
        assert text.startswith(f"<tool_call>{bad.text}")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("complete", [True, False])
def test_a_call_that_is_cut_off(specs: tuple[ToolSpec, ...], family: str, complete: bool) -> None:
    text = written(family, ("read", {"path": "a.py", "first_line": 3}), text="I look.")
    start, end = text.index("read"), text.rindex("</function>" if "qwen" in family else "</tool_")
    for at in range(start, end + 1):
        result = read(FAMILIES[family][0], specs, text[:at], complete=complete)
        assert not result.calls
        if text[:at].endswith("<tool_call>") and complete:
            continue
        assert result.text.strip() == "I look.", text[:at]
        assert [bad.reason for bad in result.bad] == ["the call was cut off before its end"]


TALK = {
    "qwen3-coder": ["The tag `<tool_call>` opens a call.", "<tool_call> opens", "<function=a\n"],
    "glm-4.6": ["`<tool_call>` opens a call.", "<tool_call> two words", "<tool_call></tool_call>"],
}


@pytest.mark.parametrize(("family", "text"), [(f, t) for f in TALK for t in TALK[f]])
def test_what_only_looks_like_a_call_stays_text(
    specs: tuple[ToolSpec, ...], family: str, text: str
) -> None:
    for pieces in ([text], list(text)):
        result = read(FAMILIES[family][0], specs, pieces)
        assert result.text == text and not result.calls and not result.bad


# --- in pieces ----------------------------------------------------------------------------------


def substance(result: Read) -> tuple[object, ...]:
    return (result.parts, result.stopped)


EVERYTHING = [
    *(written(family, *CALLS[i : i + 3], text="Hm.") for family in FAMILIES for i in (0, 3, 6, 9)),
    *(written(family, WRONG[i][:2]) for family in FAMILIES for i in range(5)),
    *(text[:700] for texts in (LOOSE, JUNK, TALK) for family in texts for text in texts[family]),
    *(f"</think>{JUNK['glm-4.6'][0]}\nmore", f"<tool_call>{SHELL}\n<tool_call>list</tool_call>x"),
    "<tool_call>\n<function=list>\n<function=list>\n</function>",
    "<tool_call>" + " " * 600 + "list</tool_call>",
    "<function=<function=list>\n</function>",
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", EVERYTHING)
def test_pieces_do_not_matter(specs: tuple[ToolSpec, ...], family: str, text: str) -> None:
    """Also what another family writes."""
    dialect = FAMILIES[family][0]
    whole = substance(read(dialect, specs, text))
    assert substance(read(dialect, specs, list(text))) == whole
    for at in range(0, len(text), 1 if len(text) < 200 else 5):
        assert substance(read(dialect, specs, [text[:at], text[at:]])) == whole


SCRAPS = st.lists(
    st.sampled_from(
        [
            *("<tool_call>", "</tool_call>", "<function=", "list>", "<function=any>", "\n", " "),
            *("<parameter=", "text>", "</parameter>", "</function>", "x", "{", "}", "`", "a.py\n"),
            *("<arg_key>", "text", "</arg_key>", "<arg_value>", "</arg_value>", "any", "</think>"),
            *("```\n", SHELL, "<tools>", "<tool_response>"),
        ]
    ),
    max_size=20,
)


@pytest.mark.parametrize("family", FAMILIES)
@given(scraps=SCRAPS, complete=st.booleans(), cut=st.integers(0, 100))
@settings(max_examples=150)
def test_no_scraps_raise_or_get_lost(
    specs: tuple[ToolSpec, ...], family: str, scraps: list[str], complete: bool, cut: int
) -> None:
    text = FAMILIES[family][1] + "".join(scraps)
    dialect = FAMILIES[family][0]
    result = read(dialect, specs, text, complete=complete)
    pieces = read(dialect, specs, [text[:cut], text[cut:]], complete=complete)
    assert substance(pieces) == substance(result)
    marked = text.replace("x", "markx")
    kept = read(dialect, specs, marked, complete=complete)
    if not kept.stopped:
        shown = kept.text + kept.thinking
        made = "".join(repr(p) for p in kept.parts if isinstance(p, ToolCall | BadCall))
        assert (shown + made).count("markx") >= marked.count("markx")


# --- directives ---------------------------------------------------------------------------------


def directives(dialect: Dialect, specs: tuple[ToolSpec, ...], *pieces: str) -> list[Directive]:
    parser = dialect.parser(specs)
    return [parser.feed(piece) for piece in pieces]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tag_switches_the_grammar_of_calls_on(specs: tuple[ToolSpec, ...], family: str) -> None:
    dialect, opening = FAMILIES[family]
    lark = xml_call_grammar(specs, TAGS[family])
    call = written(family, CALLS[0]).partition("<tool_call>")[2]
    found = directives(dialect, specs, f"{opening}Hm <tool_call>", call[:3], call[3:])
    assert found[:2] == [Constrain(lark), None] and isinstance(found[2], Release)
    found = directives(dialect, specs, f"{opening}<tool_call>{call[:2]}", call[2:9], call[9:])
    assert found == [Constrain(lark, call[:2]), None, Release()]
    for at in range(1, len(call) - len("\n</tool_call>")):
        first = directives(dialect, specs, f"{opening}<tool_call>{call[:at]}")
        assert first == [Constrain(lark, call[:at])]
    assert directives(dialect, (), f"{opening}<tool_call>") == [None]
    found = directives(dialect, specs, f"{opening}<tool_call>", "Hm, no")
    assert found == [Constrain(lark), Release()]


def test_a_function_without_its_tag_is_constrained(specs: tuple[ToolSpec, ...]) -> None:
    lark = xml_call_grammar(specs, QWEN)
    found = directives(qwen3_coder("", True), specs, "Hm\n<func", "tion=", "li", "st>\n</func")
    assert found == [None, Constrain(lark, "<function="), None, None]
    found = directives(qwen3_coder("", True), specs, "<function=list>\n</")
    assert found == [Constrain(lark, "<function=list>\n</")]


def test_an_object_gets_the_grammar_of_json_calls(specs: tuple[ToolSpec, ...]) -> None:
    json_lark = call_grammar(specs)
    for dialect in (qwen3_coder("", True), glm45("", True)):
        assert directives(dialect, specs, '<tool_call>\n{"na')[-1] == Constrain(json_lark, '\n{"na')


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_copied_is_held_to_the_file(specs: tuple[ToolSpec, ...], family: str) -> None:
    values = Values(paths=lambda: ["a.py"], copied="old", text={"a.py": "x = 1\n"}.__getitem__)
    edit = replace(next(s for s in specs if s.name == "edit"), values=values)
    dialect = FAMILIES[family][0]
    text = written(family, ("edit", {"path": "a.py", "old": "x", "new": "y"}))
    closer = "</parameter>" if "qwen" in family else "</arg_value>"
    at = text.index(closer) + len(closer)
    lark = xml_copied_grammar(edit, TAGS[family], {"path"}, "a.py")
    assert lark
    for more in range(4):
        parser = dialect.parser([edit])
        parser.feed(text[: at - 3])
        assert parser.feed(text[at - 3 : at + more]) == Constrain(lark, text[at : at + more])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("blocks", [True, False])
def test_who_must_act_begins_with_a_grammar_behind_the_thinking(
    specs: tuple[ToolSpec, ...], family: str, blocks: bool
) -> None:
    dialect, opening = FAMILIES[family]
    parser = replace(dialect, blocks=blocks).parser(specs, must_act=True)  # type: ignore[type-var]
    first = parser.begin()
    if family in ("qwen3.5", "glm-4.7"):
        assert first is None
        first = parser.feed(opening)
    assert isinstance(first, Constrain) and "<tool_call>" in first.lark
    assert ("`{3" in first.lark) == blocks
    assert parser.feed("<tool_call>") == Constrain(xml_call_grammar(specs, TAGS[family]))


# --- while it is written ------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_call_is_shown_with_its_path(specs: tuple[ToolSpec, ...], family: str) -> None:
    text = written(family, ("write", {"path": "a.py", "content": CODE}))
    shown = [p for p in read(FAMILIES[family][0], specs, text).parts if isinstance(p, CallPart)]
    assert [(p.name, p.path) for p in shown] == [("write", ""), ("write", "a.py")]
    assert CODE in shown[1].text and "".join(p.text for p in shown) in text


BIG = {
    "a value": ("<tool_call>\n<function=write>\n<parameter=content>\n", "x = 1 # code\n"),
    "one line": ("<tool_call>write<arg_key>content</arg_key><arg_value>", "x"),
    "half closers": ("<tool_call>\n<function=write>\n<parameter=content>\n", "</para"),
    "junk": ("<tool_call>\n<function=write>\n", "x"),
    "half ends": ("<tool_call>write<", "</tool_"),
    "a long name": ("<tool_call><function=", "x"),
    "a name of GLM": ("<tool_call>", "x"),
    "spaces": ("<tool_call>", " "),
    "parameters": ("<tool_call><function=list>", "<parameter=path>a</parameter>"),
    "calls": ("", "<tool_call>list</tool_call>"),
    "functions": ("", "<function=list></function>"),
    "half functions": ("", "<function="),
}


@pytest.mark.parametrize("kind", BIG)
@pytest.mark.parametrize("piecewise", [True, False])
@pytest.mark.parametrize("family", ["qwen3-coder", "glm-4.6"])
def test_reading_is_linear(
    specs: tuple[ToolSpec, ...], kind: str, piecewise: bool, family: str, work_of: WorkOf
) -> None:
    """Counted in characters that are held, never in seconds."""
    start, more = BIG[kind]

    def read_all(size: int) -> None:
        text = start + more * (size // len(more))
        parser = FAMILIES[family][0].parser(specs)
        for piece in text if piecewise else [text]:
            parser.feed(piece)
            parser.take()
        parser.finish()

    small, large = work_of(lambda: read_all(4_000)), work_of(lambda: read_all(16_000))
    assert large <= 6 * small + 20_000


def test_prose_is_shown_at_once(specs: tuple[ToolSpec, ...]) -> None:
    parser = qwen3_coder("", True).parser(specs)
    shown = []
    for piece in ("The", " fi", "x <", "fun", "\n", "<function", ">x"):
        parser.feed(piece)
        shown.append("".join(p.text for p in parser.take() if isinstance(p, TextPart)))
    assert shown == ["", "The fi", "x ", "", "<fun\n", "", "<function>x"]
