"""The plan of a whole project as data: when there is one, what is read of it, in which order."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from agent.context.blueprint import (
    MOST_FILES,
    ONLY,
    PlannedFile,
    complete,
    gathered,
    is_whole_project,
    listing,
    read_plan,
)


def plan(*files: str | dict[str, Any]) -> str:
    """A plan as the model writes it."""
    each = [
        {"path": f, "purpose": "Does it.", "defines": []} if isinstance(f, str) else f
        for f in files
    ]
    return json.dumps({"files": each})


def paths(text: str) -> list[str]:
    return [file.path for file in read_plan(text)]


@pytest.mark.parametrize(
    ("task", "files", "whole"),
    [
        ("Build a command-line application that counts words", [], True),
        ("create a small web server in Go", [], True),
        ("Scaffold me a Python\npackage for dates", ["README.md", ".gitignore"], True),
        ("Write a library for dates", ["notes.txt", "pyproject.toml"], True),
        ("Write a library for dates", [".hidden/x.py", "docs/.keep"], False),
        ("Write a library for dates", ["src/dates.py"], False),
        ("Write a library for dates", ["Makefile"], False),
        ("What does this project do?", [], False),
        ("rebuild the applications", [], False),
        ("fix the failing test", [], False),
        ("", [], False),
    ],
)
def test_a_whole_project_is_asked_for_where_there_is_none(
    task: str, files: list[str], whole: bool
) -> None:
    assert is_whole_project(task, files) is whole


def test_a_plan_is_read_as_it_is() -> None:
    text = plan({"path": "./a/b.py", "purpose": "Adds.", "defines": ["add(a, b)"]}, "c.md")
    assert read_plan(text) == [
        PlannedFile("a/b.py", "Adds.", ("add(a, b)",)),
        PlannedFile("c.md", "Does it."),
    ]


@pytest.mark.parametrize(
    "path",
    [
     "/etc/passwd", "../x.py", "a/../../x.py", "a/..", "..", ".", "", "./", "/", "//x",
     ".git/hooks/x",
     "a/.git/config", ".GIT/config", "./.git/config", ".git",
     ".ingle/settings.json", ".ingle", "a\\..\\x",
     "a\0b.py", "a\nb.py", " ", "a" * 300],
)  # fmt: skip
def test_paths_that_lead_elsewhere_are_dropped(path: str) -> None:
    assert paths(plan("a.py", path, "b.py")) == ["a.py", "b.py"]


@pytest.mark.parametrize(
    ("listed", "kept"),
    [
        (["a.py", "./a.py", "a.py"], ["a.py"]),
        (["pkg", "pkg/a.py"], ["pkg/a.py"]),
        (["pkg/a.py", "pkg/a.py/b.py"], ["pkg/a.py/b.py"]),
        (["a//b.py", "a/./c.py"], ["a/b.py", "a/c.py"]),
        ([".gitignore", ".github/ci.yml"], [".gitignore", ".github/ci.yml"]),
        ([f"f{n}.py" for n in range(99)], [f"f{n}.py" for n in range(MOST_FILES)]),
    ],
)
def test_each_file_once_and_none_named_as_a_folder(listed: list[str], kept: list[str]) -> None:
    assert paths(plan(*listed)) == kept


@pytest.mark.parametrize(
    "text",
    [
        "", "no JSON", '{"files": [{"path": "a.py", "purp', "[]", "{}", "null", "3", '"files"',
        '{"files": null}', '{"files": {}}', '{"files": "a.py"}', '{"files": [1, null, "a.py", []]}',
        '{"files": [{"purpose": "no path"}]}', '{"files": [{"path": 3, "purpose": 1}]}',
        "[" * 100_000, '{"files": NaN}',
    ],
)  # fmt: skip
def test_what_is_no_plan_has_no_files(text: str) -> None:
    assert read_plan(text) == []


def test_of_a_plan_that_was_cut_off_the_whole_files_count() -> None:
    text = plan("a.py", "b.py", "c.py")
    files = read_plan(text)
    for cut in range(len(text)):
        assert read_plan(text[:cut]) == files[: text[:cut].count("}")]


def test_files_that_the_task_names_are_planned() -> None:
    task = "With README.md, pyproject.toml and docs/README.md; it reads data.json and README.md.gz"
    files = complete([PlannedFile("a.py", ""), PlannedFile("pyproject.toml", "mine")], task)
    assert [file.path for file in files] == ["a.py", "pyproject.toml", "README.md"]
    assert complete([], task) == []


def test_what_a_plan_leaves_out_is_empty() -> None:
    text = '{"files": [{"path": "a.py"}, {"path": "b.py", "purpose": null, "defines": "f(x)"}]}'
    assert read_plan(text) == [PlannedFile("a.py", ""), PlannedFile("b.py", "")]


def test_packages_get_what_python_needs() -> None:
    files = complete(read_plan(plan("pkg/up/a.py", "pkg/b.py", "pkg/__init__.py", "m.py")))
    made = [file.path for file in files]
    assert made == ["pkg/up/a.py", "pkg/b.py", "m.py", "pkg/up/__init__.py", "pkg/__init__.py"]
    assert complete(read_plan(plan("src/main.rs", "web/x.ts"))) == read_plan(
        plan("src/main.rs", "web/x.ts")
    )


def test_code_is_written_before_its_tests_and_these_before_what_is_said_about_them() -> None:
    listed = ["README.md", "tests/test_a.py", "test_b.py", "b.py", "docs/x.rst", "a.py", "x.ts"]
    made = [file.path for file in complete(read_plan(plan(*listed)))]
    code = [path for path in made if path in ("b.py", "a.py")]
    assert code == ["b.py", "a.py"]
    assert made.index("a.py") < made.index("tests/test_a.py") < made.index("README.md")
    assert made.index("a.py") < made.index("test_b.py") < made.index("docs/x.rst")
    assert [p for p in made if p.endswith((".md", ".rst"))] == ["README.md", "docs/x.rst"]


def test_the_listing_has_all_that_others_may_count_on() -> None:
    files = [PlannedFile("a.py", "Adds.", ("add(a, b)", "Sum")), PlannedFile("b.md", "Says it.")]
    assert listing(files) == "- a.py: Adds. Defines: add(a, b); Sum\n- b.md: Says it."


def test_what_is_run_as_a_module_can_be_run() -> None:
    task = "a command line python -m pkg FILE; python3 -m alone too; tests: python -m unittest"
    alone = {"path": "alone.py", "purpose": "Adds.", "defines": ["add(a, b)"]}
    files = {file.path: file for file in complete(read_plan(plan("pkg/core.py", alone)), task)}
    assert list(files) == ["pkg/core.py", "alone.py", "pkg/__init__.py", "pkg/__main__.py"]
    assert "`python -m pkg` runs" in files["pkg/__main__.py"].purpose
    assert files["pkg/__main__.py"].purpose.endswith(
        "As the task has it: python -m pkg FILE. It prints that and no words around it."
    )
    assert files["alone.py"].purpose.startswith("Adds. `python -m alone` runs it")
    assert files["alone.py"].defines == ("add(a, b)", "main()")


def test_a_planned_main_stays_as_it_was_planned() -> None:
    main = {"path": "pkg/__main__.py", "purpose": "Mine.", "defines": []}
    files = complete(read_plan(plan("pkg/a.py", main)), "run it with python -m pkg")
    assert [file.purpose for file in files if file.path == "pkg/__main__.py"] == ["Mine."]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("python -m pkg N: prints N/2.5 as v1.0; more.", "python -m pkg N: prints N/2.5 as v1.0"),
        ("Run python3 -m pkg add TEXT or python3 -m pkg list. It prints.\n",
         "python3 -m pkg add TEXT or python3 -m pkg list"),
        ("python -m pkg A\npython -m pkg B", "python -m pkg A"),
    ],
)  # fmt: skip
def test_a_planned_main_hears_what_the_task_says_of_it(task: str, said: str) -> None:
    main = {"path": "pkg/__main__.py", "purpose": "Mine.", "defines": []}
    files = complete(read_plan(plan("pkg/a.py", main)), task)
    purposes = [file.purpose for file in files if file.path == "pkg/__main__.py"]
    assert purposes == [f"Mine. As the task has it: {said}. {ONLY}"]


def test_what_gathers_comes_behind_what_it_gathers() -> None:
    listed = ["pkg/__init__.py", "pkg/__main__.py", "tests/__init__.py", "tests/test_a.py"]
    files = complete(read_plan(plan(*listed, "pkg/a.py")))
    assert [file.path for file in files] == [
        "pkg/a.py", "pkg/__init__.py", "pkg/__main__.py", "tests/__init__.py", "tests/test_a.py",
    ]  # fmt: skip
    known = {file.path for file in files if file.content}
    assert known == {"pkg/__init__.py", "tests/__init__.py"}


def test_a_package_with_names_of_its_own_is_written_by_the_model() -> None:
    own = {"path": "pkg/__init__.py", "purpose": "Its version.", "defines": ["VERSION"]}
    files = complete(read_plan(plan("pkg/a.py", own)))
    assert not [file for file in files if file.content]


def test_a_package_that_plans_what_a_module_has_gathers_it() -> None:
    module = {"path": "pkg/a.py", "purpose": "", "defines": ["add(a, b)", "main()"]}
    twice = {"path": "pkg/__init__.py", "purpose": "Adds.", "defines": ["Adder", "add(a, b)"]}
    files = complete(read_plan(plan(module, twice)))
    assert [(file.path, file.content) for file in files][1:] == [
        ("pkg/__init__.py", '"""Adds."""\n')
    ]
    assert gathered(files[1], files) == {"add": "pkg/a.py"}


def test_what_a_package_is_for_can_be_its_docstring() -> None:
    listed = [PlannedFile("pkg/__init__.py", 'Says \\"hi"'), PlannedFile("pkg/a.py", "")]
    (text,) = [file.content for file in complete(listed) if file.content]
    assert ast.parse(text) and text == '"""Says \'hi\'"""\n'


def test_functions_that_the_task_names_are_planned() -> None:
    task = "functions add(a, b), which adds (as one does), and sub(a); print() and x.y(z) are not"
    files = complete(read_plan(plan("pkg/__init__.py", "pkg/a.py", "pkg/b.py", "test_a.py")), task)
    assert {f.path: f.defines for f in files if f.defines} == {
        "pkg/a.py": ("def add(a, b)", "def sub(a)")
    }
    planned = {"path": "b.py", "purpose": "", "defines": ["def add(a, b)", "def sub(a)"]}
    assert complete(read_plan(plan("a.py", planned)), task) == read_plan(plan("a.py", planned))
    own = {"path": "b.py", "purpose": "", "defines": ["class Sum", "add(a, b)", "sub(a, b)"]}
    assert complete(read_plan(plan("a.py", own)), task) == read_plan(plan("a.py", own))
    odd = {"path": "b.py", "purpose": "", "defines": ["function sub(int a) -> int", "X"]}
    assert complete(read_plan(plan("a.py", odd)), task)[-1].defines == ("def sub(a)", "X")
    of_class = complete(read_plan(plan("a.py")), "a class Sum with the method add(a, b)")
    assert of_class == read_plan(plan("a.py"))


def test_functions_of_a_task_come_together_for_a_small_model() -> None:
    task = "functions add(a, b) and sub(a, b); a command line python -m pkg"

    def file(path: str, *defines: str) -> dict[str, Any]:
        return {"path": path, "purpose": f"{path}.", "defines": list(defines)}

    files = read_plan(
        plan(
            file("pkg/add.py", "add(a, b)"), file("pkg/sub.py", "function sub(a, b)"),
            file("pkg/cli.py", "main()"), file("tests/test_add.py", "add(a, b)"),
        )
    )  # fmt: skip
    made = complete(files, task, together=True)
    assert made[0] == PlannedFile(
        "pkg/core.py", "pkg/add.py. pkg/sub.py.", ("def add(a, b)", "def sub(a, b)")
    )
    paths = [file.path for file in made]
    assert "pkg/add.py" not in paths and "pkg/cli.py" in paths and "tests/test_add.py" in paths
    assert "pkg/sub.py" in [file.path for file in complete(files, task)]
    # One alone stays, and so does what has more to it, lies elsewhere, or would take a name.
    for other in (file("pkg/sub.py", "sub(a, b)", "LIMIT"), file("other/sub.py", "sub(a, b)")):
        listed = read_plan(plan(file("pkg/add.py", "add(a, b)"), other))
        assert "pkg/add.py" in [file.path for file in complete(listed, task, together=True)]
    taken = [*files, PlannedFile("pkg/core.py", "Mine.", ("CORE",))]
    assert "pkg/add.py" in [file.path for file in complete(taken, task, together=True)]
