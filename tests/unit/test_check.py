"""What is left of a failed check's output: made from real reports of pytest and unittest."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from agent.check import MOST_CHARS, NOT_STARTED, READ, core, run_check, sought
from agent.errors import PermissionDenied
from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.base import Sandbox
from tools.sandbox.missing import Missing
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox
from tools.workspace import Workspace

RUNNERS = {
    "pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=."],
    "unittest": [sys.executable, "-m", "unittest"],
}


@pytest.fixture(params=sorted(RUNNERS))
def runner(request: pytest.FixtureRequest) -> list[str]:
    return RUNNERS[request.param]


def report(folder: Path, command: list[str], test: str, **modules: str) -> str:
    """The real output of a runner on a test file; it has to fail."""
    (folder / "test_it.py").write_text(test)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0, done.stdout
    return done.stdout


def case(*methods: str, head: str = "") -> str:
    body = "\n".join(f"    {line}" for method in methods for line in method.splitlines())
    return f"import unittest\n{head}\n\nclass T(unittest.TestCase):\n{body}\n"


ADD = "def add(a, b):\n    return a - b\n"
EQUAL = "def test_add(self):\n    self.assertEqual(add(2, 3), 5)"


def test_an_assertion_is_named_with_its_line(tmp_path: Path, runner: list[str]) -> None:
    out = report(tmp_path, runner, case(EQUAL, head="from calc import add"), calc=ADD)
    text = core(out)
    assert "test_add" in text
    assert "self.assertEqual(add(2, 3), 5)" in text
    assert "-1 != 5" in text
    assert len(text) < len(out)
    for noise in ("Ran 1 test", "test session starts", "short test summary", "FAILED (failures"):
        assert noise not in text


def test_a_plain_assert_is_explained(tmp_path: Path) -> None:
    test = "from calc import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    text = core(report(tmp_path, RUNNERS["pytest"], test, calc=ADD))
    assert text.splitlines()[0] == "test_add:"
    assert ">       assert add(2, 3) == 5" in text
    assert text.splitlines()[-1] == "E        +  where -1 = add(2, 3)"


def test_an_exception_in_the_code_shows_where_it_was_raised(
    tmp_path: Path, runner: list[str]
) -> None:
    module = "def add(a, b):\n    table = {}\n    return table[a]\n"
    text = core(report(tmp_path, runner, case(EQUAL, head="from calc import add"), calc=module))
    assert "return table[a]" in text
    assert "KeyError: 2" in text


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("import does_not_exist\n", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("def sub(a, b): ...\n", "ImportError: cannot import name 'add' from 'calc'"),
        ("def add(a, b:\n    return a\n", "SyntaxError"),
        ("raise RuntimeError('at import')\n", "RuntimeError: at import"),
    ],
)
def test_a_module_that_cannot_be_imported(
    tmp_path: Path, runner: list[str], module: str, error: str
) -> None:
    text = core(report(tmp_path, runner, case(EQUAL, head="from calc import add"), calc=module))
    assert error in text
    assert "test_it" in text
    assert len(text) < 2500


def test_many_failures_are_counted(tmp_path: Path, runner: list[str]) -> None:
    methods = [f"def test_{i}(self):\n    self.assertEqual({i}, -1)" for i in range(9)]
    text = core(report(tmp_path, runner, case(*methods)))
    assert [f"{i} != -1" in text for i in range(9)] == [True] * 3 + [False] * 6
    assert text.endswith("(and 6 more failures)")


def test_subtests_are_told_apart(tmp_path: Path) -> None:
    method = (
        "def test_all(self):\n    for i in (1, 2):\n"
        "        with self.subTest(i=i):\n            self.assertEqual(i, 0)"
    )
    text = core(report(tmp_path, RUNNERS["unittest"], case(method)))
    assert "(i=1)" in text and "(i=2)" in text
    assert "1 != 0" in text and "2 != 0" in text


def test_what_the_program_printed_is_left_out(tmp_path: Path) -> None:
    method = "def test_it(self):\n    print('noise ' * 500)\n    self.assertEqual(1, 2)"
    text = core(report(tmp_path, RUNNERS["pytest"], case(method)))
    assert "1 != 2" in text
    assert "Captured" not in text
    assert text.count("noise") <= 1  # in the source line


def test_an_error_in_a_fixture(tmp_path: Path) -> None:
    test = (
        "import pytest\n\n@pytest.fixture\ndef it():\n    raise OSError('no disk')\n\n"
        "def test_a(it):\n    pass\n"
    )
    text = core(report(tmp_path, RUNNERS["pytest"], test))
    assert "OSError: no disk" in text
    assert "ERROR at setup of test_a" in text


def test_an_error_in_set_up(tmp_path: Path) -> None:
    methods = ("def setUp(self):\n    raise OSError('no disk')", "def test_a(self):\n    pass")
    text = core(report(tmp_path, RUNNERS["unittest"], case(*methods)))
    assert text.startswith("ERROR: test_a")
    assert "OSError: no disk" in text


def test_a_cause_is_shown_with_its_consequence(tmp_path: Path, runner: list[str]) -> None:
    module = (
        "def add(a, b):\n    try:\n        return {}[a]\n"
        "    except KeyError as e:\n        raise ValueError('no a') from e\n"
    )
    text = core(report(tmp_path, runner, case(EQUAL, head="from calc import add"), calc=module))
    assert "ValueError: no a" in text


def test_long_values_are_cut(tmp_path: Path, runner: list[str]) -> None:
    method = "def test_long(self):\n    self.assertEqual('a' * 50_000, 'b' * 50_000)"
    text = core(report(tmp_path, runner, case(method)))
    assert "test_long" in text
    assert "AssertionError" in text
    assert len(text) <= MOST_CHARS + 100


@pytest.mark.parametrize("style", ["--tb=short", "--tb=line", "--tb=native", "-q", "-v"])
def test_other_styles_of_pytest(tmp_path: Path, style: str) -> None:
    command = [*RUNNERS["pytest"], style]
    text = core(report(tmp_path, command, case(EQUAL, head="from calc import add"), calc=ADD))
    assert "-1 != 5" in text


def test_another_output_is_cut_to_its_end() -> None:
    lines = [f"line {i}" for i in range(500)]
    text = core("\n\n".join(lines) + "\n\n")
    assert text.splitlines() == lines[-40:]
    assert core("") == ""
    assert core("x" * 100_000, 500) == core("x" * 100_000)[-500:]
    assert len(core("x" * 100_000)) < 1_000


@pytest.mark.parametrize("most", [200, 1_000, 4_000])
def test_the_result_keeps_to_its_limit(tmp_path: Path, runner: list[str], most: int) -> None:
    methods = [f"def test_{i}(self):\n    self.assertEqual('{'x' * 300}', {i})" for i in range(9)]
    text = core(report(tmp_path, runner, case(*methods)), most)
    assert len(text) <= most + 40
    assert "test_0" in text
    assert text.endswith("more failures)")


def tools(folder: Path, sandbox: Sandbox | None = None) -> ToolContext:
    return ToolContext(Workspace(folder), sandbox or Off(), OutputStore(None))


async def test_a_check_passes_by_its_exit_code(tmp_path: Path) -> None:
    good = await run_check("echo FAILED; exit 0", tools(tmp_path), 60)
    assert (good.passed, good.exit_code, good.failure) == (True, 0, "")
    bad = await run_check("echo all good; exit 3", tools(tmp_path), 60)
    said = "all good\nexit code 3; it ended with:\n+ echo all good\n+ exit 3"
    assert (bad.passed, bad.exit_code, bad.failure) == (False, 3, said)
    assert (await run_check("no-such-command-here", tools(tmp_path), 60)).exit_code == 127


async def test_a_check_that_takes_too_long_fails(tmp_path: Path) -> None:
    result = await run_check("echo begun; sleep 600", tools(tmp_path), 0.3)
    assert (result.passed, result.exit_code) == (False, None)
    assert result.failure.startswith("timed out after 0.3 s\nbegun")
    assert result.failures == NOT_STARTED


async def test_the_first_failure_of_a_long_report_is_found(tmp_path: Path) -> None:
    """The limit of the tools' outputs would cut the report in its middle."""
    methods = [f"def test_{i:03}(self):\n    self.assertEqual({i}, -1)" for i in range(200)]
    (tmp_path / "test_it.py").write_text(case(*methods))
    result = await run_check(f"{sys.executable} -m unittest", tools(tmp_path), 60)
    assert result.failure.startswith("FAIL: test_000")
    assert result.failure.endswith("(and 197 more failures)")


async def test_without_a_sandbox_nothing_is_run(tmp_path: Path) -> None:
    context = ToolContext(Workspace(tmp_path), Missing("no bubblewrap"), OutputStore(None))
    with pytest.raises(PermissionDenied, match=r"^the check was not run: no bubblewrap$"):
        await run_check("touch made", context, 60)
    assert not (tmp_path / "made").exists()


async def test_a_command_that_cannot_be_started_fails(tmp_path: Path) -> None:
    result = await run_check("x" * 3_000_000, tools(tmp_path), 60)
    assert not result.passed
    assert "cannot be started" in result.failure


ENDED = "it ended with:\n"


@pytest.mark.parametrize("sandbox", ["off", "workspace"])
@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("true && grep -q b < /dev/null", f"exit code 1; {ENDED}+ true\n+ grep -q b"),
        ("cd . && for i in 1 2; do test $i = 1; done", "+ test $i = 1"),
        ("set -e; echo a; false; echo b", f"a\nexit code 1; {ENDED}+ set -e\n+ echo a\n+ false"),
        ("x=$(echo hidden | tr h H); test $x = 1", "\n+ test $x = 1"),
        ("echo a; exit 4", f"exit code 4; {ENDED}+ echo a\n+ exit 4"),
        ("true && echo a | grep -q b", "\n+ grep -q b"),  # both at once, in any order
        ("echo a; (echo b; exit 4)", f"exit code 4; {ENDED}+ echo a\n+ echo b\n+ exit 4"),
    ],
)
async def test_the_step_that_failed_is_named(
    tmp_path: Path, command: str, told: str, sandbox: str
) -> None:
    held = find_sandbox() if sandbox == "workspace" else Off()
    result = await run_check(command, tools(tmp_path, held), 60)
    assert not result.passed and told in result.failure
    assert "trace" not in result.failure and "__code" not in result.failure


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("false", ""),
        ("sh -c 'echo no; exit 1'", "no"),
        ("trap 'echo mine' EXIT; false", "mine"),
        ("if", "syntax error"),
        ("cat <<E\nx\nE\nfalse", f"x\nexit code 1; {ENDED}+ cat <<E\n+ false"),
        ("echo one >&2; echo two; false # three", "one\ntwo\n"),
        ("set -u; true; exit 4", "+ exit 4"),
        ("set -e; true; exit 4", "+ exit 4"),
        ("set -eu; f() { (exit 5); }; f; true", ""),
        ("set -f; echo a | grep -q b", f"{READ}:\na"),
    ],
)
async def test_nothing_else_of_a_check_changes(tmp_path: Path, command: str, failure: str) -> None:
    result = await run_check(command, tools(tmp_path), 60)
    plain = await asyncio.create_subprocess_exec(
        "bash", "-c", command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    await plain.wait()
    assert result.exit_code == plain.returncode
    assert failure in result.failure and "trace" not in result.failure


@pytest.mark.parametrize(
    ("command", "read"),
    [
        ("echo 100.0 C | grep -xF 100.0", "100.0 C"),
        ("set -o pipefail; printf 'a\nb\n' | grep -q c", "a\nb"),
        ("echo a | cat | grep -v b | grep -qx b", "a"),
        ("echo a | grep -q a && echo b | grep -q c", "b\nOne line has to have `c` in it."),
        ("echo a | { read -r x; false; } | grep -q a", ""),
        ("seq 100000 | grep -x no", "1\n2\n3"),
        (
            "echo a | grep -x b",
            "a\nOne line has to be exactly `b`, with nothing before or behind it.",
        ),
    ],
)
async def test_what_grep_was_given_is_told(tmp_path: Path, command: str, read: str) -> None:
    result = await run_check(command, tools(tmp_path), 60)
    assert result.exit_code == 1
    assert f"{READ}:\n{read}" in result.failure or not read
    assert len(result.failure) < 1_500


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("grep -xF -- '6.50'", "One line has to be exactly `6.50`, with"),
        ('grep -q "two words"', "One line has to have `two words` in it."),
        ("grep -v a", ""),
        ('grep -q "$x"', ""),
        ("grep -c a", ""),
        ("grep -e a -e b", ""),
        ("grep a file", ""),
        ("grep 'a", ""),
        ("grep", ""),
        ("cat x", ""),
    ],
)
def test_what_a_grep_looks_for(step: str, words: str) -> None:
    assert sought(step).startswith(words) and bool(sought(step)) == bool(words)


@pytest.mark.parametrize(
    "command",
    ["echo a | grep -q a && false", "true; grep -q a /dev/null", "grep -q a < /dev/null; false"],
)
async def test_only_what_failed_is_told_of_grep(tmp_path: Path, command: str) -> None:
    result = await run_check(command, tools(tmp_path), 60)
    assert not result.passed and READ not in result.failure


@pytest.mark.parametrize(
    "command",
    [
        "echo a | grep -q a",
        "set -euo pipefail; seq 9 | grep -q 3; true",
        "test $(seq 30 | grep -c 1) = 12",
        "set -e; seq 200000 | grep -q 7; true",
        "! echo a | grep -q b",
        "(cd /; echo a | grep -o a) | grep -qx a",
        "seq 3 | while read -r x; do echo $x | grep -q '[1-3]' || exit 1; done",
    ],
)
async def test_grep_is_as_it_was(tmp_path: Path, command: str) -> None:
    assert (await run_check(command, tools(tmp_path), 60)).passed


async def test_what_a_variable_holds_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2")
    result = await run_check('key=$(cat key); test "$key" = "" ', tools(tmp_path), 60)
    assert '+ test "$key" = ""' in result.failure and "hunter2" not in result.failure


async def test_nothing_is_left_of_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    for command in ("true; true", "true; false"):
        await run_check(command, tools(tmp_path), 60)
    assert list((tmp_path / "t").iterdir()) == []
