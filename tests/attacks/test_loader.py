"""What starts outside of the sandbox, and what of the workspace it could find or load.

A user's environment often names the workspace: a venv is active in it (PATH), or LD_LIBRARY_PATH
has an empty entry, which means the current folder. A command plants a file there; the next thing
that the agent starts outside of the sandbox would run it.
"""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC221

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.repl import project_files
from agent.hooks import read_hooks, run_hooks
from tools.base import ToolContext
from tools.git.tool import GitArguments, git_tool
from tools.mcp.entry import Grants, StdioEntry
from tools.mcp.sandboxed import sandboxed
from tools.ripgrep import find_rg
from tools.shell import run_command

EVIL = """
#include <fcntl.h>
__attribute__((constructor)) static void run(void) { open("%s", O_CREAT | O_WRONLY, 0600); }
"""


def plant_library(root: Path, mark: Path) -> Path:
    """A library that bash loads in place of the system's, and that leaves a mark when it does."""
    listed = subprocess.run(["ldd", "/bin/bash"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(libtinfo\S*) => (\S+)", listed)
    assert found, "bash needs a library of its own"
    (root / "empty.c").write_text("")
    (root / "evil.c").write_text(EVIL % mark)
    cc = ["cc", "-shared", "-fPIC", "-o"]
    subprocess.run([*cc, "original.so", "empty.c"], cwd=root, check=True)
    evil = [*cc, found[1], "evil.c", "-L.", "-Wl,--no-as-needed", "-l:original.so"]
    subprocess.run(evil, cwd=root, check=True)
    shutil.copy(found[2], root / "original.so")
    return root / found[1]


def sprung(mark: Path) -> bool:
    there = mark.exists()
    mark.unlink(missing_ok=True)
    return there


@pytest.mark.parametrize("entries", [":/usr/lib", ".", "{root}"])
async def test_no_library_of_the_workspace_is_loaded_outside(
    confined: ToolContext,
    root: Path,
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: str,
) -> None:
    mark = outside / "mark"
    plant_library(root, mark)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    value = entries.format(root=root)
    env = {"LD_LIBRARY_PATH": value, "PATH": os.environ["PATH"]}
    subprocess.run(["/bin/bash", "-p", "-c", "true"], cwd=root, env=env, check=True)
    assert sprung(mark), "the attack works on a plain shell"
    monkeypatch.setenv("LD_LIBRARY_PATH", value)
    outcome = await run_command("echo $LD_LIBRARY_PATH", confined, 60)
    assert not sprung(mark)
    assert (await git_tool().run(GitArguments(action="status"), confined)).ok
    assert not sprung(mark)
    # What the user set is there all the same, inside, where the workspace's own may be loaded.
    wanted = {":/usr/lib": "/usr/lib\n", ".": "\n"}.get(entries, f"{root}\n")
    assert outcome.text.endswith(wanted)


async def test_what_a_server_is_to_load_is_loaded_inside(
    confined: ToolContext, root: Path, outside: Path
) -> None:
    """LD_PRELOAD of an entry, which a project's own .mcp.json may have written."""
    mark = outside / "mark"
    library = plant_library(root, mark)
    preload = {"LD_PRELOAD": str(library), "LD_LIBRARY_PATH": str(root)}
    subprocess.run(["/bin/true"], env=preload, check=True)
    assert sprung(mark), "the attack works on a plain start"
    entry = StdioEntry("theirs", "/bin/sh", (), grants=Grants())
    spawn = sandboxed(entry, confined.sandbox, root)
    process = await spawn(["/bin/sh", "-c", "echo $LD_PRELOAD"], preload, root)
    out, _ = await process.communicate()
    assert out.decode() == f"{library}\n"
    assert not sprung(mark)


async def test_the_path_of_an_entry_shows_no_folder_of_the_home(
    confined: ToolContext, root: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ground / "home/.ssh"
    keys.mkdir(parents=True)
    (keys / "id_rsa").write_text("the secret")
    monkeypatch.setenv("HOME", str(ground / "home"))
    entry = StdioEntry("theirs", "/bin/sh", (), grants=Grants())
    look = ["/bin/sh", "-c", f"/bin/cat {keys}/id_rsa"]
    assert subprocess.run(look, capture_output=True, check=True).stdout == b"the secret"
    spawn = sandboxed(entry, confined.sandbox, root)
    out, _ = await (await spawn(look, {"PATH": f"{keys}:/bin"}, root)).communicate()
    assert out == b""
    granted = StdioEntry("ours", "/bin/sh", (), grants=Grants(read=(str(keys),)))
    spawn = sandboxed(granted, confined.sandbox, root)
    out, _ = await (await spawn(look, {"PATH": "/bin"}, root)).communicate()
    assert out == b"the secret", "a grant does show it"


def plant_program(folder: Path, name: str, mark: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\n: > {mark}\nexec /usr/bin/{name} "$@"\n')
    (folder / name).chmod(0o755)


def test_a_git_in_an_active_venv_of_the_workspace_is_not_run(root: Path, outside: Path) -> None:
    """In a process of its own: GitPython starts the git of PATH when it is imported."""
    mark = outside / "mark"
    plant_program(root / ".venv/bin", "git", mark)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    code = """
import asyncio, sys
from pathlib import Path
from tools.base import ToolContext
from tools.git.tool import GitArguments, git_tool
from tools.output import OutputStore
from tools.sandbox.probe import find_sandbox
from tools.workspace import Workspace
context = ToolContext(Workspace(Path(sys.argv[1])), find_sandbox("bubblewrap"), OutputStore(None))
print(asyncio.run(git_tool().run(GitArguments(action="status"), context)).text)
"""
    here = str(Path(__file__).parents[2])
    env = os.environ | {"PATH": f"{root}/.venv/bin:{os.environ['PATH']}", "PYTHONPATH": here}
    env.pop("GIT_PYTHON_GIT_EXECUTABLE", None)

    def run(script: str) -> str:
        command = [sys.executable, "-c", script, str(root)]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

    run("import git")
    assert sprung(mark), "the attack works where GitPython is imported as it is"
    assert "nothing changed" in run(code) or "??" in run(code)
    assert not sprung(mark)


async def test_a_hook_is_not_taken_from_the_workspace(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's hook is called by its name, and a venv is active in the workspace."""
    mark = outside / "mark"
    plant_program(root / ".venv/bin", "env", mark)
    monkeypatch.setenv("PATH", f"{root}/.venv/bin:.:{os.environ['PATH']}")
    hook = 'env echo \'{"note": "fine"}\''
    subprocess.run(shlex.split(hook), cwd=root, check=True, capture_output=True)
    assert sprung(mark), "the attack works where PATH is believed"
    answer = await run_hooks(read_hooks({"turn_end": [hook]}), "turn_end", {}, root)
    assert answer.notices == ("fine",)
    assert not sprung(mark)


def test_no_settings_file_reaches_the_list_of_files(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ripgrep asks a program for the host's name when its settings say so."""
    mark = outside / "mark"
    plant_program(root, "hostname", mark)
    (root / "rc").write_text(
        "--hostname-bin=./hostname\n--hyperlink-format=file://{host}{path}\n--color=always\n"
    )
    (root / "a.txt").write_text("")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", "rc")
    subprocess.run([str(find_rg()), "--files"], cwd=root, check=True, capture_output=True)
    assert sprung(mark), "the attack works on a plain ripgrep"
    assert "a.txt" in project_files(root)
    assert not sprung(mark)


@pytest.mark.parametrize(
    "name", ["sitecustomize", "tree_sitter", "json", "jinja2", "usercustomize"]
)
def test_no_module_of_the_current_folder_is_imported(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The agent's own children are Pythons that start in the user's project."""
    from agent.dialects.jinja_render import Renderer
    from tools.code.parsing import parse_text

    mark = outside / "mark"
    (root / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.syspath_prepend("")
    subprocess.run([sys.executable, "-c", f"import {name}"], check=False, capture_output=True)
    assert sprung(mark), "the attack works on a plain Python"
    parsed = parse_text("python", b"def f():\n    pass\n")
    assert (parsed.error, len(parsed.symbols.definitions)) == ("", 1)
    assert Renderer("{{ 1 + 1 }}").render({}) == ["2"]
    assert not sprung(mark)
