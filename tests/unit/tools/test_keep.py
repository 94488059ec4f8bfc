"""What a rewritten file left out comes back; what was rewritten stays word for word."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.keep import keep_rest

OLD = '''\
"""A module."""
import os
from math import (
    pi,
    tau,
)


def first(a):
    return a  # as it is


@cached
@other(1)
def second(b):
    def inner():
        return b

    return inner()


class Box:
    size = 3

    def __init__(self):
        self.items = []

    @property
    def full(self):
        return len(self.items) == self.size


async def last():
    return pi
'''


def names(text: str) -> list[str]:
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
            if isinstance(node, ast.ClassDef):
                inner = [n for n in node.body if isinstance(n, ast.FunctionDef)]
                found += [f"{node.name}.{n.name}" for n in inner]
    return found


ALL = ["first", "second", "Box", "Box.__init__", "Box.full", "last"]


@pytest.mark.parametrize("name", ["first", "second", "last"])
def test_a_function_alone_gets_the_others_back_in_order(name: str) -> None:
    prefix = "async " if name == "last" else ""
    new = f"{prefix}def {name}(x):\n    return 'new'\n"
    kept = keep_rest(OLD, new)
    assert names(kept.text) == ALL
    order = ["first", "second", "Box", "last"]
    assert [n for n in kept.names if n in order] == [n for n in order if n != name]
    assert new.strip() in kept.text
    assert "@cached\n@other(1)\ndef second" in kept.text or name == "second"


def test_what_is_put_back_is_as_it_was() -> None:
    kept = keep_rest(OLD, "async def last():\n    return 1\n").text
    for part in OLD.split("\n\n\n")[1:-1]:
        assert part.strip() in kept


def test_imports_come_back_with_the_rest() -> None:
    kept = keep_rest(OLD, "import os\n\n\ndef first(a):\n    return 2\n").text
    assert kept.count("import os") == 1
    assert "from math import (\n    pi,\n    tau,\n)" in kept


def test_a_method_comes_back_into_its_class() -> None:
    new = "class Box:\n    def __init__(self):\n        self.items = [1]\n"
    kept = keep_rest(OLD, new)
    assert "Box.full" in kept.names and "Box.__init__" not in kept.names
    assert names(kept.text) == ALL
    assert "    @property\n    def full(self):" in kept.text
    assert "self.items = [1]" in kept.text
    assert "self.items = []" not in kept.text


def test_a_method_comes_back_in_front_of_one_that_followed_it() -> None:
    old = "class A:\n    def a(self): ...\n    def b(self): ...\n    def c(self): ...\n"
    kept = keep_rest(old, "class A:\n    def b(self):\n        return 1\n")
    assert names(kept.text) == ["A", "A.a", "A.b", "A.c"]


def test_methods_of_several_classes() -> None:
    old = "".join(f"class {c}:\n    def x(self): ...\n    def y(self): ...\n\n\n" for c in "ABC")
    new = "".join(f"class {c}:\n    def y(self): return 1\n\n\n" for c in "AC")
    kept = keep_rest(old, new)
    assert names(kept.text) == ["A", "A.x", "A.y", "B", "B.x", "B.y", "C", "C.x", "C.y"]
    assert kept.text.count("return 1") == 2


@pytest.mark.parametrize(
    "new",
    [
        "def first(a):\n    return (\n",
        "x = 1\n",
        "def unheard_of():\n    return 1\n",
        "",
        "# only a comment\n",
        "\0",
    ],
)
def test_what_does_not_fit_stays_as_it_is(new: str) -> None:
    kept = keep_rest(OLD, new)
    assert (kept.text, kept.names) == (new, ())


@pytest.mark.parametrize("old", ["", "def f(:\n", "x = 1\n", "\0"])
def test_an_old_file_without_definitions_gives_nothing_back(old: str) -> None:
    new = "def f():\n    return 1\n"
    assert keep_rest(old, new).text == new


def test_a_whole_file_stays_as_it_is() -> None:
    new = OLD.replace("return a  # as it is", "return -a")
    kept = keep_rest(OLD, new)
    assert (kept.text, kept.names) == (new, ())


def test_a_class_without_methods_gets_them_back() -> None:
    """A class of which only attributes were written has lost its methods too."""
    kept = keep_rest(OLD, "class Box:\n    size = 4\n")
    assert set(ALL) == set(names(kept.text))


def test_class_attributes_come_back() -> None:
    """The methods that were put back read them."""
    kept = keep_rest(OLD, "class Box:\n    def __init__(self):\n        self.items = [1]\n")
    assert "size = 3" in kept.text


def test_constants_that_the_rest_needs_come_back() -> None:
    old = (
        "LIMIT = 3\n_cache: dict = {}\n\n\ndef a():\n    return LIMIT\n\n\ndef b():\n    return 1\n"
    )
    kept = keep_rest(old, "def b():\n    return 2\n").text
    space: dict[str, object] = {}
    exec(kept, space)
    assert space["LIMIT"] == 3
    assert space["_cache"] == {}
    assert space["a"]() == 3  # type: ignore[operator]


def test_what_the_new_code_uses_comes_back() -> None:
    """The usual answer: one function, without the imports of the file."""
    old = "import math\nimport os\n\nPI = math.pi\nE = 2.7\n\n\ndef area(r):\n    return PI * r\n"
    kept = keep_rest(old, "def area(r):\n    return PI * r**2\n")
    assert kept.names == ("math", "PI")
    assert kept.text.startswith("import math\n\n\nPI = math.pi\n\n\ndef")
    assert "os" not in kept.text and "2.7" not in kept.text


def test_what_the_new_code_dropped_stays_out() -> None:
    old = "from gone import helper\n\nitems = 1\n\n\ndef a():\n    return helper()\n"
    new = "def a():\n    self.items = 1\n\n\ndef helper():\n    return 1\n"
    assert keep_rest(old, new).text == new


def test_a_parameter_is_no_use_of_a_constant() -> None:
    new = "def a(items):\n    return items\n"
    assert keep_rest("items = [1]\n\n\ndef a():\n    return items\n", new).text == new


def test_a_property_comes_back_with_its_setter() -> None:
    old = (
        "class A:\n    @property\n    def x(self): return 1\n\n    @x.setter\n"
        "    def x(self, v): ...\n\n    def y(self): ...\n"
    )
    text = keep_rest(old, "class A:\n    def y(self): return 2\n").text
    assert text.index("@property") < text.index("@x.setter") < text.index("def y")


def test_the_main_block_stays_last() -> None:
    old = "def a(): ...\n\n\ndef b(): ...\n\n\nif __name__ == '__main__':\n    b()\n"
    main = "if __name__ == '__main__':\n    a()\n"
    for new in ("def a():\n    return 1\n", f"def a():\n    return 1\n\n\n{main}"):
        text = keep_rest(old, new).text
        assert text.index("def a") < text.index("def b") < text.index("if __name__")
        assert text.count("if __name__") == 1
        assert main in text or "b()" in text


def test_comments_above_a_definition_come_with_it() -> None:
    old = "# about a\n# and more\ndef a(): ...\n\n\ndef b(): ...\n"
    assert "# about a\n# and more\ndef a" in keep_rest(old, "def b():\n    return 1\n").text


def test_a_class_on_one_line_does_not_stop_the_rest() -> None:
    kept = keep_rest(OLD, "class Box: pass\n")
    assert names(kept.text) == ["first", "second", "Box", "last"]


def test_a_future_import_stays_first() -> None:
    old = "from __future__ import annotations\n\nimport os\n\n\ndef a(): ...\n\n\ndef b(): ...\n"
    new = '"""Text."""\nimport sys\n\n\ndef b():\n    return 1\n'
    text = keep_rest(old, new).text
    compile(text, "x", "exec")
    assert ast.get_docstring(ast.parse(text)) == "Text."
    again = keep_rest(old, "from __future__ import annotations\n\n\ndef b():\n    return 1\n").text
    compile(again, "x", "exec")
    assert names(again) == ["a", "b"]


def test_other_indentation_still_parses() -> None:
    old = "class A:\n\tdef a(self):\n\t\treturn 1\n\n\tdef b(self):\n\t\treturn 2\n"
    kept = keep_rest(old, "class A:\n    def b(self):\n        return 3\n").text
    compile(kept, "x", "exec")
    assert "return 3" in kept


def test_definitions_in_strings_are_not_mistaken() -> None:
    old = 'def a():\n    return """\ndef b():\n    x\n"""\n\n\ndef c(): ...\n'
    kept = keep_rest(old, "def c():\n    return 1\n")
    assert kept.names == ("a",)
    assert 'return """\ndef b():\n    x\n"""' in kept.text


def test_form_feeds_and_other_separators_do_not_shift_lines() -> None:
    old = "def a():\n    return 'x\x0cy\u2028z'\n\n\ndef b():\n    return 2\n\n\ndef c(): ...\n"
    kept = keep_rest(old, "def c():\n    return 's\x0c\u2028'\n").text
    assert "return 'x\x0cy\u2028z'" in kept
    assert "def b():\n    return 2" in kept
    assert "return 's\x0c\u2028'" in kept


BODIES = st.sampled_from(
    ["return 1", "return '''\n text\n'''", "x = [\n        1,\n    ]\n    return x", "pass  # no"]
)
NAME = st.sampled_from("abcdefgh")
HEADS = st.sampled_from(
    ["def {}():", "async def {}():", "@wrapped\ndef {}():", "@w\n@v(1)\ndef {}():"]
)


@st.composite
def function(draw: st.DrawFn, name: str, indent: str = "") -> str:
    text = f"{draw(HEADS).format(name)}\n    {draw(BODIES)}\n"
    if "'''" in text:
        return text if not indent else f"{indent}def {name}(self): ...\n"
    return "".join(f"{indent}{line}\n" for line in text.splitlines())


@st.composite
def modules(draw: st.DrawFn) -> dict[str, str]:
    parts = {}
    for name in draw(st.lists(NAME, unique=True, min_size=1, max_size=6)):
        if draw(st.booleans()):
            parts[name] = draw(function(name))
        else:
            methods = draw(st.lists(NAME, unique=True, min_size=1, max_size=3))
            inner = "\n".join(draw(function(m, "    ")) for m in methods)
            parts[name] = f"class {name}:\n{inner}"
    return parts


@given(modules(), modules())
def test_any_two_files(old: dict[str, str], new: dict[str, str]) -> None:
    before, after = "\n\n".join(old.values()), "\n\n".join(new.values())
    kept = keep_rest(before, after)
    found = names(kept.text)
    top = [name for name in found if "." not in name]
    if not set(old) & set(new):
        assert (kept.text, kept.names) == (after, ())
        return
    assert set(top) == set(old) | set(new)
    assert len(top) == len(set(top))
    assert [name for name in top if name in new] == list(new), "the new order stays"
    for text in new.values():
        if text.startswith("class"):
            assert all(line in kept.text for line in text.splitlines() if line.strip())
        else:
            assert text.rstrip() in kept.text
    for name in set(old) - set(new):
        assert old[name].rstrip() in kept.text
        assert name in kept.names
    assert keep_rest(before, kept.text).text == kept.text, "nothing is put back twice"
