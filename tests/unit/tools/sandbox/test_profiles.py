from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tools.sandbox.base import SandboxUnavailable
from tools.sandbox.install import install_line, namespace_line
from tools.sandbox.landlock import Landlock, landlock_abi
from tools.sandbox.probe import find_sandbox
from tools.sandbox.profiles import GIT, READ_ONLY, WORKSPACE, Profile, server
from tools.sandbox.seatbelt import seatbelt_rules


def confined(root: Path, command: str, profile: Profile) -> str:
    launch = find_sandbox("bubblewrap").wrap(["/bin/bash", "-c", command], root, profile)
    done = subprocess.run(
        launch.argv, env=launch.env, cwd=launch.cwd, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_a_server_gets_what_it_was_granted_and_no_more(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("data", "store", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"of {name}\n")
    (root / "file").write_text("of the workspace\n")
    profile = server(
        readable=(tmp_path / "data",), writable=(tmp_path / "store",), env={"TOKEN": "granted"}
    )
    files = " ".join(f"{tmp_path}/{name}/file" for name in ("data", "store", "other"))
    new = f"{tmp_path}/data/new {tmp_path}/store/new new"
    command = f"cat {files} file; echo $TOKEN; for f in {new}; do echo > $f; done"
    text = confined(root, command, profile)
    assert "of data\nof store\n" in text
    assert "of the workspace\ngranted\n" in text
    assert "of other" not in text
    assert (tmp_path / "store/new").exists()
    assert not (tmp_path / "data/new").exists()
    assert not (root / "new").exists()
    assert "No such file" in confined(root, "cat file", server(workspace="hidden"))


def test_a_server_with_network_reaches_it_and_no_unix_socket(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = f"exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]} && echo connected"
        assert confined(root, command, server(network=True)) == "connected\n"
        assert "connected" not in confined(root, command, server())
    unix = "python3 -c 'import socket; socket.socket(socket.AF_UNIX)'"
    assert "PermissionError" in confined(root, unix, server(network=True))


async def test_a_process_that_stays_speaks_over_its_pipes_and_dies_with_its_group(
    root: Path,
) -> None:
    launch = find_sandbox("bubblewrap").wrap(["cat"], root, server())
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *launch.argv, env=launch.env, cwd=launch.cwd, stdin=pipe, stdout=pipe,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    for line in (b"one\n", b"two\n"):
        process.stdin.write(line)
        assert await process.stdout.readline() == line
    process.stdin.close()
    assert await process.wait() == 0


def test_arguments_arrive_as_they_are(root: Path) -> None:
    words = ["", "two words", "$HOME", "`id`", "a\nb", '"', "'", "--", "-x", "é"]
    launch = find_sandbox("bubblewrap").wrap(["printf", "%s\\0", *words], root)
    done = subprocess.run(launch.argv, env=launch.env, cwd=root, capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


def test_variables_are_granted_by_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_HOST", "db")
    granted = Profile("workspace", workspace="writable", variables=("APP_HOST",))
    assert confined(root, "echo $APP_HOST", granted) == "db\n"
    assert confined(root, "echo $APP_HOST", WORKSPACE) == "\n"


@pytest.mark.parametrize(
    ("profile", "reads"),
    [
        (READ_ONLY, True),
        (server(), True),
        (WORKSPACE, False),
        (GIT, False),
        (server(network=True), False),
    ],
)
def test_landlock_runs_only_what_reads(root: Path, profile: Profile, reads: bool) -> None:
    sandbox = Landlock(landlock_abi()).with_profile(profile)
    assert sandbox.confines == reads
    if reads:
        assert sandbox.launch("true", root).cwd == root
    else:
        with pytest.raises(SandboxUnavailable, match="needs bubblewrap"):
            sandbox.launch("true", root)


def test_landlock_lets_read_the_workspace_and_nothing_be_written(
    root: Path, tmp_path: Path
) -> None:
    assert landlock_abi() >= 3, "these tests need a kernel with Landlock (Linux 6.2)"
    (root / "file").write_text("inside\n")
    (tmp_path / "file").write_text("outside\n")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    launch = find_sandbox("landlock", READ_ONLY).launch(
        f"cat file; cat {tmp_path}/file; echo x > file; chmod 777 file; rm file; mkdir new;"
        f"git status --short; kill -0 {os.getpid()} && echo signalled; "
        f"cat /proc/{os.getpid()}/environ; exec 3<>/dev/tcp/127.0.0.1/1; head -c 1 /etc/shadow",
        root,
    )
    done = subprocess.run(
        launch.argv, env=launch.env, cwd=root, capture_output=True, text=True, check=False
    )
    if landlock_abi() < 6:
        done.stdout = done.stdout.replace("signalled\n", "")
    assert done.stdout == "inside\n?? file\n", done.stderr
    assert (root / "file").read_text() == "inside\n"
    assert sorted(path.name for path in root.iterdir()) == [".git", "file"]


def test_the_rules_for_macos_protect_the_same_things(root: Path) -> None:
    (root / ".git").mkdir()
    text = seatbelt_rules(root, WORKSPACE, [])
    allowed = text.index(f'(allow file-read* file-write* (subpath "{root}"))')
    assert text.index("(deny default)") < allowed
    # The last rule that matches wins.
    for name in (".git", ".ingle"):
        assert text.rindex(f'(deny file-write* (subpath "{root}/{name}"))') > allowed
    assert "network" not in text
    assert "(allow network" in seatbelt_rules(root, server(network=True), [])
    reading = seatbelt_rules(root, READ_ONLY, [])
    assert f'file-write* (subpath "{root}"))' not in reading.replace("(deny file-write*", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "sudo apt install bubblewrap"),
        ('NAME="x"\nID="linuxmint"\nID_LIKE="ubuntu debian"\n', "sudo apt install bubblewrap"),
        ("ID=fedora\n", "sudo dnf install bubblewrap"),
        ("ID=arch\n", "sudo pacman -S bubblewrap"),
        ("ID=unheard-of\n", "install the package bubblewrap"),
        ("", "install the package bubblewrap"),
    ],
)
def test_the_line_that_installs_bubblewrap(text: str, line: str) -> None:
    assert install_line(text) == line


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1",
         "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
        ("user/max_user_namespaces", "100", "allow user namespaces"),
    ],
)  # fmt: skip
def test_the_line_that_allows_namespaces(tmp_path: Path, name: str, value: str, line: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(f"{value}\n")
    assert namespace_line(tmp_path).startswith(line)
