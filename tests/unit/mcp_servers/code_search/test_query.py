"""What is taken from a question."""

from __future__ import annotations

import time

import pytest

from mcp_servers.code_search.query import CODE, PROSE, TITLE, Frame, is_identifier, read_query
from mcp_servers.code_search.words import Splitter, parts


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("readHTTPFile_2", ["read", "http", "file"]),
        ("HTTPDigestAuth", ["http", "digest", "auth"]),
        ("__init__", ["init"]),
        ("MAX_SIZE", ["max", "size"]),
        ("plain", ["plain"]),
    ],
)
def test_names_are_split_by_case_and_underscore(word: str, pieces: list[str]) -> None:
    assert parts(word) == pieces


def test_indexed_text_has_each_name_whole_and_in_words() -> None:
    split = Splitter()
    for _ in range(2):
        assert (
            split.text("x = readFile(a_b)  # über")
            == "x readFile read File".replace("read File", "read file") + " a_b über"
        )


@pytest.mark.parametrize("word", ["snake_case", "CamelCase", "camelCase", "_private", "__init__"])
def test_identifiers_are_known_by_shape(word: str) -> None:
    assert is_identifier(word)


@pytest.mark.parametrize("word", ["word", "Word", "WORD", "_", "straße_weg", "x" * 100 + "_y"])
def test_words_are_no_identifiers(word: str) -> None:
    assert not is_identifier(word)


REPORT = """Sending fails
The method `Session.send` in shop/mail.py fails with `post_letter(urgent=True)`.
See https://example.org/unrelated/words and <!-- template words --> this:

```python
import skipped
client.deliver(x)
```

```
Traceback (most recent call last):
  File "/a/b/mail.py", line 3, in outer
    inner()
  File "C:\\\\x\\\\mail.py", line 9, in inner
    raise
shop.errors.SendError: the letter is too heavy
```
### Environment
installed_thing 3.2
"""


def test_a_report_is_taken_apart() -> None:
    query = read_query(REPORT)
    assert query.title == "Sending fails"
    assert query.terms["sending"] == TITLE and query.terms["method"] == PROSE
    assert query.terms["deliver"] == CODE
    assert {"Session.send", "post_letter", "client.deliver", "shop.errors.SendError"} <= set(
        query.names
    )
    assert "shop/mail.py" in query.paths
    assert [frame.name for frame in query.frames] == ["outer", "inner"]
    assert query.frames[0] == Frame("/a/b/mail.py", "outer")
    assert "the letter is too heavy" in query.phrases
    left_out = {"unrelated", "template", "skipped", "installed_thing", "the", "this"}
    assert left_out.isdisjoint(query.terms)


@pytest.mark.parametrize(
    ("line", "path", "name"),
    [
        ("    at Cart.add (/app/src/cart.js:10:5)", "/app/src/cart.js", "add"),
        ("    at com.shop.Cart.add(Cart.java:31)", "Cart.java", "add"),
        ("        from lib/cart.rb:12:in `add'", "lib/cart.rb", "add"),
        ("shop/cart.py:12: in add", "shop/cart.py", "add"),
    ],
)
def test_frames_of_other_languages(line: str, path: str, name: str) -> None:
    assert read_query(f"It fails\n{line}").frames == [Frame(path, name)]


@pytest.mark.parametrize(
    "text", ["a_" * 10_000, "(" * 20_000, "`" * 20_000, "a.b" * 7_000, "- " * 10_000, "\n" * 20_000,
             '"a' * 10_000, "<!--" * 5_000, "File \"" * 3_000, "at a" * 5_000, "x/" * 10_000]
)  # fmt: skip
def test_long_nonsense_takes_no_time(text: str) -> None:
    begin = time.process_time()
    read_query(f"title\n{text}")
    read_query(text)
    assert time.process_time() - begin < 2


def test_a_short_sentence_names_nothing_and_short_words_do() -> None:
    assert read_query("how is the proxy chosen").names == {}
    assert set(read_query("proxy headers").names) == {"proxy", "headers"}
