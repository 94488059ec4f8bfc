"""AGENTS.md files from the repository's root down to the folder."""

from __future__ import annotations

from pathlib import Path

from agent.context.instructions import instructions


def put(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_the_folders_own_file_comes_last(tmp_path: Path) -> None:
    put(tmp_path / "AGENTS.md", "outside of the repository")
    put(tmp_path / "repo/.git/HEAD", "")
    put(tmp_path / "repo/AGENTS.md", "Use tabs.")
    put(tmp_path / "repo/a/AGENTS.md", "Use spaces here.")
    text = instructions(tmp_path / "repo/a", 1000, len)
    assert text == ("AGENTS.md of the folder repo:\nUse tabs.\n\nAGENTS.md:\nUse spaces here.")


def test_without_a_repository_only_the_folder_counts(tmp_path: Path) -> None:
    put(tmp_path / "AGENTS.md", "above")
    (tmp_path / "a").mkdir()
    assert instructions(tmp_path / "a", 1000, len) == ""


def test_a_megabyte_is_cut(tmp_path: Path) -> None:
    put(tmp_path / "AGENTS.md", "Begin.\n" + "word " * 300_000)
    text = instructions(tmp_path, 500, len)
    assert len(text) < 600 and "Begin." in text and "left out: read AGENTS.md" in text


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    put(tmp_path / "AGENTS.md", b"caf\xe9 first")
    assert "caf\ufffd first" in instructions(tmp_path, 500, len)
    put(tmp_path / "AGENTS.md", b"\0\1\2")
    assert instructions(tmp_path, 500, len) == ""


def test_a_folder_or_a_loop_in_its_place_is_none(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").mkdir()
    assert instructions(tmp_path, 500, len) == ""
    (tmp_path / "AGENTS.md").rmdir()
    (tmp_path / "AGENTS.md").symlink_to(tmp_path / "AGENTS.md")
    assert instructions(tmp_path, 500, len) == ""
