"""Reading: every form that the models write, in whatever pieces it arrives."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.dialects.base import CallPart, Misnamed, TextPart, UnplacedCode
from agent.dialects.chatml import ChatmlJson
from agent.dialects.chatml_parser import ChatmlParser
from agent.dialects.grammar import arguments_grammar, call_grammar
from agent.messages import BadCall, Constrain, Release, Stop, ToolCall, ToolSpec
from tests.unit.dialects.conftest import Read, Reader, WorkOf

SHELL = '{"name": "shell", "arguments": {"command": "pytest"}}'
PRETTY = json.dumps(json.loads(SHELL), indent=2)
RUN = ("shell", {"command": "pytest"})
PY = "```python\nprint('é')\n\n```\n"
CONTENT = "print('é')\n\n"
README = (Path(__file__).parent / "readme.md").read_text("utf-8")

JSON_FORMS = {
    "tag": f"<tool_call>\n{SHELL}\n</tool_call>",
    "tag without an end": f"<tool_call>{SHELL}",
    "tag, pretty": f"I look.\n<tool_call>\n{PRETTY}\n</tool_call>\n",
    "tag in a line": f"I look: <tool_call>{SHELL}</tool_call>",
    "bare": SHELL,
    "bare, indented": f"Let me see.\n\n  {SHELL}\n",
    "bare with the end of a tag": f"{SHELL}\n</tool_call>",
    "fence": f"```json\n{SHELL}\n```",
    "fence, pretty": f"To run the tests:\n\n```json\n{PRETTY}\n```\n",
    "fence without a language": f"```\n{SHELL}\n```\n",
    "tools": f"<tools>\n{SHELL}\n</tools>",
    "parameters": '{"name": "shell", "parameters": {"command": "pytest"}}',
    "CRLF": f"```json\r\n{SHELL}\r\n```\r\n",
    "array": f"[{SHELL}]",
    "array in a fence": f"```json\n[\n{PRETTY}\n]\n```\n",
    "an echo of the declarations first": (
        '<tools>\n{"type": "function", "function": {"name": "shell", "parameters": {}}}\n'
        f"</tools>\n\n```json\n{PRETTY}\n```"
    ),
    "a path that has no block": f"stats.py\n{SHELL}\n",
}
FILE_FORMS = {
    "plain": f"a.py\n{PY}",
    "bold": f"Here it is:\n\n**a.py**\n{PY}",
    "bold, backticks, colon": f"**`a.py`**:\n{PY}",
    "heading": f"### a.py\n\n{PY}",
    "File:": f"File: `a.py`\n{PY}",
    "an empty line": f"a.py\n\n{PY}",
    "a comment inside": "Now:\n\n```python\n# a.py\nprint('é')\n\n```\n",
    "a comment in a bare fence": "```\n# a.py\nprint('é')\n\n```",
    "no newline at the end": f"a.py\n{PY[:-1]}",
    "not closed": f"a.py\n{PY[:-4]}",
    "CRLF": f"a.py\n{PY}".replace("\n", "\r\n"),
    "in a list": "- first\n\n  a.py\n  ```python\n  print('é')\n\n  ```\n",
    "four backticks": f"a.py\n`{PY[:-1]}`\n",
    "another path first": f"b.py\n\na.py\n{PY}",
}
TEXTS = [
    "Done.",
    "",
    "\n\n",
    "The file `stats.py` is fine, and src/a.py too.\n\nstats.py",
    "- stats.py\n- b.py\n\n1. **stats.py**: it\n* `c.py`\n",
    "| file | lines |\n|---|---|\n| stats.py | 3 |\n",
    '```json\n{\n  "name": "left-pad",\n  "version": "1.0.0"\n}\n```\n',
    '{"name": "left-pad", "version": "1.0.0"}\n',
    '{"name": "f", "description": "d", "parameters": {"type": "object"}}',
    '{"name": "f", "parameters": {"type": "object"}}',
    '[a](b.md) and\n[\n  {"a": 1}\n]\n[ ] one\n- [x] two\n[{"name": "f"}]\n',
    '```json\n[{"name": "left-pad"}, 2]\n```\n',
    '```json\n[1, 2]\n```\n{"a": {"b": 1}} and {"name": ""}\n',
    "Use it so:\n\n```python\nprint(1)\n```\n\nand so: ```x```, ``y``.",
    "### `os.path`\n\n```python\nos.path.join('a')\n```\n",
    "### Node.js\n```js\nlet a\n```\n",
    "```\nfoo\n\n\n```\r\n```",
    "The tag `<tool_call>` opens a call, and <tools> lists the tools.",
    "a < b <tool <tools",
    "It printed:\n<tool_response>\nnothing\n</tool_response>",
    "stats.py\n\n\n```python\nx\n```\n",
    "stats.py\nor:\n```python\nx\n```\n",
    "`" * 300,
    " " * 700 + SHELL,
    "{" + " " * 300 + SHELL[1:],
    "x" * 3000 + "\n" + "y" * 1024 + "\n",
    "```markdown\n# T\n\n```sh\nls\n```\n\n```\nout\n```\nend\n```\nbye",
]


@pytest.mark.parametrize("form", JSON_FORMS)
@pytest.mark.parametrize("blocks", [True, False])
def test_every_form_of_a_json_call(read: Reader, form: str, blocks: bool) -> None:
    result = read(JSON_FORMS[form], blocks=blocks)
    assert result.calls == [RUN]
    assert not result.bad and not result.unplaced
    assert "pytest" not in result.text and "```" not in result.text


@pytest.mark.parametrize("form", FILE_FORMS)
def test_every_form_of_a_file(read: Reader, form: str) -> None:
    result = read(FILE_FORMS[form])
    assert result.files == {"a.py": CONTENT}
    assert "print" not in result.text and not result.bad and not result.unplaced
    shown = [p for p in result.parts if isinstance(p, CallPart)]
    assert [(p.path, p.text) for p in shown] == [("a.py", CONTENT)]


@pytest.mark.parametrize("form", ["plain", "heading", "a comment inside"])
def test_without_blocks_a_file_is_only_shown(read: Reader, form: str) -> None:
    result = read(FILE_FORMS[form], blocks=False)
    assert result.text == FILE_FORMS[form] and not result.calls
    assert result.unplaced == ["python"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("complete", [True, False])
def test_what_only_looks_like_a_call_stays_text(read: Reader, text: str, complete: bool) -> None:
    result = read(text, complete=complete)
    assert result.text == text
    assert not result.calls and not result.bad and not result.stopped


def test_blocks_without_a_path_are_counted(read: Reader) -> None:
    text = "First:\n```python\nx\n```\nthen\n```sh\nls\n"
    assert read(text).unplaced == ["python", "sh"]
    assert read("end\n```\n").unplaced == []
    assert read("```markdown\n# T\n\n```sh\nls\n```\n\n```\no\n```\ne\n```\n").unplaced == [
        "markdown"
    ]


# --- in pieces ----------------------------------------------------------------------------------

EVERYTHING = [
    *JSON_FORMS.values(),
    *FILE_FORMS.values(),
    *TEXTS,
    f"a.md\n```markdown\n{README}```\n\nb.py\n{PY}Done.",
    f"{SHELL}\n```json\n{SHELL}\n```\nand the result is 3",
    f"a.py\n{PY}\n<tool_response>\nok",
    f"<tool_call>\n{SHELL}\n</tool_call>\n<tool_response>",
    "a.py\n```\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```\n",
    '<tool_call>\n{"arguments": {}, "name": "x"}',
    '{"name": "shell", "arguments": {"command": 3,}}',
    "<tool_call> is a tag",
    f"a.py\n{' ' * 700}\n{PY}",
]


def substance(result: Read) -> tuple[object, ...]:
    return (result.parts, result.stopped)


@pytest.mark.parametrize("text", EVERYTHING)
def test_pieces_do_not_matter(read: Reader, text: str) -> None:
    text = text[:900]
    whole = read(text)
    single = read(list(text))
    assert substance(single) == substance(whole)
    for at in range(0, len(text), 1 if len(text) < 300 else 7):
        assert substance(read([text[:at], text[at:]])) == substance(whole)


FRAGMENTS = [
    *JSON_FORMS.values(), *FILE_FORMS.values(), *TEXTS[:15], SHELL, PRETTY, PY, "```\n", "```",
    "\n", "\n\n", " ", "a.py\n", "**a.py**:", "README.md\n```md\n", "<tool_call>", "</tool_call>",
    "<tools>", "<tool_response>\n", "{", "}", '{"name": "', '"', "`", "é🎉", "\r\n", "\x00",
    "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "```json\n", "# a.py\n", "\u2028",
]  # fmt: skip
MESSAGES = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join)


@given(text=MESSAGES, cuts=st.lists(st.integers(0, 400), max_size=3), complete=st.booleans())
@settings(max_examples=150)
@example(text="README.md\n```md\nx\n\n```\na.py\n```\n", cuts=[], complete=True)
def test_pieces_of_anything_do_not_matter(
    read: Reader, text: str, cuts: list[int], complete: bool
) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    whole = read(text, complete=complete)
    assert substance(read(pieces, complete=complete)) == substance(whole)
    assert substance(read(list(text), complete=complete)) == substance(whole)


@given(st.lists(st.sampled_from(TEXTS), max_size=5).map("\n\nSo:\n".join))
@settings(max_examples=100)
def test_text_arrives_exactly(read: Reader, text: str) -> None:
    result = read(text)
    if not result.calls and not result.bad:
        assert result.text == text


@given(text=MESSAGES, complete=st.booleans())
@settings(max_examples=150)
def test_nothing_is_lost(read: Reader, text: str, complete: bool) -> None:
    """Each word is in the text, in a call or in a bad one, until the message is stopped."""
    words = "".join(f"{text}\nword{i}x\n" for i in range(2))
    result = read(words, complete=complete)
    if result.stopped:
        return
    kept = result.text + "".join(repr(p) for p in result.parts if isinstance(p, ToolCall | BadCall))
    assert all(f"word{i}x" in kept for i in range(2))


@given(st.text(alphabet='`{}"\\[]:,<>/tool_caresn. \n#*ab', max_size=60), st.booleans())
@settings(max_examples=150)
def test_no_input_raises(read: Reader, text: str, complete: bool) -> None:
    read(text, complete=complete)
    result = read(f'<tool_call>{{"name": "shell", "arguments": {text}', complete=complete)
    assert result.calls or result.bad


# --- broken calls -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"command": }', "not valid JSON"),
        ("[1]", "a call is"),
        ('{"n": ' + "9" * 5000 + "}", "cannot be read"),
        ('{"s": "\\ud800"}', "cannot be read"),
        ('{"a": ' + "[" * 60_000 + "]" * 60_000 + "}", "cannot be read"),
    ],
)
def test_a_call_that_cannot_be_read_is_a_bad_one(read: Reader, arguments: str, reason: str) -> None:
    text = f'{{"name": "shell", "arguments": {arguments}}}'
    result = read(text)
    assert [bad.text for bad in result.bad] == [text]
    assert reason in result.bad[0].reason and not result.calls


@pytest.mark.parametrize(
    "text", ['<tool_call>{"name": 3, "arguments": {}}', '<tool_call>{"arguments": {}}']
)
def test_a_tagged_object_that_is_no_call_is_a_bad_one(read: Reader, text: str) -> None:
    assert "a call is" in read(text).bad[0].reason


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "I run it.\n[{}]"])
def test_an_unknown_name_ends_the_message(read: Reader, form: str) -> None:
    result = read(form.format('{"name": "run", "arguments": {"x": 1}}'))
    assert [part.name for part in result.parts if isinstance(part, Misnamed)] == ["run"]
    assert result.stopped and not result.calls and not result.bad


def test_behind_another_call_it_only_ends_it(read: Reader) -> None:
    call = '{"name": "shell", "arguments": {"command": "ls"}}'
    result = read(f"{call}\n{call.replace('shell', 'run')}")
    assert result.calls == [("shell", {"command": "ls"})]
    assert result.stopped and not any(isinstance(part, Misnamed) for part in result.parts)


def test_without_tools_it_is_for_the_dispatcher(read: Reader) -> None:
    assert read('{"name": "run", "arguments": {}}', tools=()).calls == [("run", {})]


def test_other_objects_with_a_name_are_text(read: Reader) -> None:
    text = '```json\n{"name": "Ada", "age": 36}\n```\n'
    assert (read(text).text, read(text).stopped) == (text, False)


def test_raw_newlines_in_strings_are_forgiven(read: Reader) -> None:
    text = '{"name": "shell", "arguments": {"command": "a\n\tb"}}'
    assert read(text).calls == [("shell", {"command": "a\n\tb"})]


@pytest.mark.parametrize("form", JSON_FORMS)
def test_a_json_call_that_is_cut_off(read: Reader, form: str) -> None:
    whole = JSON_FORMS[form]
    start, end = whole.rindex('"name"') + len('"name": "shell"'), whole.rindex("}")
    for at in range(start, end + 1):
        for complete in (True, False):
            result = read(whole[:at], complete=complete)
            assert not result.calls, whole[:at]
            assert [bad.reason for bad in result.bad] == ["the call was cut off before its end"]
            assert "shell" in result.bad[0].text


def test_a_tag_that_is_cut_off(read: Reader) -> None:
    assert read("So: <tool_call>\n", complete=False).bad
    assert read("So: <tool_call>\n{").bad


@pytest.mark.parametrize("form", FILE_FORMS)
def test_a_file_that_is_cut_off_by_a_limit(read: Reader, form: str) -> None:
    whole = FILE_FORMS[form]
    at = whole.index("print") + 3
    result = read(whole[:at], complete=False)
    assert not result.calls
    (bad,) = result.bad
    assert bad.text == "a.py\npri\n"
    assert "a.py was cut off" in bad.reason and "smaller file" in bad.reason
    assert "edit" in bad.reason
    assert read(whole[:at]).files == {"a.py": "pri\n"}


def test_an_open_block_without_a_word_empties_no_file(read: Reader) -> None:
    result = read("a.py\n```python\n")
    assert not result.calls and result.bad
    assert read("pkg/__init__.py\n```python\n```\n").files == {"pkg/__init__.py": ""}


# --- several calls, and what comes behind -------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{SHELL}\n</tool_call>\n<tool_call>\n{SHELL}\n</tool_call>",
        f"<tools>\n{SHELL}\n{SHELL}\n</tools>",
        f"```json\n{SHELL}\n{SHELL}\n```",
        f"```json\n{SHELL}\n```\n```json\n{SHELL}\n```\n",
        f"{SHELL}\n{SHELL}",
        f"[{SHELL}, {SHELL}]\n",
        f"```json\n[\n  {SHELL},\n  {SHELL}\n]\n```\n",
        f"<tools>\n[{PRETTY},\n{PRETTY}]\n</tools>",
        f"<tool_call>{SHELL}</tool_call>\n```json\n{SHELL}\n```",
    ],
)
def test_several_calls(read: Reader, text: str) -> None:
    for result in (read(text), read(list(text))):
        assert result.calls == [RUN, RUN]
        assert len({p.id for p in result.parts if isinstance(p, ToolCall)}) == 2
        assert result.text.strip() == "" and not result.stopped


@pytest.mark.parametrize(
    "behind",
    ["\nAll tests pass.", "\n<tool_response>\nok", "\n```python\nx\n```", '\n{"exit": 0}', "a.py"],
)
@pytest.mark.parametrize("form", ["tag", "bare", "fence, pretty", "tools"])
def test_what_follows_a_call_ends_the_message(read: Reader, form: str, behind: str) -> None:
    text = JSON_FORMS[form].rstrip("\n") + behind
    for pieces in ([text], list(text), [text, " more", f"\n{SHELL}"]):
        result = read(pieces)
        assert result.calls == [RUN] and result.stopped
        assert behind.strip() not in result.text


def test_nothing_counts_behind_the_end(specs: tuple[ToolSpec, ...]) -> None:
    parser = ChatmlJson().parser(specs)
    parser.feed(f"{SHELL}\nIt passes")
    parser.feed(f"\n{SHELL}\n")
    parser.finish()
    assert sum(isinstance(part, ToolCall) for part in parser.take()) == 1


def test_files_may_be_followed_by_more(read: Reader) -> None:
    result = read(f"a.py\n{PY}\nThen:\n\nb.py\n{PY}\nRun it.\n{SHELL}")
    assert list(result.files) == ["a.py", "b.py"] and result.calls[-1] == RUN
    assert result.text == "\nThen:\n\n\nRun it.\n" and not result.stopped


def test_a_made_up_result_ends_the_message(read: Reader) -> None:
    result = read(f"a.py\n{PY}\n<tool_response>\nTest passed\n</tool_response>")
    assert result.stopped and list(result.files) == ["a.py"]
    assert "Test passed" not in result.text
    assert not read(f"a.py\n{PY}\nA <tool_response> is a tag.").stopped
    result = read("\n<tool_response>\nwrote a.py\n</tool_response>")
    assert result.stopped and "wrote" not in result.text


# --- files --------------------------------------------------------------------------------------


def test_a_readme_keeps_its_own_fences(read: Reader) -> None:
    assert "\n\n```\nHello" in README and "```sh\n" in README
    result = read(f"src/README.md\n```markdown\n{README}```\n\nDone.")
    assert result.files == {"src/README.md": README} and result.text == "\nDone."


def test_a_readme_may_end_with_an_empty_line(read: Reader) -> None:
    """The last fence looks like the beginning of an example until the message is over."""
    text = f"README.md\n```markdown\n{README}\n```\n\nAnd:\n\na.py\n{PY}Done."
    result = read(text)
    assert result.files == {"README.md": f"{README}\n", "a.py": CONTENT}
    assert result.text == "\nAnd:\n\nDone."
    assert read(text, complete=False).bad
    again = read("README.md\n```md\nx\n\n```\nb.md\n```md\ny\n\n```\nDone.")
    assert again.files == {"README.md": "x\n\n", "b.md": "y\n\n"} and again.text == "Done."


def test_four_backticks_hold_three(read: Reader) -> None:
    result = read("a.md\n````md\n\n```\nx\n```\n\n````\nDone.", complete=False)
    assert result.files == {"a.md": "\n```\nx\n```\n\n"} and result.text == "Done."


def test_an_indented_fence_in_code_is_code(read: Reader) -> None:
    code = 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n'
    assert read(f"a.py\n```python\n{code}```\n").files == {"a.py": code}


def test_crlf_inside_of_a_plain_message_is_content(read: Reader) -> None:
    assert read("a.py\n```\na\r\nb\n```\n").files == {"a.py": "a\r\nb\n"}


EDIT = "<<<<<<< SEARCH\nold {0}\n=======\nnew {0}\n>>>>>>> REPLACE\n"


def test_sections_become_edits(read: Reader) -> None:
    body = "".join(EDIT.format(i) for i in range(30))
    result = read(f"a.py\n```python\n{body}\n```\n")
    assert result.calls == [
        ("edit", {"path": "a.py", "old": f"old {i}\n", "new": f"new {i}\n"}) for i in range(30)
    ]
    ids = {p.id for p in result.parts if isinstance(p, ToolCall)}
    assert len(ids) == 30


def test_a_section_may_delete_and_hold_marks_of_its_own(read: Reader) -> None:
    body = "<<<<<<< SEARCH\nx\n=======\n>>>>>>> REPLACE\n"
    assert read(f"a.py\n```\n{body}```").calls[0][1]["new"] == ""
    rst = "<<<<< SEARCH\nT\n=======\nU\n=======\n>>>>> REPLACE\n"
    assert read(f"a.rst\n```\n{rst}```").calls[0][1]["new"] == "U\n=======\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (EDIT.format(1) + "and this\n", "outside"),
        ("x = 1\n" + EDIT.format(1), "outside"),
        ("<<<<<<< SEARCH\nx\n=======\ny\n", "a section is"),
        (EDIT.format(1) + "<<<<<<< SEARCH\nx\n", "a section is"),
    ],
)
def test_half_a_section_changes_nothing(read: Reader, body: str, reason: str) -> None:
    result = read(f"a.py\n```python\n{body}```\n")
    assert not result.calls
    assert reason in result.bad[0].reason and body in result.bad[0].text


def test_blocks_need_their_tools(read: Reader, specs: tuple[ToolSpec, ...]) -> None:
    others = tuple(tool for tool in specs if not tool.raw)
    assert "no tool that writes" in read(f"a.py\n{PY}", tools=others).bad[0].reason
    text = f"a.py\n```\n{EDIT.format(1)}```"
    assert "no tool that edits" in read(text, tools=others).bad[0].reason


# --- directives ---------------------------------------------------------------------------------


def directives(specs: tuple[ToolSpec, ...], *pieces: str) -> list[object]:
    parser = ChatmlJson().parser(specs)
    return [parser.feed(piece) for piece in pieces]


def test_a_tag_switches_the_grammar_of_calls_on(specs: tuple[ToolSpec, ...]) -> None:
    lark = call_grammar(specs)
    assert directives(specs, "Hm <tool_call>", "\n", "{") == [Constrain(lark), None, None]
    assert directives(specs, 'x\n<tool_call>\n{"na') == [Constrain(lark, '\n{"na')]
    assert directives(specs, '<tool_call>\n{\n"x') == [Constrain(lark, '\n{\n"x')]
    assert directives(specs, "<tool_call>", "no") == [Constrain(lark), Release()]
    assert directives(specs, "`<tool_call>", "\n") == [None, None]
    # Where a model would begin to recite the declarations.
    assert directives(specs, "Hm <tools>", "\n", "{") == [Constrain(lark), None, None]
    assert directives(specs, '<tools>\n{"na', 'me": "shell", "arguments": {') == [
        Constrain(lark, '\n{"na'),
        None,
    ]
    assert directives(specs, "<tools>", "no") == [Constrain(lark), Release()]
    assert directives((), "<tool_call>") == [None]


def test_a_head_switches_the_grammar_of_its_arguments_on(specs: tuple[ToolSpec, ...]) -> None:
    shell = arguments_grammar(next(tool for tool in specs if tool.name == "shell"))
    head = '```json\n{"name": "shell",\n "arguments":'
    assert directives(specs, head, " {", '"command": "ls"}}') == [
        Constrain(shell),
        None,
        Release(),
    ]
    assert directives(specs, head + ' {"com\n') == [Constrain(shell, '{"com\n')]
    assert directives(specs, '{"name": "unknown", "arguments": {') == [Stop()]
    assert directives(specs, SHELL) == [Release()]


def test_who_must_act_begins_with_a_grammar(specs: tuple[ToolSpec, ...]) -> None:
    for blocks in (True, False):
        dialect = ChatmlJson(blocks=blocks)
        first = dialect.parser(specs, must_act=True).begin()
        assert isinstance(first, Constrain) and first.seen == ""
        assert ("`{3" in first.lark) == blocks
        assert dialect.parser(specs).begin() is None
        assert dialect.parser((), must_act=True).begin() is None


# --- while it is written ------------------------------------------------------------------------


def test_prose_is_shown_at_once(specs: tuple[ToolSpec, ...]) -> None:
    parser = ChatmlParser(specs, blocks=True, must_act=False)
    shown = []
    for piece in ("The", " fi", "x <", "b", "\n", "a.py", "\n", "x y"):
        parser.feed(piece)
        shown.append("".join(p.text for p in parser.take() if isinstance(p, TextPart)))
    assert shown == ["", "The fi", "x ", "<b", "\n", "", "", "a.py\nx y"]


def test_parts_come_in_order(read: Reader) -> None:
    kinds = [type(p) for p in read(f"Hi\n```sh\nls\n```\na.py\n{PY}bye\n{SHELL}").parts]
    assert kinds == [
        TextPart, UnplacedCode, CallPart, ToolCall, TextPart, CallPart, ToolCall,
    ]  # fmt: skip


BIG = {
    "a file": ("a.py\n```\n", "x = 1  # some code\n"),
    "one line of a file": ("a.py\n```\n", "x"),
    "JSON": ('{"name": "shell", "arguments": {"command": "', "x"),
    "a broken head": ("<tool_call>{", "x"),
    "a long name": ('{"name": "', "x"),
    "spaces": ('{"name": ', " "),
    "a word": ("", "x"),
    "backticks": ("", "`"),
    "a code block": ("```\n", "x"),
    "a first line": ("```json\n", " "),
    "tags in code": ("a.py\n```\n", "<<<<<<< SEARCH\n"),
    "half tags": ("", "<tool_"),
    "tools": ("", "<tools>"),
    "calls": ("", SHELL),
    "braces": ("", "{"),
    "behind a call": (SHELL, " \n"),
    "readmes": ("", "README.md\n```md\nx\n\n```\n"),
}


@pytest.mark.parametrize("kind", BIG)
@pytest.mark.parametrize("piecewise", [True, False])
def test_reading_is_linear(
    specs: tuple[ToolSpec, ...], kind: str, piecewise: bool, work_of: WorkOf
) -> None:
    """Counted in characters that are held, never in seconds."""
    start, more = BIG[kind]

    def read_all(size: int) -> None:
        text = start + more * (size // len(more))
        parser = ChatmlJson().parser(specs)
        for piece in text if piecewise else [text]:
            parser.feed(piece)
            parser.take()
        parser.finish()

    small, large = work_of(lambda: read_all(4_000)), work_of(lambda: read_all(16_000))
    assert large <= 6 * small + 20_000
