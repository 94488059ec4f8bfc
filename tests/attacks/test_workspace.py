"""The file tools, and whoever changes the workspace between a look and a write."""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC221

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from agent.context.instructions import instructions
from agent.errors import ConfigError
from agent.mcp.files import read_json
from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.off import Off
from tools.shell import ShellArguments, run_command, run_shell
from tools.workspace import PathRefused, Workspace
from tools.write import WriteArguments, run_write


def swap(root: Path, outside: Path) -> None:
    """What a server that works in the workspace does between the check and the write."""
    (root / "place").rename(root / "away")
    (root / "place").symlink_to(outside)


@pytest.mark.parametrize("name", ["secret.txt", "new.txt", "new/deep.txt"])
def test_a_folder_that_becomes_a_link_before_the_write_leads_nowhere(
    root: Path, outside: Path, name: str
) -> None:
    workspace = Workspace(root)
    (root / "place").mkdir()
    path = workspace.resolve_for_writing(f"place/{name}")
    swap(root, outside)
    with pytest.raises(OSError, match=r"link|directory"):
        workspace.write(path, b"owned\n")
    assert sorted(p.name for p in outside.iterdir()) == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "the secret\n"

    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"owned\n")  # the control: a plain write to the path that was checked
    assert (outside / name).read_text() == "owned\n"


def test_a_folder_that_becomes_a_link_before_a_file_is_taken_back(
    root: Path, outside: Path
) -> None:
    """Taking back a new file removes it: the user's file of that name is somewhere else."""
    workspace = Workspace(root)
    (root / "place").mkdir()
    workspace.begin()
    workspace.write(workspace.resolve_for_writing("place/secret.txt"), b"the secret\n")
    swap(root, outside)
    with pytest.raises(OSError, match=r"link|directory"):
        workspace.restore()
    assert (outside / "secret.txt").exists()
    (root / "place/secret.txt").unlink()  # the control
    assert not (outside / "secret.txt").exists()


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_a_file_that_becomes_something_else_is_not_written(
    root: Path, outside: Path, what: str
) -> None:
    workspace = Workspace(root)
    path = workspace.resolve_for_writing("a.txt")
    if what == "link":
        path.symlink_to(outside / "secret.txt")
        (root / "b.txt").symlink_to(outside / "secret.txt")
        (root / "b.txt").write_text("the secret\n")  # the control: it can be written through
    else:
        os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        workspace.write(path, b"owned\n")
    assert (outside / "secret.txt").read_text() == "the secret\n"


@pytest.mark.parametrize(
    "path",
    [".bashrc", ".ssh/authorized_keys", ".config/autostart/x.desktop", ".local/bin/git", "bin/git",
     "Library/LaunchAgents/x.plist"],
)  # fmt: skip
async def test_what_the_user_starts_is_not_written_where_the_home_is_the_workspace(
    root: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """`agent do` in the home folder: no command runs there, and the file tools are not asked."""
    context = ToolContext(Workspace(root), Off(), OutputStore(None))
    arguments = WriteArguments(path=path, content="evil\n")
    assert (await run_write(arguments, context)).ok, "the attack works in any other folder"
    (root / path).unlink()
    for home, place in ((root, path), (root / "me", f"me/{path}"), (root / "me", "etc/passwd")):
        monkeypatch.setenv("HOME", str(home))
        arguments = WriteArguments(path=place, content="evil\n")
        assert "read-only for you" in (await run_write(arguments, context)).text
        assert not (root / place).exists()
    monkeypatch.setenv("HOME", str(root))
    fine = WriteArguments(path="notes/today.md", content="x\n")
    assert (await run_write(fine, context)).ok


@pytest.mark.parametrize(
    "path", [".GIT/config", ".Git/hooks/pre-commit", ".g\u200cit/config", ".git\u200d/config",
             ".\ufeffgit/x", ".git./config", ".git /config", ".INGLE/config.toml"]
)  # fmt: skip
def test_no_other_spelling_of_a_protected_name_is_written(root: Path, path: str) -> None:
    """Macs and Windows take these for .git; the control is what a plain comparison says."""
    assert path.split("/")[0] not in (".git", ".ingle")
    with pytest.raises(PathRefused, match="read-only for you"):
        Workspace(root).resolve_for_writing(path)
    Workspace(root).resolve_for_writing(".gitignore")
    Workspace(root).resolve_for_writing(".github/workflows/x.yml")


@pytest.mark.parametrize(
    "command",
    [
        "chmod 4755 program",
        "chmod u+s program",
        "install -m 4755 program other",
        "cp -p program other && chmod 4711 other",
        "{python} -c 'import os; os.close(os.open(\"other\", os.O_CREAT, 0o4755))'",
        "{python} -c 'import os; os.mknod(\"other\", 0o104755)'",
    ],
)
async def test_no_program_with_the_users_rights_is_left_for_others(
    unconfined: ToolContext, confined: ToolContext, root: Path, python: str, command: str
) -> None:
    """A setuid file in the workspace: whoever else is on the machine runs it as the user."""

    def planted() -> bool:
        return any(f.stat().st_mode & stat.S_ISUID for f in root.iterdir())

    (root / "program").write_text("#!/bin/sh\n")
    line = command.format(python=python)
    await run_command(line, confined, 60)
    assert not planted()
    (root / "other").unlink(missing_ok=True)
    await run_command(line, unconfined, 60)
    assert planted(), "the attack works without the sandbox"
    fine = "chmod 755 program && touch new && mkdir -m 2775 shared && echo fine"
    assert (await run_command(fine, confined, 60)).text == "fine\n"


async def test_a_setuid_file_does_not_keep_its_rights_with_a_new_content(
    confined: ToolContext, root: Path
) -> None:
    (root / "program").write_text("old\n")
    (root / "program").chmod(0o4755)
    assert (root / "program").stat().st_mode & stat.S_ISUID
    confined.workspace.remember(root / "program", b"old\n")
    arguments = WriteArguments(path="program", content="new\n")
    assert (await run_write(arguments, confined)).ok
    assert stat.S_IMODE((root / "program").stat().st_mode) == 0o755


def test_instructions_that_lead_out_of_the_repository_are_not_read(
    root: Path, outside: Path
) -> None:
    """A clone whose AGENTS.md is a link to a key of the user's."""
    (root / ".git").mkdir()
    (root / "CLAUDE.md").write_text("Be brief.\n")
    (root / "AGENTS.md").symlink_to("CLAUDE.md")
    assert "Be brief." in instructions(root, 1000, len)  # the control: a link inside is usual
    (root / "AGENTS.md").unlink()
    (root / "AGENTS.md").symlink_to(outside / "secret.txt")
    assert "the secret" in (root / "AGENTS.md").read_text()
    assert instructions(root, 1000, len) == ""


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_servers_file_that_is_no_file_does_not_hang(root: Path, kind: str) -> None:
    """A command leaves a pipe there, and the next session waits for ever."""
    path = root / ".mcp.json"
    path.write_text("{}")
    assert read_json(path) == {}
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    blocked = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        blocked.wait(0.3)  # the control: a plain reader
    blocked.kill()
    blocked.communicate()
    with pytest.raises(ConfigError, match="no regular file"):
        read_json(path)


async def test_a_million_lines_are_a_few(confined: ToolContext) -> None:
    plain = subprocess.run(["seq", "1000000"], check=True, capture_output=True).stdout
    assert plain.count(b"\n") == 1_000_000
    outcome = await run_command("seq 1000000", confined, 60)
    assert outcome.text.endswith("1000000\n")
    assert len(outcome.text) < confined.output.limit + 300


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_a_command_too_long_for_the_system_is_an_answer(
    confined: ToolContext, size: int
) -> None:
    """The kernel takes 128 KiB in one argument; the call that fails is no end of the session."""
    command = f"echo {'x' * size} | wc -c"
    if size > 1 << 17:
        with pytest.raises(OSError, match="too long"):
            subprocess.run(["/bin/bash", "-c", command], check=True)
    result = await run_shell(ShellArguments(command=command), confined)
    assert result.ok == (size < 1 << 17)
    assert str(size + 1) in result.text or "too long" in result.text
