"""What a command can do to the machine: nothing outside of the workspace, and no network.

The controls run the attacks for real, and so does a sandbox that got broken: an attack may only
aim at what the test has made itself.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.shell import run_command


@contextmanager
def victim_of_kill() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the user's, with the environment of the test."""
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


async def run(context: ToolContext, command: str) -> str:
    return (await run_command(command, context, 60)).text


@pytest.mark.parametrize(
    "command",
    [
        "echo x > {outside}/secret.txt",
        "rm -rf {outside}/secret.txt",
        "cd .. && echo x > outside/secret.txt",
        "ln -s {outside} link; echo x > link/secret.txt",
        "mv {outside} {outside}2",
        "chmod 777 {outside}/secret.txt",
        "touch -d 2001-01-01 {outside}/secret.txt",
        "echo x >> /proc/self/root{outside}/secret.txt",
    ],
)
async def test_nothing_outside_can_be_changed(
    unconfined: ToolContext, confined: ToolContext, outside: Path, root: Path, command: str
) -> None:
    def state() -> list[tuple[str, int, float, bytes]]:
        files = sorted(outside.parent.glob("outside*/*"))
        return [(str(f), f.stat().st_mode, f.stat().st_mtime, f.read_bytes()) for f in files]

    before = state()
    copy = outside.parent / "copy"
    shutil.copytree(outside, copy)
    await run(unconfined, command.format(outside=outside))
    assert state() != before, "the attack works without the sandbox"

    for folder in outside.parent.glob("outside*"):
        shutil.rmtree(folder)
    shutil.copytree(copy, outside)
    (root / "link").unlink(missing_ok=True)
    before = state()
    await run(confined, command.format(outside=outside))
    assert state() == before


@pytest.mark.parametrize("name", [".ssh/id_rsa", ".aws/credentials", ".cargo/credentials.toml"])
async def test_secrets_in_the_home_cannot_be_read(
    unconfined: ToolContext,
    confined: ToolContext,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    secret = ground / "home" / name
    secret.parent.mkdir(parents=True)
    (ground / "home/.cargo/bin").mkdir(parents=True)
    secret.write_text("the secret")
    monkeypatch.setenv("HOME", str(ground / "home"))
    command = f"cat ~/{name} /proc/self/root{secret} /proc/1/root{secret}"
    assert "the secret" in await run(unconfined, command)
    assert "the secret" not in await run(confined, command)


async def test_secrets_of_the_environment_cannot_be_read(
    unconfined: ToolContext, confined: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "the-secret")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "the-setting")
    command = "env; cat /proc/*/environ"
    with victim_of_kill() as process:
        # The control: a process of the user's that has it, and a command that can look there.
        look = f"tr '\\0' '\\n' < /proc/{process.pid}/environ"
        assert "the-secret" in await run(unconfined, look)
        text = await run(confined, f"{look}; {command}")
    assert "the-setting" in text
    assert "the-secret" not in text
    assert "the-secret" not in await run(unconfined, "env")


async def test_no_connection_reaches_the_machine(
    unconfined: ToolContext, confined: ToolContext
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = f"exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]} && echo connected"
        assert await run(unconfined, command) == "connected\n"
        listener.accept()[0].close()
        assert "connected" not in await run(confined, command)
        assert select.select([listener], [], [], 0)[0] == []


@pytest.mark.parametrize("place", ["abstract", "/tmp", "/var/tmp"])
async def test_no_local_socket_reaches_a_service(
    unconfined: ToolContext, confined: ToolContext, tmp_path: Path, place: str
) -> None:
    name = f"ingle-attack-{tmp_path.name}-{os.getpid()}"
    path = Path(place) / name
    address = f"\0{name}" if place == "abstract" else str(path)
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({address!r}); print('reached')"
    command = f'python3 -c "{code}"'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        try:
            assert await run(unconfined, command) == "reached\n"
            assert "reached" not in await run(confined, command)
        finally:
            path.unlink(missing_ok=True)


async def test_no_process_of_the_user_can_be_killed(
    unconfined: ToolContext, confined: ToolContext
) -> None:
    with victim_of_kill() as victim:
        await run(confined, f"kill -9 {victim.pid}")
        assert victim.poll() is None
        assert await run(unconfined, f"kill -9 {victim.pid} && echo killed") == "killed\n"


async def test_no_new_namespace_gives_rights_back(
    unconfined: ToolContext, confined: ToolContext
) -> None:
    command = "unshare --user --map-root-user true && echo nested"
    assert await run(unconfined, command) == "nested\n"
    assert "nested" not in await run(confined, command)
