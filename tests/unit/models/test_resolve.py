"""From a name or a path to a checked file, without a network."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
from pathlib import Path

import pytest

from agent.errors import BrokenModelFile, ExitCode, ModelUnavailable, TryLater, UsageError
from agent.models import resolve as module
from agent.models.catalogue import Catalogue, CatalogueEntry
from agent.models.fetch import forget, pull, source_of
from agent.models.lock import exclusive
from agent.models.resolve import find_entry, hub_entry, resolve
from agent.models.source import silent
from tests.tiny_gguf import build
from tests.unit.models.hub import entry_for


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def entry(models: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """The catalogue's only entry, whose file is here."""
    path = build(models / "model-Q4_K_M.gguf")
    entry = entry_for(path.read_bytes(), sources=("hf", "packages"))
    monkeypatch.setattr(module, "load_catalogue", lambda: Catalogue("tiny", (entry,)))
    return entry


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("offline, and yet a socket or a process was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("no_network")
def test_a_name_whose_file_is_here(entry: CatalogueEntry, models: Path) -> None:
    found = resolve("tiny", models, offline=False)
    assert (found.path, found.entry) == (models / entry.file, entry)
    assert found.header.architecture == "qwen2"
    assert source_of(entry, models) == "found in the folder"


@pytest.mark.usefixtures("no_network", "entry")
def test_a_path_is_not_in_the_catalogue(tmp_path: Path, models: Path) -> None:
    path = build(tmp_path / "other.gguf")
    found = resolve(str(path), models, offline=True)
    assert (found.path, found.entry) == (path, None)
    assert not list(tmp_path.glob("other.gguf.json"))


@pytest.mark.usefixtures("entry")
def test_a_relative_path_and_the_home(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "other.gguf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("other.gguf", "./other.gguf", "~/other.gguf"):
        assert resolve(name, models, offline=True).header.architecture == "qwen2"


@pytest.mark.usefixtures("entry")
def test_a_path_that_is_wrong(tmp_path: Path, models: Path) -> None:
    with pytest.raises(BrokenModelFile, match="does not exist"):
        resolve(str(tmp_path / "no.gguf"), models, offline=True)
    with pytest.raises(BrokenModelFile, match="is a folder"):
        resolve(str(tmp_path), models, offline=True)


@pytest.mark.usefixtures("entry")
def test_a_path_whose_vocabulary_is_damaged(tmp_path: Path, models: Path) -> None:
    path = build(tmp_path / "other.gguf")
    length = b"\x03\0\0\0\0\0\0\0"
    data = path.read_bytes()
    assert data.count(length + b"fun") == data.count(length + b"def") == 1
    path.write_bytes(data.replace(length + b"fun", length + b"def"))
    with pytest.raises(BrokenModelFile, match="same token twice"):
        resolve(str(path), models, offline=True)


@pytest.mark.usefixtures("entry")
def test_an_unknown_name_is_a_usage_error(models: Path) -> None:
    with pytest.raises(UsageError, match="did you mean tiny") as caught:
        resolve("tinny", models, offline=False)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.usefixtures("no_network")
def test_missing_while_offline(entry: CatalogueEntry, models: Path) -> None:
    path = models / entry.file
    path.unlink()
    with pytest.raises(ModelUnavailable) as caught:
        resolve("tiny", models, offline=True)
    assert caught.value.exit_code == ExitCode.MODEL_UNAVAILABLE
    assert "`agent models pull tiny` when online" in str(caught.value)
    assert f"put the file at {path}" in str(caught.value)


@pytest.mark.usefixtures("no_network")
def test_missing_and_not_to_be_fetched(entry: CatalogueEntry, models: Path) -> None:
    (models / entry.file).unlink()
    with pytest.raises(ModelUnavailable, match="not fetched yet"):
        resolve("tiny", models, offline=False, pull=False)


def test_a_file_of_the_catalogue_that_is_cut_off(entry: CatalogueEntry, models: Path) -> None:
    path = models / entry.file
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BrokenModelFile, match=r"cut off.*agent models pull tiny"):
        resolve("tiny", models, offline=False)


@pytest.mark.usefixtures("no_network")
def test_pull_offline_says_what_is_wrong_with_a_broken_file(
    entry: CatalogueEntry, models: Path
) -> None:
    (models / entry.file).write_bytes(b"short")
    with pytest.raises(BrokenModelFile, match="cut off"):
        pull(entry, models, offline=True)


def test_a_published_file_that_cannot_be_run(
    entry: CatalogueEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (models / entry.file).write_bytes(b"<html>")
    page = dataclasses.replace(entry_for(b"<html>"), name="tiny")
    monkeypatch.setattr(module, "load_catalogue", lambda: Catalogue("tiny", (page,)))
    with pytest.raises(BrokenModelFile, match="HTML page"):
        resolve("tiny", models, offline=False)


def test_a_published_model_without_layers(
    entry: CatalogueEntry, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = models / entry.file
    data = path.read_bytes()
    path.write_bytes(data.replace(b"qwen2.block_count", b"qwen2.block_c0unt"))
    changed = dataclasses.replace(entry_for(path.read_bytes()), name="tiny")
    monkeypatch.setattr(module, "load_catalogue", lambda: Catalogue("tiny", (changed,)))
    with pytest.raises(BrokenModelFile, match="no layers"):
        resolve("tiny", models, offline=False)


def test_a_hub_reference() -> None:
    entry = hub_entry("hf:maker/tiny-GGUF/sub/model.gguf")
    assert (entry.repo, entry.file) == ("maker/tiny-GGUF", "sub/model.gguf")
    path = entry.path_in(Path("/m"))
    assert path == Path("/m/hf/maker/tiny-GGUF/sub/model.gguf")
    assert find_entry("hf:maker/tiny-GGUF/sub/model.gguf") == entry


@pytest.mark.parametrize(
    "name",
    [
        "hf:",
        "hf:maker/tiny.gguf",
        "hf:../../x.gguf",
        "hf:a/../x.gguf",
        "hf:a/b/../../x.gguf",
        "hf:/etc/b/x.gguf",
        "hf:a//x.gguf",
        "hf:a/b/.hidden.gguf",
        "hf:a/b/model.bin",
        "hf:a/b/x\n.gguf",
    ],
)
def test_a_wrong_hub_reference(name: str) -> None:
    with pytest.raises(UsageError):
        hub_entry(name)


def test_forgetting_says_what_it_freed(entry: CatalogueEntry, models: Path) -> None:
    resolve("tiny", models, offline=True)
    size = sum(path.stat().st_size for path in models.iterdir())
    assert forget(entry, models) == size
    assert forget(entry, models) == 0
    assert not (models / entry.file).exists()


def test_a_model_that_is_being_fetched_is_not_forgotten(
    entry: CatalogueEntry, models: Path
) -> None:
    lock = models / ".partial" / f"{entry.file}.lock"
    with exclusive(lock, "tiny", silent), pytest.raises(TryLater):
        forget(entry, models)
    assert (models / entry.file).exists()


def test_a_folder_that_cannot_be_made(entry: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="cannot write models to"):
        pull(entry, tmp_path / "file" / "models", offline=False)
