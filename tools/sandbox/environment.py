"""The environment of a child process: what is allowed, without the agent's venv."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tools.sandbox.variables import passes

FIXED = {
    "COLUMNS": "100",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TERM": "dumb",
}
# An empty or relative entry is the folder that a program is started in: the workspace.
LIBRARIES = frozenset({"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"})
# What the system's loader obeys before a program's first line.
LOADER = ("LD_", "DYLD_", "NIX_LD")
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def child_environment(
    source: Mapping[str, str],
    workspace: Path,
    git_config: Mapping[str, str] | None = None,
    variables: tuple[str, ...] = (),
) -> dict[str, str]:
    """The whole environment of a command that runs in `workspace` (resolved).

    `git_config` is added for git through GIT_CONFIG_COUNT, after what `source` has there;
    `variables` are passed on whatever they are called.
    """
    env = {
        name: value for name, value in source.items() if name in variables or passes(name, value)
    }
    if (
        "MAKELEVEL" in source and "MAKEFLAGS" not in variables
    ):  # its pipe to the make above us is not handed on
        env.pop("MAKEFLAGS", None)
    env["PATH"] = _path(source.get("PATH", DEFAULT_PATH), workspace)
    for name in LIBRARIES & env.keys():
        env[name] = absolute(env[name])
    if _own_venv_is_foreign_to(workspace) and env.get("VIRTUAL_ENV") == sys.prefix:
        del env["VIRTUAL_ENV"]
    env.setdefault("LANG", "C.UTF-8")
    env |= FIXED
    for name, value in (git_config or {}).items():
        count = env.get("GIT_CONFIG_COUNT", "0")
        number = int(count) if count.isdecimal() else 0
        env[f"GIT_CONFIG_KEY_{number}"] = name
        env[f"GIT_CONFIG_VALUE_{number}"] = value
        env["GIT_CONFIG_COUNT"] = str(number + 1)
    return env


def absolute(value: str) -> str:
    """A list of folders without its empty and relative entries."""
    return ":".join(entry for entry in value.split(":") if entry.startswith("/"))


def outside(source: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """The environment of a program of the user's that we start outside, in a workspace.

    Nothing that a command has put there is found through PATH, or loaded: not even where the
    user's own environment names a folder of it, as an active venv does.
    """
    env, root = dict(source), workspace.resolve()
    for name in {"PATH", *LIBRARIES} & env.keys():
        entries = absolute(env[name]).split(":")
        env[name] = ":".join(e for e in entries if not Path(e).resolve().is_relative_to(root))
    return env


def loaded_inside(env: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """`env` for what starts a sandbox, and the words before a command that give it the rest.

    The shell and bwrap run outside, in the workspace: they must not load a library that a command
    has put where the user's own libraries are searched for.
    """
    later = {name: value for name, value in env.items() if name.startswith(LOADER)}
    words = [f"{name}={value}" for name, value in later.items()]
    first = {name: value for name, value in env.items() if name not in later}
    return first, (("/usr/bin/env", *words) if words else ())


def _path(value: str, workspace: Path) -> str:
    """PATH without empty and relative entries and without the agent's own venv."""
    own = {Path(sys.prefix) / "bin"} if _own_venv_is_foreign_to(workspace) else set()
    entries = [entry for entry in value.split(":") if entry.startswith("/")]
    return ":".join(dict.fromkeys(entry for entry in entries if Path(entry) not in own))


def _own_venv_is_foreign_to(workspace: Path) -> bool:
    """Whether the agent runs from a venv that is not part of the user's project."""
    in_venv = sys.prefix != sys.base_prefix
    return in_venv and not Path(sys.prefix).resolve().is_relative_to(workspace)
