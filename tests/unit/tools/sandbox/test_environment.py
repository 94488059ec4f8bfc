from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.sandbox.environment import child_environment

SECRETS = {
    "OPENAI_API_KEY": "x",
    "GITHUB_TOKEN": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "PGPASSWORD": "x",
    "NPM_CONFIG__AUTH": "x",
    "SENTRY_DSN": "x",
    "INGLE_SERVER": "x",
    "DATABASE_URL": "postgres://me:secret@db/x",
    "HARMLESS": "ghp_0123456789",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "DOCKER_HOST": "unix:///x",
    "GIT_CONFIG_VALUE_0": "https://me:secret@host/",
    "npm_config__authToken": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "x",
    "PIP_EXTRA_INDEX_URL": "https://0123456789abcdef0123@host/simple",
    "NAME_THAT_NOBODY_KNOWS": "x",
}
PLAIN = {
    "HOME": "/home/me",
    "JAVA_HOME": "/opt/java",
    "GIT_AUTHOR_NAME": "Me",
    "GIT_CONFIG_KEY_0": "user.name",
    "PIP_INDEX_URL": "https://host:8080/simple",
}


def test_secrets_are_dropped_and_the_rest_stays(root: Path) -> None:
    env = child_environment(SECRETS | PLAIN, root)
    assert env.keys().isdisjoint(SECRETS)
    assert env.items() >= PLAIN.items()


def test_nothing_pages_colours_asks_or_leaves_bytecode(root: Path) -> None:
    env = child_environment({"TERM": "xterm-256color", "PAGER": "less"}, root)
    assert (
        env.items()
        >= {
            "TERM": "dumb",
            "PAGER": "cat",
            "GIT_PAGER": "cat",
            "NO_COLOR": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }.items()
    )


def test_relative_entries_of_the_path_are_dropped(root: Path) -> None:
    env = child_environment({"PATH": ".:/usr/bin::bin:/bin:/usr/bin"}, root)
    assert env["PATH"] == "/usr/bin:/bin"


def test_the_agents_own_venv_does_not_leak(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/agent-venv")
    source = {
        "PATH": "/opt/agent-venv/bin:/home/me/proj/.venv/bin:/usr/bin",
        "VIRTUAL_ENV": "/opt/agent-venv",
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/y",
    }
    env = child_environment(source, root)
    assert env["PATH"] == "/home/me/proj/.venv/bin:/usr/bin"
    assert env.keys().isdisjoint({"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"})


def test_the_users_own_venv_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/agent-venv")
    source = {"PATH": "/v/bin:/usr/bin", "VIRTUAL_ENV": "/v"}
    assert child_environment(source, root).items() >= source.items()


def test_a_venv_of_the_workspace_stays_though_the_agent_runs_from_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = root / ".venv"
    venv.mkdir()
    monkeypatch.setattr(sys, "prefix", str(venv))
    source = {"PATH": f"{venv}/bin:/usr/bin", "VIRTUAL_ENV": str(venv)}
    assert child_environment(source, root).items() >= source.items()


@pytest.mark.parametrize(("count", "first"), [("2", 2), ("", 0), ("junk", 0)])
def test_git_settings_follow_the_users(root: Path, count: str, first: int) -> None:
    env = child_environment({"GIT_CONFIG_COUNT": count}, root, {"a.b": "c", "d.e": "f"})
    assert env["GIT_CONFIG_COUNT"] == str(first + 2)
    assert env[f"GIT_CONFIG_KEY_{first}"] == "a.b"
    assert env[f"GIT_CONFIG_VALUE_{first + 1}"] == "f"


def test_a_variable_that_is_granted_by_name_is_passed_on(root: Path) -> None:
    source = {"DATABASE_HOST": "db", "APP_TOKEN": "x", "OTHER_TOKEN": "y"}
    env = child_environment(source, root, None, ("DATABASE_HOST", "APP_TOKEN"))
    assert (env["DATABASE_HOST"], env["APP_TOKEN"]) == ("db", "x")
    assert "OTHER_TOKEN" not in env


def test_a_make_around_the_agent_is_none_of_the_commands(root: Path) -> None:
    flags = {"MAKEFLAGS": " -j2 --jobserver-auth=3,4"}
    assert "MAKEFLAGS" not in child_environment(flags | {"MAKELEVEL": "1"}, root)
    assert child_environment(flags, root)["MAKEFLAGS"]
    granted = child_environment(flags | {"MAKELEVEL": "1"}, root, variables=("MAKEFLAGS",))
    assert granted["MAKEFLAGS"]
