"""Values of arguments that files decide: an existing path, a piece of that file, with escapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.dialects.base import Part
from agent.dialects.chatml import ChatmlJson, declaration
from agent.dialects.grammar import (
    LARGEST,
    LARGEST_UNIQUE,
    arguments_grammar,
    call_grammar,
    copied_grammar,
    piece_terminals,
    search_grammar,
)
from agent.engine import native
from agent.engine.constrain import MOST_COMPILED, Constrainer
from agent.messages import Constrain, Directive, ToolCall, ToolSpec, Values
from tests.tiny_gguf import build
from tools.catalog import default_tools

TEXT = 'def f(a):\n    return a\n\n\ndef g(a):\n\treturn "ü\\n"  # a\n'
PATHS = ["a.py", "src/b.py", 'ä "b"\\.py']


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
    """Whether a text is complete under a grammar, as the engine runs it."""
    constrainer = Constrainer(model)

    def check(lark: str, text: str) -> bool:
        constraint = constrainer.start(lark, "")
        assert constraint is not None
        for token in model.tokenize(text, control=False):
            if not constraint.allows(token):
                return False
            constraint.accept(token)
        return constraint._matcher.is_accepting()

    return check


def specs(paths: Sequence[str] = PATHS, text: str = TEXT) -> dict[str, ToolSpec]:
    def values(copied: str) -> Values:
        return Values(lambda: paths, copied, lambda path: text if path in paths else "")

    return {
        t.name: ToolSpec(
            t.name, t.description, t.parameters(), t.raw, values(t.copied) if t.existing else None
        )
        for t in default_tools()
    }


def call(name: str, **arguments: Any) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_exists_may_be_named(accepts: Check, path: str) -> None:
    tools = specs()
    assert accepts(call_grammar(list(tools.values())), call("read", path=path))
    assert accepts(call_grammar(list(tools.values())), call("edit", path=path, old="a", new="b"))
    text = json.dumps({"path": path, "first_line": 3}, ensure_ascii=False) + "}"
    assert accepts(arguments_grammar(tools["read"]), text)


def test_no_other_path_may_be_named_but_a_new_file_may_be_written(accepts: Check) -> None:
    tools = list(specs().values())
    for path in ("b.py", "a.pyc", "./a.py", "src", ""):
        assert not accepts(call_grammar(tools), call("read", path=path))
        assert not accepts(call_grammar(tools), call("edit", path=path, old="a", new="b"))
        assert not accepts(call_grammar(tools), call("grep", pattern="x", path=path))
        assert accepts(call_grammar(tools), call("write", path=path, content="x"))
    assert accepts(call_grammar(tools), call("grep", pattern="x"))


def test_without_known_paths_any_may_be_named(accepts: Check) -> None:
    text = json.dumps({"path": "b.py"}) + "}"
    assert not accepts(arguments_grammar(specs()["read"]), text)
    assert accepts(arguments_grammar(specs(paths=[])["read"]), text)
    tools = list(specs(paths=[]).values())
    assert accepts(call_grammar(tools), call("read", path="any/thing"))


def test_paths_are_asked_for_at_each_call_and_never_declared() -> None:
    paths: list[str] = ["a.py"]
    tool = specs(paths)["read"]
    before = call_grammar([tool]), declaration(tool)
    paths.append("new.py")
    assert "new.py" in call_grammar([tool]) and "new.py" not in before[0]
    assert declaration(tool) == before[1]
    assert "enum" not in json.dumps(before[1])


def edited(old: str, new: str = "x", **more: Any) -> str:
    return f", {json.dumps({'old': old, 'new': new, **more}, ensure_ascii=False)[1:]}}}"


ONCE = ["def f", "f(a):\n    return a\n", "a\n\n\ndef g", '\treturn "ü\\n"', "\\n", "ü", TEXT]
NOT_ONCE = ["", "return", "a", "\n", "def ", "\n\n", "def h", "f(b)", "u", "n"]


def occurrences(text: str, piece: str) -> int:
    return sum(text.startswith(piece, at) for at in range(len(text)))


@pytest.mark.parametrize("old", ONCE)
def test_what_stands_once_in_the_file_may_be_replaced(accepts: Check, old: str) -> None:
    assert occurrences(TEXT, old) == 1
    lark = copied_grammar(specs()["edit"], '"a.py"')
    assert accepts(lark, edited(old))
    pretty = json.dumps({"old": old, "new": "é\n"}, ensure_ascii=False, indent=8)
    assert accepts(lark, f",{pretty[1:]}\n}}")


@pytest.mark.parametrize("old", NOT_ONCE)
def test_what_stands_there_twice_or_never_may_not(accepts: Check, old: str) -> None:
    assert occurrences(TEXT, old) != 1
    assert not accepts(copied_grammar(specs()["edit"], '"a.py"'), edited(old))


def test_an_escape_is_not_taken_apart(accepts: Check) -> None:
    lark = copied_grammar(specs(text="x\ny\\z")["edit"], '"a.py"')
    assert accepts(lark, r', "old": "x\ny", "new": ""}}')
    assert accepts(lark, r', "old": "\\z", "new": ""}}')
    assert not accepts(lark, r', "old": "ny", "new": ""}}')
    assert not accepts(lark, r', "old": "y\", "new": ""}}')


def test_the_replacement_is_any_text_and_nothing_follows_it(accepts: Check) -> None:
    lark = copied_grammar(specs()["edit"], '"a.py"')
    assert accepts(lark, edited("def f", '"\\\n\x07é'))
    assert accepts(lark, ', "old": "def f", "new": "\\u00e9\\ud83d\\ude00"}}')
    assert not accepts(lark, edited("def f", "x", keep_rest=True))
    assert not accepts(lark, ', "old": "def f"}}')


def test_escapes_of_characters_are_accepted_in_every_string(accepts: Check) -> None:
    tools = specs()
    text = (
        '{"name": "write", "arguments": {"path": "\\u00e4.py", "content": "\\u0041\\ud83d\\ude00"}}'
    )
    assert accepts(call_grammar(list(tools.values())), text)
    assert accepts(arguments_grammar(tools["shell"]), '{"command": "echo \\u00e9"}}')


def test_a_file_that_is_unknown_or_too_long_leaves_the_text_free() -> None:
    edit = specs()["edit"]
    assert copied_grammar(edit, '"none.py"') == ""
    assert copied_grammar(edit, '"\\x"') == ""
    assert copied_grammar(specs(text="")["edit"], '"a.py"') == ""
    assert copied_grammar(specs(text="x\n" * LARGEST)["edit"], '"a.py"') == ""
    assert copied_grammar(specs()["read"], '"a.py"') == ""
    nothing_copied = Values(lambda: PATHS, "", lambda _path: TEXT)
    assert copied_grammar(replace(edit, values=nothing_copied), '"a.py"') == ""


def test_a_long_file_is_only_a_bound_for_the_text(accepts: Check) -> None:
    """Where telling what stands there once takes too long, the tool refuses what does not."""
    text = "".join(f"line {i}\n" for i in range(LARGEST_UNIQUE // 9))
    lark = copied_grammar(specs(text=text)["edit"], '"a.py"')
    assert accepts(lark, edited("line 17\n"))
    assert accepts(lark, edited("line "))
    assert not accepts(lark, edited("lines"))
    assert not accepts(lark, edited(""))


@pytest.mark.parametrize(
    "text",
    ["a", "a" * 11_000, "ab\n" * 3_000, "\x01\x02" * 3_900, "日本" * 1_900, TEXT * 200],
    ids=["one", "same", "lines", "controls", "wide", "doubled"],
)
def test_no_text_within_the_limits_is_too_much_for_the_engine(
    model: native.Model, text: str
) -> None:
    edit = specs(text=text)["edit"]
    lark = copied_grammar(edit, '"a.py"')
    assert lark
    assert Constrainer(model).start(lark, "") is not None


def test_a_grammar_that_is_too_much_leaves_the_text_free(model: native.Model) -> None:
    text = [chr(0x4E00 + i % 20_000) for i in range(60_000)]
    pieces = json.dumps({"substring_chunks": text})
    lark = f"start: A\nA: B & ~C\nB: %regex {pieces}\nC: %regex {pieces}\n"
    assert Constrainer(model).start(lark, "") is None


def test_old_grammars_are_forgotten(model: native.Model) -> None:
    constrainer = Constrainer(model)
    for i in range(MOST_COMPILED + 5):
        constrainer.start(f'start: "{i}"\n', "")
    assert len(constrainer._compiled) == MOST_COMPILED


# --- while a call is read ------------------------------------------------------------------------


def directives(
    text: str, size: int, tools: Sequence[ToolSpec]
) -> tuple[dict[int, Directive], list[Part]]:
    """What a parser wants after so many characters, and what it understood."""
    parser = ChatmlJson().parser(tools)
    given = {i + size: parser.feed(text[i : i + size]) for i in range(0, len(text), size)}
    parser.finish(True)
    return given, parser.take()


def holds_to_a_file(directive: Directive) -> bool:
    return isinstance(directive, Constrain) and "PIECE" in directive.lark


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_the_grammar_changes_as_soon_as_the_path_is_known(model: native.Model, size: int) -> None:
    tools = list(specs().values())
    text = call("edit", path="a.py", old="def f", new="def h")
    text = f"<tool_call>\n{text}\n</tool_call>"
    given, parts = directives(text, size, tools)
    (made,) = [part for part in parts if isinstance(part, ToolCall)]
    assert made.arguments == {"path": "a.py", "old": "def f", "new": "def h"}
    if size == 1000:
        return  # all of it came at once: nothing was left to steer
    ((said, directive),) = [(at, d) for at, d in given.items() if holds_to_a_file(d)]
    path_end = text.index('"a.py"') + len('"a.py"')
    assert isinstance(directive, Constrain) and directive.seen == text[path_end:said]
    assert said - path_end < size
    constraint = Constrainer(model).start(directive.lark, directive.seen)
    assert constraint is not None
    for token in model.tokenize(text[said : text.index("\n</tool_call>")], control=False):
        assert constraint.allows(token)
        constraint.accept(token)
    assert constraint._matcher.is_accepting()


def test_other_calls_keep_their_grammar() -> None:
    tools = list(specs().values())
    for text in (call("read", path="a.py"), call("edit", path="none.py", old="a", new="b")):
        given, _ = directives(f"<tool_call>\n{text}\n</tool_call>", 3, tools)
        assert not any(map(holds_to_a_file, given.values()))


@pytest.mark.model
def test_pieces_hold_on_the_real_vocabulary(small_model: Path) -> None:
    native.silence()
    real = native.Model(small_model, progress=lambda _: True, vocab_only=True)
    try:
        assert lltokenizer_from_vocab(real.vocab)
        text = Path(__file__).read_text("utf-8")[:9_000]
        lark = copied_grammar(specs(text=text)["edit"], '"a.py"')
        half = text.index("\n", 4_000) + 1
        once, twice = text[half : half + 300], "assert "
        assert text.count(once) == 1 and text.count(twice) > 1
        constrainer = Constrainer(real)
        for old, fits in ((once, True), (twice, False)):
            constraint = constrainer.start(lark, "")
            assert constraint is not None
            tokens = real.tokenize(edited(old), control=False)
            allowed = [constraint.allows(t) and not constraint.accept(t) for t in tokens]
            assert all(allowed) == fits
    finally:
        real.free()


# --- SEARCH sections of a block -------------------------------------------------------------------

MARK = "=======\n"


@pytest.mark.parametrize("old", ["def f(a):\n", "\n\ndef g(a):\n", "    return a\n", TEXT])
def test_lines_that_stand_once_in_the_file_may_be_searched(accepts: Check, old: str) -> None:
    assert accepts(search_grammar(TEXT), old + MARK)
    assert not accepts(search_grammar(TEXT), old)


@pytest.mark.parametrize("old", ["", "\n", "def h(a):\n", "def f(a):", "f(a):\n", "x\n"])
def test_no_other_lines_may_be_searched(accepts: Check, old: str) -> None:
    text = f"x\n{TEXT}x\n"
    assert accepts(search_grammar(text), f"x\ndef f(a):\n{MARK}")
    assert not accepts(search_grammar(text), old + MARK)


def test_a_last_line_without_a_newline_may_be_searched(accepts: Check) -> None:
    assert accepts(search_grammar("a\nb"), f"b\n{MARK}")
    assert search_grammar("") == search_grammar("x\n" * LARGEST) == ""


def sections(old: str) -> str:
    return f"a.py\n```python\n<<<<<<< SEARCH\n{old}=======\nnew\n>>>>>>> REPLACE\n```\n"


@pytest.mark.parametrize("size", [1, 3, 7])
def test_the_old_side_of_a_section_is_held_to_the_file(model: native.Model, size: int) -> None:
    text = sections("def f(a):\n") + sections("def g(a):\n")
    given, parts = directives(text, size, list(specs().values()))
    assert [p.arguments["old"] for p in parts if isinstance(p, ToolCall)] == [
        "def f(a):\n",
        "def g(a):\n",
    ]
    held = [(at, d) for at, d in given.items() if isinstance(d, Constrain)]
    assert len(held) == 2
    constrainer = Constrainer(model)
    for at, directive in held:
        start = text.rindex("SEARCH\n", 0, at) + len("SEARCH\n")
        assert directive.seen == text[start:at]
        constraint = constrainer.start(directive.lark, directive.seen)
        assert constraint is not None
        end = text.index(MARK, at) + len(MARK)
        for token in model.tokenize(text[at:end], control=False):
            assert not constraint.done() and constraint.allows(token)
            constraint.accept(token)
        assert constraint.done()  # the new side is free


@pytest.mark.parametrize(
    ("path", "text"), [("none.py", TEXT), ("a.py", ""), ("a.py", f"a\n{MARK}b\n")]
)
def test_what_a_section_searches_is_free_where_nothing_can_be_said(path: str, text: str) -> None:
    """In a file that has such marks itself its reader could not tell where the old side ends."""
    block = sections("old\n").replace("a.py", path)
    given, parts = directives(block, 1, list(specs(text=text).values()))
    assert not any(isinstance(directive, Constrain) for directive in given.values())
    assert any(isinstance(part, ToolCall) for part in parts)


def test_only_what_a_section_replaces_is_held() -> None:
    """And only where its lines are written as the file has them."""
    indented = sections("def f(a):\n").replace("\n", "\n  ")
    crlf = sections("def f(a):\n").replace("\n", "\r\n")
    for block in (f"a.py\n```python\n{TEXT}```\n", indented, crlf):
        given, parts = directives(block, 1, list(specs().values()))
        assert any(isinstance(part, ToolCall) for part in parts)
        assert not any(isinstance(directive, Constrain) for directive in given.values())


def test_nothing_to_copy_is_no_terminal() -> None:
    assert piece_terminals([]) == ""
