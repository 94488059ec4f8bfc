"""What can be seen of a Python file without running it."""

from __future__ import annotations

import ast

import pytest

from agent.context.python import fault, imported, name_of, opening, signatures, undefined


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("import a.b, c", "x.py", {"a/b.py", "c.py"}),
        ("from pkg.b import f", "pkg/a.py", {"pkg/b.py", "pkg/b/f.py"}),
        ("from pkg import b", "x.py", {"pkg.py", "pkg/b.py"}),
        ("from .b import f", "pkg/a.py", {"pkg/b.py", "pkg/b/f.py"}),
        ("from . import b", "pkg/a.py", {"pkg.py", "pkg/b.py"}),
        ("from ..c import f", "pkg/sub/a.py", {"pkg/c.py", "pkg/c/f.py"}),
        ("def f():\n    import late", "a.py", {"late.py"}),
        ("from ..... import x", "a.py", {"/x.py"}),
        ("x = 1", "a.py", set()),
    ],
)
def test_what_a_file_imports(text: str, path: str, expected: set[str]) -> None:
    assert imported(ast.parse(text), path) == expected


@pytest.mark.parametrize(
    ("text", "signatures", "expected"),
    [
        ("def f(a):\n    pass", ["f(a: int) -> int"], []),
        ("async def f(): ...\nclass A: ...", ["async def f()", "class A"], []),
        ("class A:\n    def f(self): ...", ["f(a)"], ["f"]),
        ("class A:\n    def f(self): ...", ["class A", "f(a)"], []),
        ("class A:\n    def f(self): ...", ["A", "A.f(a)", "g()"], ["g"]),
        ("X: int = 1\nY, Z = 2, 3", ["X", "Y", "Z"], []),
        ("from os import path as p, sep\nimport json", ["p", "sep", "json"], []),
        ("def g(): ...", ["f(a)", "h"], ["f", "h"]),
        ("x = 1", ["the main loop", "main loop()"], []),
        ("x = 1", ["function f(text)", "method g(self)", "def h(a) -> int"], ["f", "g", "h"]),
        ("x = 1", ["X: int", "Y = 3", "f(a) which adds"], ["X", "Y", "f"]),
        ("x = 1", ["", "()"], []),
        ("class A:\n    def f(self): ...", ["A", "def f(a)"], ["f"]),
        ("class A:\n    def f(self): ...", ["A", "def f(self, a)"], []),
    ],
)
def test_what_a_file_lacks(text: str, signatures: list[str], expected: list[str]) -> None:
    assert undefined(ast.parse(text), signatures) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(", "it is no valid Python"),
        ("x = " + "(" * 5000, "it is no valid Python"),
        ("\0", "it is no valid Python"),
        ("from pkg.a import f", "it imports itself"),
        ("from .a import f", "it imports itself"),
        ("from pkg.b import g", "it imports pkg/b.py, which is written later"),
        ("def g(): ...", "it does not define f"),
        ("def f(x):\n    pass", "it leaves f to be written"),
        ("def f(x):\n    '''Text.'''\n    ...", "it leaves f to be written"),
        ("async def f(x):\n    raise NotImplementedError", "it leaves f to be written"),
        ("def f(x):\n    raise NotImplementedError('later')", "it leaves f to be written"),
    ],
)
def test_what_is_wrong_with_a_file(text: str, says: str) -> None:
    found = fault(text, "pkg/a.py", ["f(x)"], ["pkg/b.py"])
    assert found is not None and found.text.startswith(says)
    assert found.missing == (("f",) if "not define" in says else ())


def test_nothing_is_wrong_with_what_was_planned() -> None:
    text = "def f():\n    return 1\ndef g(): ...\nclass Bad(Exception):\n    pass\n"
    assert fault(text, "pkg/a.py", ["f(x)", "class Bad"], ["pkg/b.py"]) is None


def test_what_lacks_least_is_the_best() -> None:
    whole = "def g(): return 1"
    texts = ["def f(", "import a", "x = 1", whole, f"def f(): ...\n{whole}", f"{whole}\nf = g"]
    weights = [found.weight if (found := fault(t, "a.py", ["f(x)", "g(x)"])) else 0 for t in texts]
    assert weights == sorted(set(weights), reverse=True)


@pytest.mark.parametrize(
    ("signature", "line"),
    [
        ("f(a: int = 1) -> int", "def f(a: int = 1) -> int:\n"),
        ("def f(a):", "def f(a):\n"),
        ("async def f()", "async def f():\n"),
        ("class A(B)", "class A(B):\n"),
        ("A", "class A:\n"),
        ("function f(a)", "def f(a):\n"),
        ("f", ""),
        ("f(a", ""),
        ("f(text), which counts", ""),
    ],
)
def test_the_first_line_of_what_was_planned(signature: str, line: str) -> None:
    assert opening(["other(x)", signature], name_of(signature)) == line


def test_the_signatures_of_a_file() -> None:
    text = "X = 1\nclass A(B):\n    def f(self): ...\nclass C: ...\n"
    text += "async def g(a: int = 1, *b, **c) -> int: ...\ndef h(): ...\n"
    assert signatures(text) == [
        "class A(B)", "class C", "async def g(a: int=1, *b, **c)", "def h()",
    ]  # fmt: skip
    assert signatures("def f(") == []
