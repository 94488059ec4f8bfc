"""What a project knows puts a file of it right: each case fails before, and runs after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.context.mending import exports, mended

CORE = "def double(n):\n    return 2 * n\n\n\nclass Sum:\n    total = 0\n"
FILES = {
    "pkg/__init__.py": '"""A package."""\n',
    "pkg/core.py": CORE,
    "pkg/text.py": "from pkg.core import double\n\n\ndef show(n):\n    return str(double(n))\n",
    "pkg/user.py": "import pkg.late\n\nLIMIT = 3\n",
    "pkg/one.py": "def same(): ...\n",
    "pkg/two.py": "def same(): ...\n",
    "tests/test_x.py": "def helper(): ...\n",
}


def run(root: Path, path: str, text: str) -> subprocess.CompletedProcess[str]:
    for name, content in {**FILES, path: text}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__main__")
    command = [sys.executable, "-m", module, "4"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("path", "text", "printed"),
    [
        ("app.py", "from pkg import double\nprint(double(4))\n", "8\n"),
        ("app.py", "from pkg.text import show, Sum as S\nprint(show(4), S.total)\n", "8 0\n"),
        ("app.py", "from pkg.nowhere import double\nprint(double(4))\n", "8\n"),
        ("app.py", "from core import (\n    double,\n    Sum,\n)\nprint(double(4))\n", "8\n"),
        ("app.py", "def f():\n    from .core import double\n    print(double(4))\nf()\n", "8\n"),
        ("pkg/app.py", "from .one import double, same\nprint(double(4), same())\n", "8 None\n"),
        ("pkg/app.py", "from .nowhere import double\nprint(double(4))\n", "8\n"),
        ("app.py", "print(double(4))\n", "8\n"),
        ("app.py", '"""Text."""\n\nprint(show(int(sys.argv[1])))\n', "8\n"),
        ("app.py", '"""Text."""\nfrom __future__ import annotations\nprint(double(4))\n', "8\n"),
        ("app.py", "def f(n: List[str]):\n    return len(Counter(n))\nprint(f([]))\n", "0\n"),
        ("pkg/__main__.py", "def main():\n    print(double(4))\n", "8\n"),
        ("pkg/__main__.py", "def main(argv):\n    print(double(int(argv[0])))\n", "8\n"),
        ("app.py", "def main():\n    print(double(4))\n", "8\n"),
        ("pkg/__main__.py", "def main(n=4):\n    print(double(n))", "8\n"),
    ],
)  # fmt: skip
def test_a_file_runs_after_it_was_mended(
    tmp_path: Path, path: str, text: str, printed: str
) -> None:
    before = run(tmp_path, path, text)
    assert before.stdout != printed
    after = run(tmp_path, path, mended(text, path, FILES))
    assert (after.stdout, after.stderr) == (printed, "")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app.py", "from pkg.core import double\nimport sys\nprint(double(len(sys.argv)))\n"),
        ("app.py", "from pkg import core\nprint(core.double(4))\n"),
        ("app.py", "from pkg.core import *\n"),
        ("app.py", "from click import double, echo\n"),  # a library may have it
        ("app.py", "from operator import double\n"),
        ("app.py", "from pkg.core import triple\n"),  # nobody has it
        ("app.py", "print(unheard_of)\n"),
        ("app.py", "print(same)\n"),  # two have it
        ("app.py", "print(helper)\n"),  # a test's own
        ("pkg/late.py", "print(LIMIT)\n"),  # its module imports this one
        ("app.py", "def double(\n"),
        ("app.py", ""),
        ("app.md", "print(double(4))\n"),
        ("app.py", "x = 1; from pkg import double\n"),
        ("app.py", "from pkg.app import main\n"),  # another one's own matter
        ("pkg/__main__.py", "from pkg.core import double\nprint(double(4))\n"),
        ("pkg/__main__.py", "import sys\ndef main(): ...\nsys.exit(main())\n"),
        ("pkg/__main__.py", "def main(): ...\nif __name__ == '__main__':\n    main()\n"),
        ("app.py", "x = " + "-" * 3000 + "1\n"),
    ],
)
def test_what_would_not_fail_or_is_not_known_stays(path: str, text: str) -> None:
    assert mended(text, path, FILES) == text


def test_a_name_with_test_in_it_is_no_test() -> None:
    files = {"pkg/latest.py": "def newest(): ...\n"}
    assert mended("print(newest())\n", "app.py", files).startswith(
        "from pkg.latest import newest\n"
    )


def test_the_file_as_it_was_before_does_not_count() -> None:
    files = {**FILES, "app.py": "def double(n): ...\n"}
    assert mended("print(double(4))\n", "app.py", files).startswith("from pkg.core import double\n")


def test_files_that_are_no_python_are_passed_over() -> None:
    files = {**FILES, "bad.py": "def double(", "data.json": "{}"}
    assert mended("print(double(4))\n", "app.py", files).startswith("from pkg.core import double\n")


def test_a_package_has_what_its_modules_define() -> None:
    names = {"double": "pkg/core.py", "show": "pkg/text.py", "same": "pkg/two.py"}
    lines = exports({**names, "Sum": "pkg/core.py", "double2": "pkg/core.py", "x": "x.py"}, FILES)
    assert lines == (
        "from pkg.core import Sum, double\nfrom pkg.text import show\nfrom pkg.two import same\n"
    )
    assert exports({}, FILES) == ""


def test_an_unused_import_of_a_stranger_goes() -> None:
    text = "import pandas as pd\nimport os\nimport adder\nimport numpy\n\nx = numpy.zeros(3)\n"
    kept = "import os\nimport adder\nimport numpy\n\nx = numpy.zeros(3)\n"
    assert mended(text, "main.py", {"adder.py": ""}) == kept
    assert mended(text, "pkg/__init__.py", {"adder.py": ""}) == text


@pytest.mark.parametrize("text", ["import pandas; x = 1\n", "import pandas  # for its plugins\n"])
def test_a_line_that_says_more_stays(text: str) -> None:
    assert mended(text, "main.py", {}) == text


def test_a_local_that_hides_a_function_is_renamed() -> None:
    text = "def total(a):\n    return a\n\n\ndef f():\n    total = total(1)\n    return total\n"
    assert "total_value = total(1)" in mended(text, "a.py", {})


TESTS = """\
import unittest

from pkg.core import double


class TestDouble(unittest.TestCase):
    def test_two(self):
        self.assertEqual(double(2), 4)

    def test_list(self):
        files = list_files(".")
        self.assertEqual(list_files("."), files)

    def test_three(self):
        self.assertEqual(double(3), 6)
"""


def test_tests_of_names_that_nothing_defines_go() -> None:
    after = mended(TESTS, "tests/test_core.py", FILES)
    assert "list_files" not in after
    assert after.count("def test") == 2
    # Elsewhere it is not known what a name is for.
    assert mended(TESTS, "pkg/check.py", FILES) == TESTS


def test_the_last_test_stays() -> None:
    last = TESTS[: TESTS.index("    def test_two")] + TESTS[TESTS.index("    def test_list") :]
    last = last[: last.index("    def test_three")]
    assert mended(last, "tests/test_core.py", FILES) == last
