"""The console script: what it loads, how it fails, and where it can be started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from agent.cli import main as main_module
from agent.cli.main import COMMANDS, run
from agent.errors import TryLater

AGENT = str(Path(sys.executable).with_name("agent"))
pytestmark = pytest.mark.usefixtures("home")
HEAVY = ("llama_cpp", "mcp", "numpy", "pydantic", "rich")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for this test."""
    for name in list(os.environ):
        if name.startswith(("XDG_", "INGLE_", "PYTHON")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def agent(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AGENT, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=60
    )


@pytest.mark.parametrize("arguments", [["--help"], ["sessions", "list"], ["sessions", "-h"]])
def test_little_is_imported_for_little(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom agent.cli.main import run\n"
        f"code = run({arguments!r})\n"
        f"print('loaded', [m for m in {HEAVY!r} if m in sys.modules])\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_help_lists_every_command() -> None:
    helped = agent("--help")
    assert helped.returncode == 0
    assert all(f"\n  {name} " in helped.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_where_it_is_said_to_be(name: str) -> None:
    command = main_module.cli.get_command(click.Context(main_module.cli), name)
    assert isinstance(command, click.Command)


def test_version() -> None:
    assert agent("--version").stdout.startswith("ingle ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sesions"], "did you mean sessions?"),
        (["zzz"], "there are do, chat, models"),
        (["fix the test"], 'agent do "..."'),
        (["--vresion"], "Did you mean '--version'?"),
        (["sessions", "lst"], "No such command 'lst'"),
        (["sessions", "list", "--jsn"], "--json"),
        (["sessions", "show"], "`agent sessions show --help`"),
        (["sessions", "show", "x"], "there are no sessions"),
        (["a\x1b]0;evil\x07"], "\\x1b]0;evil\\x07"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_2(arguments: list[str], words: str) -> None:
    done = agent(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("agent: error: ") and done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_group_without_a_command_shows_its_help() -> None:
    done = agent("sessions")
    assert done.returncode == 2 and "Commands:" in done.stderr


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Runs a command that raises."""

    def start(error: BaseException) -> int:
        @click.command()
        def doctor() -> None:
            raise error

        monkeypatch.setattr("agent.cli.doctor.doctor", doctor)
        return run(["doctor"])

    return start


def test_our_own_errors_are_one_line_and_their_code(
    raising: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(TryLater("somebody\nelse")) == 75
    assert capsys.readouterr().err == "agent: error: somebody else\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_130(
    raising: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    assert raising(error) == 130
    assert capsys.readouterr().err.strip() == ""


def test_the_exit_code_of_a_command(raising: Callable[[BaseException], int]) -> None:
    assert raising(SystemExit(53)) == 53
    assert raising(SystemExit(0)) == 0


def test_a_defect_is_one_line_and_a_crash_log(
    raising: Callable[[BaseException], int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(RuntimeError("oh\nno")) == 1
    shown = capsys.readouterr().err
    log = home / ".local/state/ingle/crash.log"
    assert shown.startswith("agent: error: RuntimeError: oh no") and shown.count("\n") == 1
    assert str(log) in shown
    assert "Traceback" in log.read_text() and log.stat().st_mode & 0o777 == 0o600


def test_a_defect_with_ingle_debug(
    raising: Callable[[BaseException], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("INGLE_DEBUG", "1")
    assert raising(RuntimeError("oh")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_where_nothing_can_be_written(
    raising: Callable[[BaseException], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert raising(RuntimeError("oh")) == 1
    assert capsys.readouterr().err == "agent: error: RuntimeError: oh\n"


def test_a_repository_with_packages_of_the_same_names(home: Path) -> None:
    for name in ("agent", "tools"):
        (home / name).mkdir()
        (home / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    done = agent("sessions", "list", "--json", cwd=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", ["--help | true", "sessions list 2>&1 | true", "--help >&-"])
def test_nobody_reads_what_it_says(command: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"{AGENT}" {command}'], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_ctrl_c_while_a_command_runs() -> None:
    code = (
        "import os, signal, sys, click, agent.cli.doctor\nfrom agent.cli.main import run\n"
        "@click.command()\ndef doctor():\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "agent.cli.doctor.doctor = doctor\nsys.exit(run(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (130, "")
