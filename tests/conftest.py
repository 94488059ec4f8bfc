"""Fixtures for tests that run a real model. `make test` fetches both before it starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from agent.config import Folders
from agent.models.resolve import resolve

# A busy machine is no failure: no test has a time limit. CI takes the same examples each time; at
# home they are new ones.
settings.register_profile("home", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("INGLE_HYPOTHESIS", "home"))


def pytest_configure() -> None:
    # A job in the background is started with SIGINT ignored, and hands that on to its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # And nohup, with SIGHUP.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _path(name: str) -> Path:
    return resolve(name, Folders.from_env().models, offline=False).path


@pytest.fixture(scope="session")
def small_model() -> Path:
    """Qwen2.5-Coder-0.5B: the family of the default model at a third of its time."""
    return _path("qwen2.5-coder-0.5b")


@pytest.fixture(scope="session")
def default_model() -> Path:
    return _path("qwen2.5-coder-1.5b")


@pytest.fixture
def write_files(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Make a folder `work` with these files (path: text)."""

    def write(files: dict[str, str]) -> Path:
        folder = tmp_path / "work"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        folder.mkdir(exist_ok=True)
        return folder

    return write
