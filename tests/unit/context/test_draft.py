"""Files of small models: how long they may become, and tests that read what nobody writes."""

from __future__ import annotations

import pytest

from agent.context.draft import room_for, unwritten, whole_part
from agent.context.prompt import fence_opening

READS = """import unittest
from columns import read_rows


class T(unittest.TestCase):
    def test_rows(self):
{before}        self.assertEqual(read_rows({path}), [])


if __name__ == "__main__":
    unittest.main()
"""


def test_a_test_that_reads_what_nobody_writes() -> None:
    wrong = unwritten(READS.format(before="", path="'example.csv'"), ["README.md"])
    assert wrong is not None
    assert wrong.text == "it reads example.csv, which nothing writes"
    assert unwritten(READS.format(before="", path="'README.md'"), ["README.md"]) is None


@pytest.mark.parametrize(
    "before",
    [
        "with open('a.csv', 'w') as f:\n    pass\n",
        "with open('a.csv', mode='wb') as f:\n    pass\n",
        "Path('a.csv').write_text('')\n",
        "tempfile.NamedTemporaryFile()\n",
        "todo.save('a.csv')\n",
    ],
)
def test_a_test_that_writes_it(before: str) -> None:
    before = "".join(f"        {line}\n" for line in before.splitlines())
    assert unwritten(READS.format(before=before, path="'a.csv'"), []) is None


@pytest.mark.parametrize("path", ["'a b c'", "'a.b'", "3", "path", "'1.5'", "'wax'"])
def test_what_is_no_file(path: str) -> None:
    assert unwritten(READS.format(before="", path=path), []) is None


def test_reading_is_no_writing() -> None:
    before = "        open('a.csv', 'r')\n        open('a.csv')\n"
    assert unwritten(READS.format(before=before, path="x"), []) is not None


def test_no_python() -> None:
    assert unwritten("def (", []) is None


def test_tests_and_documents_have_less_room() -> None:
    rooms = [room_for(path, 65_536) for path in ("a.py", "tests/test_a.py", "README.md")]
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[0] == 8_192
    assert room_for("a.py", 100) == 1_024


def test_of_a_document_without_an_end_the_whole_sections_stay() -> None:
    fence = fence_opening("README.md")
    said = f"{fence}# It\n\n## Use\n\n```sh\n# a comment\nit\n```\n\n### More\n\nIt"
    assert whole_part(said, "README.md") == "# It\n\n## Use\n\n```sh\n# a comment\nit\n```\n\n"
