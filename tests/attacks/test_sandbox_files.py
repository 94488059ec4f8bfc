"""Ways to files outside of the workspace, and to what git and the agent obey inside of it."""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC220, ASYNC240

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import OutputStore
from tools.read import ReadArguments, run_read
from tools.sandbox.base import SandboxUnavailable
from tools.sandbox.probe import find_sandbox
from tools.sandbox.profiles import GIT, READ_ONLY, WORKSPACE, Profile
from tools.shell import CommandOutcome, run_command
from tools.workspace import Workspace
from tools.write import WriteArguments, run_write

Attack = Callable[..., Awaitable[CommandOutcome]]
SWAPPED_WRITES = """
import os, sys
for number in range(2000):
    try:
        with open("place/secret.txt", "w") as file:
            file.write("owned")
    except OSError:
        pass
"""


def with_profile(root: Path, profile: Profile) -> ToolContext:
    return ToolContext(Workspace(root), find_sandbox("bubblewrap", profile), OutputStore(None))


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    allowed = ["-c", "protocol.file.allow=always"]
    command = ["git", *identity, *allowed, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@contextmanager
def swapping(place: Path, good: Path, bad: Path) -> Iterator[None]:
    """`place` is a link that leads to the one and to the other in turn, until the end."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in (bad, good):
                spare = place.with_name("spare")
                spare.unlink(missing_ok=True)
                spare.symlink_to(target)
                spare.replace(place)

    place.symlink_to(good)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def test_a_link_swapped_in_a_race_leads_nowhere(
    attack: Attack, unconfined: ToolContext, confined: ToolContext, root: Path, outside: Path
) -> None:
    """A link that is good when it is looked at and leads out when it is used."""
    (root / "good").mkdir()
    with swapping(root / "place", root / "good", outside):
        await attack(confined, SWAPPED_WRITES)
        assert (outside / "secret.txt").read_text() == "the secret\n"
        await attack(unconfined, SWAPPED_WRITES)
    assert (outside / "secret.txt").read_text() == "owned"


async def test_a_link_swapped_in_a_race_does_not_move_the_write_tool(
    confined: ToolContext, root: Path, outside: Path, ground: Path
) -> None:
    """The same race against the agent's own file tools, which run outside of the sandbox."""
    (root / "good").mkdir()
    wide = ToolContext(Workspace(ground), confined.sandbox, OutputStore(None))
    with swapping(root / "place", root / "good", outside):
        for number in range(200):
            arguments = WriteArguments(path=f"place/new{number}.txt", content="owned\n")
            await run_write(arguments, confined)
        assert sorted(file.name for file in outside.iterdir()) == ["secret.txt"]
        for number in range(200):
            arguments = WriteArguments(path=f"project/place/new{number}.txt", content="owned\n")
            await run_write(arguments, wide)
    assert len(list(outside.iterdir())) > 1


@pytest.mark.parametrize(
    "command",
    [
        "ln {outside}/secret.txt hard && echo owned > hard",
        "ln -L /proc/self/root{outside}/secret.txt hard && echo owned > hard",
        "cp -l {outside}/secret.txt hard && echo owned > hard",
    ],
)
async def test_a_hard_link_leads_nowhere(
    unconfined: ToolContext, confined: ToolContext, root: Path, outside: Path, command: str
) -> None:
    """A second name, inside the workspace, for a file outside."""
    secret = outside / "secret.txt"
    await run_command(command.format(outside=outside), unconfined, 60)
    assert secret.read_text() == "owned\n"
    secret.write_text("the secret\n")
    (root / "hard").unlink()
    await run_command(command.format(outside=outside), confined, 60)
    assert secret.read_text() == "the secret\n"


async def test_a_pipe_with_a_name_does_not_hold_the_agent(
    confined: ToolContext, root: Path
) -> None:
    """A FIFO where a file was: who opens it to read waits for a writer for ever."""
    await run_command("mkfifo pipe", confined, 60)
    blocked = subprocess.Popen(["cat", str(root / "pipe")], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        blocked.wait(0.5)
    blocked.kill()
    blocked.communicate()
    result = await run_read(ReadArguments(path="pipe"), confined)
    assert not result.ok
    written = await run_write(WriteArguments(path="pipe", content="x\n"), confined)
    assert not written.ok


@pytest.mark.parametrize(
    "way",
    [
        "/proc/{pid}/root{outside}/secret.txt",
        "/proc/{pid}/cwd/secret.txt",
        "/proc/1/root{outside}/secret.txt",
        "/proc/self/root/proc/{pid}/cwd/secret.txt",
    ],
)
async def test_proc_is_no_way_out(
    unconfined: ToolContext, confined: ToolContext, outside: Path, way: str
) -> None:
    """/proc of the user's processes leads to their root, their folder and their descriptors."""
    with subprocess.Popen(["sleep", "300"], cwd=outside) as process:
        command = f"echo owned > {way.format(pid=process.pid, outside=outside)}"
        free = command.replace("/proc/1/", f"/proc/{process.pid}/")
        await run_command(free, unconfined, 60)
        assert (outside / "secret.txt").read_text() == "owned\n"
        (outside / "secret.txt").write_text("the secret\n")
        await run_command(command, confined, 60)
        assert (outside / "secret.txt").read_text() == "the secret\n"
        process.kill()


OPEN_TO_WRITE = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.close(os.open(path, os.O_WRONLY))
        print("opened", path)
    except OSError:
        pass
"""


async def test_no_setting_of_the_kernel_can_be_written(
    attack: Attack, unconfined: ToolContext, confined: ToolContext, root: Path
) -> None:
    """core_pattern and its like name programs that the kernel runs outside of every sandbox.

    They belong to root, who keeps an owner's rights without any capability.
    """
    names = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"]
    control = root / "setting"
    control.write_text("")
    # Opened only: as root the first of them would work.
    free = (await attack(unconfined, OPEN_TO_WRITE, control, *names)).text
    assert free.count("opened") >= (3 if os.geteuid() == 0 else 1), free
    outcome = await attack(confined, OPEN_TO_WRITE, control, *names)
    assert outcome.text == f"opened {control}\n"


async def test_nothing_but_its_own_can_be_written(
    unconfined: ToolContext, confined: ToolContext, root: Path
) -> None:
    """Any file system that is mounted writable by mistake, the kernel's own among them."""
    command = (
        "grep -E ' rw[, ]' /proc/self/mounts | grep -vE '^(tmpfs|devpts|devtmpfs) ' | cut -d' ' -f2"
    )
    assert (await run_command(command, unconfined, 60)).text.splitlines()
    places = set((await run_command(command, confined, 60)).text.splitlines())
    # /dev/null and its like are mounted one by one.
    assert {place for place in places if not place.startswith("/dev/")} <= {"/proc", str(root)}


def repository_with_submodule(ground: Path, root: Path) -> None:
    library = ground / "library"
    library.mkdir()
    git(library, "init", "-q")
    git(library, "commit", "-q", "--allow-empty", "-m", "first")
    git(root, "init", "-q")
    git(root, "submodule", "add", "-q", str(library), "deep/down/library")


@pytest.mark.parametrize(
    "command",
    [
        "echo 'gitdir: ../../../evil' > deep/down/library/.git",
        "mv deep deep2; mkdir -p deep/down/library; echo 'gitdir: /evil' > deep/down/library/.git",
        "rm -rf .gitmodules deep/down/library/.git",
        "echo '[core]' >> .git/modules/deep/down/library/config",
    ],
)
async def test_a_submodule_cannot_be_redirected(
    unconfined: ToolContext, confined: ToolContext, ground: Path, root: Path, command: str
) -> None:
    """The user's `git status` goes into submodules, and obeys the configuration found there."""
    repository_with_submodule(ground, root)
    pointer = root / "deep/down/library/.git"
    config = root / ".git/modules/deep/down/library/config"
    before = pointer.read_text() + config.read_text()
    await run_command(command, confined, 60)
    assert pointer.read_text() + config.read_text() == before
    await run_command(command, unconfined, 60)
    assert not pointer.exists() or pointer.read_text() + config.read_text() != before


@pytest.mark.parametrize("depth", ["library", "vendor/library"])
async def test_a_repository_inside_cannot_be_changed(
    unconfined: ToolContext, confined: ToolContext, root: Path, depth: str
) -> None:
    """A clone in the workspace that is no submodule."""
    (root / depth).mkdir(parents=True)
    git(root / depth, "init", "-q")
    hook = root / depth / ".git/hooks/post-checkout"
    command = f"echo evil > {depth}/.git/hooks/post-checkout"
    await run_command(command, confined, 60)
    assert not hook.exists()
    await run_command(command, unconfined, 60)
    assert hook.exists()


@pytest.mark.parametrize("name", [".git", ".ingle"])
async def test_a_link_in_the_place_of_a_protected_folder_shows_nothing(
    unconfined: ToolContext,
    confined: ToolContext,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """A command leaves a link to the user's keys where the next one mounts what it leads to."""
    keys = ground / "home/.ssh"
    keys.mkdir(parents=True)
    (keys / "id_rsa").write_text("the secret")
    monkeypatch.setenv("HOME", str(ground / "home"))
    await run_command(f"ln -s {keys} {name}", confined, 60)
    command = f"cat {name}/id_rsa {keys}/id_rsa"
    assert "the secret" in (await run_command(command, unconfined, 60)).text
    with pytest.raises(SandboxUnavailable, match="symbolic link"):
        await run_command(command, confined, 60)


@pytest.mark.parametrize("inside", ["", "state"])
async def test_the_agents_own_folders_are_hidden(
    unconfined: ToolContext,
    confined: ToolContext,
    ground: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: str,
) -> None:
    """Sessions, settings and models, where variables put them in a place that can be seen."""
    base = root / inside if inside else ground / "xdg"
    (base / "ingle").mkdir(parents=True)
    (base / "ingle/sessions.jsonl").write_text("the secret")
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(base))
    command = f"cat {base}/ingle/*; echo evil > {base}/ingle/sessions.jsonl"
    assert "the secret" not in (await run_command(command, confined, 60)).text
    assert (base / "ingle/sessions.jsonl").read_text() == "the secret"
    assert "the secret" in (await run_command(command, unconfined, 60)).text
    assert (base / "ingle/sessions.jsonl").read_text() == "evil\n"


async def test_models_are_hidden(
    unconfined: ToolContext, confined: ToolContext, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model file that a command replaces is what the agent runs next."""
    (ground / "models").mkdir()
    (ground / "models/a.gguf").write_text("good")
    monkeypatch.setenv("INGLE_MODELS", str(ground / "models"))
    command = f"cat {ground}/models/a.gguf"
    assert (await run_command(command, unconfined, 60)).text == "good"
    assert "No such file" in (await run_command(command, confined, 60)).text


async def test_the_home_itself_is_no_workspace(
    unconfined: ToolContext, confined: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace that holds the user's start-up files and keys cannot be confined."""
    (root / ".bashrc").write_text("")
    command = "echo evil >> .bashrc"
    assert (await run_command(command, confined, 60)).exit_code == 0
    for home in (root, root / "me"):
        home.mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(home))
        with pytest.raises(SandboxUnavailable, match="home folder"):
            await run_command(command, confined, 60)
    assert (await run_command(command, unconfined, 60)).exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        "echo x > file",
        "rm file",
        "chmod 777 file",
        "mkdir new",
        "mv file f2",
        "touch -d 2001-01-01 file",
    ],
)
async def test_the_read_only_profile_changes_nothing(
    confined: ToolContext, root: Path, command: str
) -> None:
    """Any change of the workspace under the profile that only reads."""
    reading = with_profile(root, READ_ONLY)

    def state() -> list[tuple[str, int, float, str]]:
        status = [(f, f.stat()) for f in sorted(root.iterdir())]
        return [
            (f.name, s.st_mode, s.st_mtime, f.read_text() if f.is_file() else "") for f, s in status
        ]

    (root / "file").write_text("old")
    before = state()
    assert (await run_command("cat file", reading, 60)).text == "old"
    assert (await run_command(command, reading, 60)).exit_code != 0
    assert state() == before
    await run_command(command, confined, 60)
    assert state() != before


@pytest.mark.parametrize(
    "command",
    [
        "echo evil > .git/hooks/pre-commit",
        "git config core.fsmonitor /evil",
        "mkdir -p .git/info; echo '* filter=evil' > .git/info/attributes",
        "mv .git .g2; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit",
        "rm -rf .git/hooks; mkdir .git/hooks; echo evil > .git/hooks/pre-commit",
    ],
)
async def test_what_git_runs_cannot_be_planted_while_git_writes(
    unconfined: ToolContext, root: Path, command: str
) -> None:
    """A filter that git runs during the agent's own commit, where .git has to be writable."""
    git(root, "init", "-q")
    context = with_profile(root, GIT)

    def planted() -> bool:
        obeyed = ("hooks/pre-commit", "info/attributes")
        files = any((root / ".git" / name).exists() for name in obeyed)
        return files or "evil" in (root / ".git/config").read_text()

    await run_command(command, context, 60)
    assert not planted()
    committing = (
        "echo x > a; git add a; git -c user.name=me -c user.email=m@x.org commit -qm first; git log"
    )
    assert "first" in (await run_command(committing, context, 60)).text
    await run_command(command, unconfined, 60)
    assert planted()


async def test_a_folder_granted_above_does_not_open_what_is_protected(
    root: Path, ground: Path
) -> None:
    """A profile that makes a folder around the workspace writable."""
    git(root, "init", "-q")
    command = f"echo evil > {root}/.git/hooks/pre-commit; echo x > {ground}/beside"
    await run_command(command, with_profile(root, replace(WORKSPACE, writable=(ground,))), 60)
    assert (ground / "beside").exists(), "the grant works"
    assert not (root / ".git/hooks/pre-commit").exists()


async def test_names_of_files_are_no_options(
    unconfined: ToolContext, ground: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace whose name looks like an option of bwrap."""
    folder = ground / "--bind"
    folder.mkdir()
    context = ToolContext(Workspace(folder), find_sandbox("bubblewrap"), OutputStore(None))
    monkeypatch.chdir(ground)
    command = f"pwd; echo owned > {outside}/secret.txt"
    assert (await run_command(command, context, 60)).text.startswith(f"{folder}\n")
    assert (outside / "secret.txt").read_text() == "the secret\n"
    await run_command(command, replace(unconfined, workspace=context.workspace), 60)
    assert (outside / "secret.txt").read_text() == "owned\n"
    assert list(folder.iterdir()) == []
