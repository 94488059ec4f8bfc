"""Texts in tests that are indented like the code around them."""

from __future__ import annotations

import pytest

from agent.context.texts import outdented

TEST = '''def test():
    text = """
    # A
      deeper

    ü
    """
    other = f("""
        one
        two""", 1)
    return text, other
'''


def test_a_text_stands_at_the_left() -> None:
    space: dict[str, object] = {"f": lambda text, _number: text}
    exec(f"{outdented(TEST)}\nfound = test()", space)
    assert space["found"] == ("# A\n  deeper\n\nü\n", "one\ntwo")
    assert outdented(outdented(TEST)) == outdented(TEST)


@pytest.mark.parametrize(
    "text",
    [
        'def test():\n    """\n    What it is for.\n    """\n',
        'def test():\n    text = """# A\n    b"""\n',
        'def test():\n    text = """\n# A\n    b\n"""\n',
        'def test():\n    text = r"""\n    \\d\n    """\n',
        'def test():\n    text = """\n  less deep than the code\n    """\n',
        "def test():\n    text = (\n        'a'\n        'b'\n    )\n",
        "def test(:\n",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert outdented(text) == text
