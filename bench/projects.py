"""Whole projects in an 8K window: ten small packages that the default model builds from nothing.

Each task names at least five files; its check runs the project's own tests and then the command
line on an input that the task's text does not have. At temperature 0 a task has one answer, so ten
tasks are ten different runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.app import Session
from bench.common import Collector, job, make_engine, workspace

WINDOW = 8192
SECONDS = 300.0  # for each project
TESTS = "{python} -m unittest discover -s tests -t . && ls tests/test*.py README.md pyproject.toml"


@dataclass(frozen=True)
class Project:
    """`command` is run behind the tests, and has to print `prints` in one of its lines."""

    name: str
    text: str
    command: str
    prints: str

    @property
    def task(self) -> str:
        return (
            f"Build a small Python package {self.name}: {self.text} Unit tests with unittest in "
            "the folder tests; README.md and pyproject.toml."
        )

    @property
    def check(self) -> str:
        python = sys.executable
        tests = TESTS.format(python=python)
        return f"{tests} && {python} {self.command} | grep -xF -- '{self.prints}'"


PROJECTS = (
    Project(
        "tally",
        "functions count_words(text), which gives a dict from each lower-case word to how often it "
        "occurs, and top(counts, n), which gives the n most frequent (word, count) pairs; a "
        "command line python -m tally FILE that prints the ten most frequent words, one a line, as "
        "the word, a space and its count.",
        "-c 'print(\"b a b\")' > in.txt && {python} -m tally in.txt",
        "b 2",
    ),
    Project(
        "roman",
        "functions to_roman(number), which gives the Roman numeral of a number from 1 to 3999 and "
        "raises ValueError for others, and from_roman(text), which gives its number back; a "
        "command line python -m roman NUMBER that prints the numeral.",
        "-m roman 1994",
        "MCMXCIV",
    ),
    Project(
        "rle",
        "functions encode(text), which writes each run of a letter as the letter and how often it "
        "stands there, so that aaab becomes a3b1, and decode(text), which gives the text back; a "
        "command line with two subcommands, python -m rle encode TEXT and python -m rle decode "
        "TEXT, that prints the result.",
        "-m rle encode zzzzy",
        "z4y1",
    ),
    Project(
        "caesar",
        "functions encrypt(text, shift) and decrypt(text, shift), which move letters along the "
        "alphabet, keep their case and leave everything else as it is; a command line "
        "python -m caesar SHIFT TEXT that prints the encrypted text.",
        "-m caesar 3 'xyz, Abc'",
        "abc, Def",
    ),
    Project(
        "columns",
        "functions read_rows(path), which gives the rows of a CSV file with a header as a list of "
        "dicts, and total(rows, column), which gives the sum of a numeric column as a float; a "
        "command line python -m columns FILE COLUMN that prints the sum with two decimals.",
        "-c 'print(\"a,b\\n1,2\\n3,4.5\")' > in.csv && {python} -m columns in.csv b",
        "6.50",
    ),
    Project(
        "headings",
        "functions headings(text), which gives a list of (level, title) for the # headings of a "
        "Markdown text, and outline(items), which gives a text with a line for each, '- ' and the "
        "title, indented by two spaces for every level below the first; a command line "
        "python -m headings FILE that prints the outline.",
        "-c 'print(\"# A\\n\\ntext\\n\\n## B\")' > in.md && {python} -m headings in.md",
        "  - B",
    ),
    Project(
        "primes",
        "functions is_prime(n) and primes_up_to(n), which gives the list of all primes up to and "
        "including n with a sieve, and factors(n), which gives the list of the prime factors of n "
        "in rising order with repeats; a command line python -m primes NUMBER that prints the "
        "factors in one line with spaces between them.",
        "-m primes 84",
        "2 2 3 7",
    ),
    Project(
        "units",
        "functions celsius_to_fahrenheit(c), fahrenheit_to_celsius(f) and convert(value, unit), "
        "which takes 'C' or 'F' as unit, gives the value in the other one and raises ValueError "
        "for any other unit; a command line python -m units VALUE UNIT that prints the result with "
        "one decimal.",
        "-m units 212 F",
        "100.0",
    ),
    Project(
        "todo",
        "a class TodoList with the methods add(text), done(number), which marks an item, numbered "
        "from 1, and items(), which gives a list of (number, text, is_done), and save(path) and "
        "load(path), which keep it in a JSON file; a command line with the subcommands "
        "python -m todo add TEXT and python -m todo list, which keeps its items in todo.json in "
        "the current folder and prints each as its number, a dot, a space and its text.",
        "-m todo add milk && {python} -m todo add bread && {python} -m todo list",
        "2. bread",
    ),
    Project(
        "wrapper",
        "functions wrap(text, width), which breaks a text at spaces into a list of lines of at "
        "most width characters, and justify(line, width), which pads a line with spaces on the "
        "left so that it is width characters wide; a command line python -m wrapper WIDTH TEXT "
        "that prints the wrapped lines, one below the other.",
        "-m wrapper 7 'one two three'",
        "one two",
    ),
)


async def run(names: list[str] | None = None, progress: Callable[[str], None] = print) -> None:
    """Every project once, at temperature 0, on one engine; seconds without loading."""
    engine = make_engine(WINDOW)
    await engine.load(lambda _progress: None)
    chosen = [each for each in PROJECTS if not names or each.name in names]
    passed = 0
    for project in chosen:
        await engine.rewind(0)
        screen = Collector()
        with workspace({}) as folder:
            session = Session(engine, folder, Collector.log(), screen)
            await session.start(sandbox="workspace")
            started = time.perf_counter()
            check = project.check.replace("{python}", sys.executable)
            ended = await session.do(job(project.task, folder, check=check, seconds=SECONDS))
            await session.leave()
        passed += ended.check_passed is True
        progress(
            f"{project.name:10s} {'passed' if ended.check_passed else 'failed':6s} ({ended.stop}) "
            f"{time.perf_counter() - started:6.1f} s  {len(ended.changed)} files  "
            f"{ended.turns:2d} answers"
        )
    progress(f"{passed} of {len(chosen)} passed")
    await engine.close()
