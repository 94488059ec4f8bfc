"""`agent models`, and the progress that it shows."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result

from agent.cli.models import PlainProgress, models, progress_bar
from agent.errors import BrokenModelFile, ModelUnavailable, UsageError
from agent.models import catalogue as catalogue_module
from agent.models import resolve as resolve_module
from agent.models.catalogue import Catalogue, CatalogueEntry
from tests.tiny_gguf import build
from tests.unit.models.hub import entry_for


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder of an offline machine."""
    config = ModuleType("agent.config")
    folders = SimpleNamespace(from_env=lambda: SimpleNamespace(models=tmp_path))
    config.Folders = folders  # type: ignore[attr-defined]
    config.is_offline = lambda: True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "agent.config", config)
    return tmp_path


@pytest.fixture
def entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """The catalogue's only entry; its file is not here."""
    data = build(folder / "source").read_bytes()
    (folder / "source").unlink()
    entry = entry_for(data)
    for module in (catalogue_module, resolve_module):
        monkeypatch.setattr(module, "load_catalogue", lambda: Catalogue("tiny", (entry,)))
    return entry


def place(entry: CatalogueEntry, folder: Path) -> Path:
    return build(folder / entry.file)


def run(*words: str) -> Result:
    return CliRunner().invoke(models, words)


@pytest.mark.usefixtures("folder")
def test_list_shows_every_model_and_marks_the_default() -> None:
    lines = run("list").stdout.splitlines()
    assert len(lines) == 9
    marked = [line for line in lines[1:-1] if line.startswith("*")]
    assert len(marked) == 1
    assert "qwen2.5-coder-1.5b" in marked[0]
    assert "1.12 GB" in marked[0]
    assert "32,768" in marked[0]
    assert "Apache-2.0" in marked[0]


def test_list_says_what_is_here(entry: CatalogueEntry, folder: Path) -> None:
    assert json.loads(run("list", "--json").stdout)["state"] == "-"
    place(entry, folder)
    row = json.loads(run("list", "--json").stdout)
    assert (row["state"], row["path"]) == ("here", str(folder / entry.file))
    assert (row["default"], row["fits"]) == (True, True)


def test_list_says_what_does_not_fit(
    entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert entry
    monkeypatch.setattr("agent.models.machine.available_memory", lambda: 1000)
    assert "too large for now" in run("list").stdout


def test_path(entry: CatalogueEntry, folder: Path) -> None:
    missing = run("path", "tiny")
    assert isinstance(missing.exception, ModelUnavailable)
    place(entry, folder)
    assert run("path", "tiny").stdout == f"{folder / entry.file}\n"


def test_pull_of_what_is_here_prints_its_path(entry: CatalogueEntry, folder: Path) -> None:
    place(entry, folder)
    for words in (("pull", "tiny"), ("pull",)):
        assert run(*words).stdout == f"{folder / entry.file}\n"


@pytest.mark.usefixtures("entry")
def test_pull_offline_is_the_error_of_the_main_program() -> None:
    assert isinstance(run("pull", "tiny").exception, ModelUnavailable)
    assert isinstance(run("pull", "tinny").exception, UsageError)


def test_pull_checks_the_header(
    entry: CatalogueEntry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / entry.file).write_bytes(b"<html>")
    page = entry_for(b"<html>")
    monkeypatch.setattr("agent.models.resolve.load_catalogue", lambda: Catalogue("tiny", (page,)))
    assert isinstance(run("pull", "tiny").exception, BrokenModelFile)


def test_rm_says_what_it_freed(entry: CatalogueEntry, folder: Path) -> None:
    place(entry, folder)
    assert run("rm", "tiny").stdout == "tiny: 0.00 GB freed\n"
    assert run("rm", "tiny").stdout == "tiny: was not here\n"
    assert not (folder / entry.file).exists()


def test_a_pipe_gets_a_line_every_tenth_and_each_message_once() -> None:
    out = io.StringIO()
    with progress_bar(out) as progress:
        progress(0, 0, "asking somebody")
        progress(0, 0, "asking somebody")
        for done in range(0, 1001, 7):
            progress(done, 1000, "part")
        progress(1000, 1000, "part")
    lines = out.getvalue().splitlines()
    assert lines[0] == "asking somebody"
    assert [line.split("%")[0].strip() for line in lines[1:]] == [
        str(n) for n in range(10, 101, 10)
    ]
    assert lines[1].endswith("part")


def test_a_second_phase_counts_anew() -> None:
    out = io.StringIO()
    progress = PlainProgress(out)
    for note in ("checking", "package"):
        for done in (0, 50, 100):
            progress(done, 100, note)
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == [
        "checking",
        "checking",
        "package",
        "package",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_keeps_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    with progress_bar(out) as progress:
        progress(0, 0, "model.gguf: sha256 [abc]")
        progress(500_000, 1_000_000, "package [1] of 2")
        progress(1_000_000, 1_000_000, "package [2] of 2")
    text = out.getvalue()
    # Square brackets are text, not rich's markup.
    assert text.count("sha256 [abc]") == 1
    assert "package [2] of 2" in text
    assert "1.0/1.0 MB" in text


def test_the_command_imports_nothing_heavy() -> None:
    heavy = ("huggingface_hub", "httpx2", "rich", "numpy", "llama_cpp", "pydantic")
    code = f"import sys, agent.cli.models; print([m for m in {heavy!r} if m in sys.modules])"
    root = Path(__file__).parents[3]
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "[]"


def test_the_models_package_imports_nothing_heavy() -> None:
    heavy = ("huggingface_hub", "httpx2", "rich", "numpy", "llama_cpp", "pydantic")
    code = f"import sys, agent.models.resolve; print([m for m in {heavy!r} if m in sys.modules])"
    root = Path(__file__).parents[3]
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "[]"


def test_it_is_a_group() -> None:
    assert isinstance(models, click.Group)
    assert sorted(models.commands) == ["list", "path", "pull", "rm"]
