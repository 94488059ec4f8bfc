"""What a model writes is rendered and obeys nobody."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ui.escape import safe
from agent.ui.repl.paint import Painter

SGR = re.compile(r"\x1b\[[0-9;]*m")


def bare(lines: list[str]) -> str:
    return SGR.sub("", "\n".join(lines))


def test_numbers_of_characters_are_made_safe_after_rendering() -> None:
    # The reader of Markdown turns it into the character itself, behind the first escaping.
    shown = bare(Painter(60).markdown("a&#x202e;b &#8206; [x](javascript:y) `\x1b]0;t\x07`"))
    assert "\\u202eb" in shown and "\u202e" not in shown and "\\x1b]0;t\\x07" in shown


def test_html_is_text() -> None:
    assert "List<int> and <b>this</b>" in bare(Painter(60).markdown("List<int> and <b>this</b>"))


@pytest.mark.parametrize("width", [2, 10, 40])
@given(text=st.text(st.characters() | st.sampled_from("\x1b\x9b\u202e*`#>|-\n&;"), max_size=80))
def test_nothing_dangerous_comes_out(width: int, text: str) -> None:
    painter = Painter(width)
    for lines in (painter.markdown(text), painter.code(text, "python")):
        shown = bare(lines)
        assert safe(shown) == shown


def test_code_in_parts_has_each_line_once_and_in_full() -> None:
    code = 'def f():\n    """doc\n\n    more"""\n    return 1\n\n'
    painter = Painter(60)
    whole = bare(painter.code(code, "python"))
    parts = [*painter.code("\n".join(code.split("\n")[:3]), "python")]
    parts += painter.code(code, "python", 3)
    assert bare(parts) == whole
    assert [line[2:] for line in whole.split("\n")] == [x.rstrip() for x in code.split("\n")]


def test_long_lines_of_code_go_on_below() -> None:
    lines = Painter(10, colour=False).code("x = 'abcdefghijkl'", "python")
    assert [line[2:] for line in lines] == ["x = 'abc", "defghijk", "l'"]


def test_without_colour_there_is_none() -> None:
    painter = Painter(40, colour=False)
    text = "# A\n\n**b** `c`"
    assert "\x1b" not in "".join([*painter.markdown(text), *painter.code("x = 1", "python")])


@pytest.mark.parametrize("before", ["", "> ", "- "])
def test_lines_of_their_own_stay_there(before: str) -> None:
    text = f"{before}One\n{' ' * len(before)}Two **x**"
    lines = bare(Painter(60).markdown(text)).splitlines()
    assert [line.strip(" •▌") for line in lines] == ["One", "Two x"]
