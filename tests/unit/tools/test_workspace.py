from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from tools.workspace import PathRefused, Workspace


def test_relative_and_absolute_paths_inside_are_the_same(workspace: Workspace, root: Path) -> None:
    assert workspace.resolve("src/a.py") == root / "src/a.py"
    assert workspace.resolve(f"{root}/src/../src/a.py") == root / "src/a.py"
    assert workspace.resolve(".") == root
    assert workspace.name(root / "src/a.py") == "src/a.py"


@pytest.mark.parametrize(
    "path",
    ["..", "../x", "a/../../x", "/etc/passwd", "~/.ssh/id_rsa", "/", "", " ", "a\0b", "\ud800"],
)
def test_paths_outside_are_refused_in_words_for_the_model(workspace: Workspace, path: str) -> None:
    with pytest.raises(PathRefused, match="relative to"):
        workspace.resolve(path)


def test_a_neighbour_with_the_same_beginning_is_outside(workspace: Workspace, root: Path) -> None:
    (root.parent / "project2").mkdir()
    with pytest.raises(PathRefused):
        workspace.resolve(f"{root}2/a")


def test_a_loop_of_links_is_refused(workspace: Workspace, root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(PathRefused, match="cannot be resolved"):
        workspace.resolve("a")


def test_a_link_inside_is_written_through(workspace: Workspace, root: Path) -> None:
    (root / "real.txt").write_text("old")
    (root / "link.txt").symlink_to("real.txt")
    workspace.write(workspace.resolve_for_writing("link.txt"), b"new")
    assert (root / "real.txt").read_text() == "new"
    assert (root / "link.txt").is_symlink()


@pytest.mark.parametrize(
    "path",
    [".git/config", "sub/.git/hooks/pre-commit", ".GIT/config", ".git", ".ingle/x", "g/config"],
)
def test_git_and_the_agents_own_folder_can_be_read_but_not_written(
    workspace: Workspace, root: Path, path: str
) -> None:
    (root / ".git").mkdir()
    (root / "g").symlink_to(".git")
    workspace.resolve(path)
    with pytest.raises(PathRefused, match="read-only for you"):
        workspace.resolve_for_writing(path)


def test_a_link_to_the_git_folder_of_a_subfolder_is_no_way_in(
    workspace: Workspace, root: Path
) -> None:
    (root / "sub/.git").mkdir(parents=True)
    (root / "g").symlink_to("sub/.git")
    with pytest.raises(PathRefused, match="read-only for you"):
        workspace.resolve_for_writing("g/config")


def test_a_git_folder_under_another_name_is_not_written(workspace: Workspace, root: Path) -> None:
    (root / "store").mkdir()
    (root / ".git").write_text("gitdir: store\n")
    with pytest.raises(PathRefused, match="read-only for you"):
        workspace.resolve_for_writing("store/config")


def test_names_that_only_resemble_git_can_be_written(workspace: Workspace, root: Path) -> None:
    assert workspace.resolve_for_writing(".gitignore") == root / ".gitignore"
    assert workspace.resolve_for_writing(".github/x.yml") == root / ".github/x.yml"


def test_writing_keeps_the_mode_and_the_owner(workspace: Workspace, root: Path) -> None:
    file = root / "run.sh"
    file.write_text("old")
    file.chmod(0o754)
    if os.geteuid() == 0:
        os.chown(file, 12345, 12345)
    before = file.stat()
    workspace.write(file, b"new")
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino


def test_new_files_get_the_mode_of_the_umask_and_their_folders(
    workspace: Workspace, root: Path
) -> None:
    before = os.umask(0o027)
    try:
        workspace.write(root / "a/b/c.txt", b"x")
    finally:
        os.umask(before)
    assert (root / "a/b/c.txt").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_keeps_the_old_bytes_and_leaves_nothing_behind(
    workspace: Workspace, root: Path
) -> None:
    file = root / "a.txt"
    file.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            workspace.write(file, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_text() == "old"
    assert list(root.iterdir()) == [file]


def test_what_was_read_is_known_by_its_content(workspace: Workspace, root: Path) -> None:
    file = root / "a.txt"
    file.write_text("one")
    assert not workspace.was_read(file)
    assert "read it first" in workspace.overwrite_refusal(file)
    workspace.remember(file, b"one")
    assert workspace.was_read(file)
    assert not workspace.changed_since_read(file)
    assert workspace.overwrite_refusal(file) == ""
    file.write_text("two")
    assert workspace.changed_since_read(file)
    assert "changed since you read it" in workspace.overwrite_refusal(file)
    workspace.write(file, b"three")
    assert not workspace.changed_since_read(file)
    file.unlink()
    assert workspace.changed_since_read(file)
