"""The command that compares a dialect with a template of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_gguf import build
from tests.unit.dialects.compare import Differs, compare, main, source_of, value_of
from tests.unit.dialects.templates import template


def test_a_dialect_is_equal_to_its_template() -> None:
    assert compare(template("GLM-4.7-Flash"), {"clear_thinking": False}, count=30) >= 30


def test_what_differs_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Qwen3.5's template drops what was thought before the last message; the log keeps it."""
    with pytest.raises(Differs, match="--- the template"):
        compare(template("Qwen3.5-4B"), {}, count=300)
    changed = tmp_path / "changed.jinja"
    source = template("GLM-4.7-Flash").replace("# Tools", "# Functions")
    changed.write_text(source, "utf-8")
    assert main([str(changed), "clear_thinking=false"]) == 1
    shown = capsys.readouterr().out
    assert "# Functions" in shown and "--- ingle" in shown and "# Tools" in shown


def test_the_template_of_a_gguf_is_read(tmp_path: Path) -> None:
    source = template("GLM-4.7-Flash")
    assert source_of(build(tmp_path / "tiny.gguf", template=source)) == source


def test_without_a_file_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "NAME=VALUE" in capsys.readouterr().out


def test_variables_are_json_or_words() -> None:
    assert [value_of(word) for word in ("false", "3", "medium")] == [False, 3, "medium"]
